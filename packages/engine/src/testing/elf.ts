// The smallest ELF file a user-mode emulator loads: one header, one segment that may be read, written and
// executed, no sections.

const EXECUTABLE = 2;
const LOAD = 1;
const READ_WRITE_EXECUTE = 7;
const PAGE = 4096;

/** What an architecture writes in the header: `e_machine` and `e_flags`. */
export interface ElfMachine {
  readonly machine: number;
  readonly flags: number;
  /** Bits of addresses: 64 if not given. */
  readonly bits?: 32 | 64;
}

/** A static program: `image` at virtual address `base` (page-aligned), entered at `entry`. */
export function writeElf(
  image: Uint8Array,
  base: number,
  entry: number,
  { machine, flags, bits = 64 }: ElfMachine,
): Uint8Array {
  const file = new Uint8Array(PAGE + image.length);
  const view = new DataView(file.buffer);
  let at = 0;
  const u16 = (value: number) => {
    view.setUint16(at, value, true);
    at += 2;
  };
  const u32 = (value: number) => {
    view.setUint32(at, value, true);
    at += 4;
  };
  /** As wide as addresses. */
  const word = (value: number) => {
    u32(value);
    if (bits === 64) u32(0);
  };
  const [header, programHeader] = bits === 64 ? [64, 56] : [52, 32];
  // Little endian, version 1.
  file.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, 1, 1]);
  at = 16;
  u16(EXECUTABLE);
  u16(machine);
  u32(1);
  word(entry);
  word(header);
  word(0);
  u32(flags);
  u16(header);
  u16(programHeader);
  u16(1);
  at = header;
  u32(LOAD);
  if (bits === 64) u32(READ_WRITE_EXECUTE);
  word(PAGE);
  word(base);
  word(base);
  word(image.length);
  word(image.length);
  if (bits === 32) u32(READ_WRITE_EXECUTE);
  word(PAGE);
  file.set(image, PAGE);
  return file;
}
