// The smallest ELF file a user-mode emulator loads: one header, one segment that may be read, written and
// executed, no sections.

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const EXECUTABLE = 2;
const LOAD = 1;
const READ_WRITE_EXECUTE = 7;
const PAGE = 4096;

/** What an architecture writes in the header: `e_machine` and `e_flags`. */
export interface ElfMachine {
  readonly machine: number;
  readonly flags: number;
}

/** A static 64-bit program: `image` at virtual address `base` (page-aligned), entered at `entry`. */
export function writeElf(
  image: Uint8Array,
  base: number,
  entry: number,
  { machine, flags }: ElfMachine,
): Uint8Array {
  const file = new Uint8Array(PAGE + image.length);
  const view = new DataView(file.buffer);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  // 64-bit, little endian, version 1
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, EXECUTABLE, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  u64(24, entry);
  u64(32, HEADER_BYTES);
  view.setUint32(48, flags, true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, LOAD, true);
  view.setUint32(68, READ_WRITE_EXECUTE, true);
  u64(72, PAGE);
  u64(80, base);
  u64(88, base);
  u64(96, image.length);
  u64(104, image.length);
  u64(112, PAGE);
  file.set(image, PAGE);
  return file;
}
