import { cString, viewOf } from "./bytes.js";
import type { MemoryRange } from "./memory-map.js";

// Direct boot as Xen's PVH guests do it: the ELF note, and the structure that EBX points to.

const PT_NOTE = 4;
/** XEN_ELFNOTE_PHYS32_ENTRY. */
const ENTRY_NOTE = 18;
const START_MAGIC = 0x336e_c578;
const START_SIZE = 56;
const MODULE_SIZE = 32;
const MAP_ENTRY = 24;

/** The 32-bit physical entry of an ELF file's PVH note; undefined without. */
export function findPvhEntry(bytes: Uint8Array): number | undefined {
  const view = viewOf(bytes);
  const wide = bytes[4] === 2;
  const table = wide ? Number(view.getBigUint64(32, true)) : view.getUint32(28, true);
  const entrySize = view.getUint16(wide ? 54 : 42, true);
  const count = view.getUint16(wide ? 56 : 44, true);
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    if (view.getUint32(at, true) !== PT_NOTE) continue;
    const offset = wide ? Number(view.getBigUint64(at + 8, true)) : view.getUint32(at + 4, true);
    const size = wide ? Number(view.getBigUint64(at + 32, true)) : view.getUint32(at + 16, true);
    if (offset + size > bytes.length) continue;
    const found = noteEntry(viewOf(bytes.subarray(offset, offset + size)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Notes are a header of three words, a name and a descriptor, each padded to 4 bytes. */
function noteEntry(notes: DataView): number | undefined {
  const padded = (size: number) => (size + 3) & ~3;
  for (let at = 0; at + 12 <= notes.byteLength; ) {
    const nameSize = notes.getUint32(at, true);
    const size = notes.getUint32(at + 4, true);
    const type = notes.getUint32(at + 8, true);
    const name = at + 12;
    const data = name + padded(nameSize);
    if (data + size > notes.byteLength) return undefined;
    const isXen = nameSize === 4 && notes.getUint32(name, true) === 0x006e_6558;
    if (isXen && type === ENTRY_NOTE && size >= 4) return notes.getUint32(data, true);
    at = data + padded(size);
  }
  return undefined;
}

/** `hvm_start_info` of version 1, for a structure at `address`. */
export function pvhStartInformation(
  address: number,
  commandLine: string,
  initrd: { readonly address: number; readonly size: number } | undefined,
  rsdp: number,
  map: readonly MemoryRange[],
): Uint8Array {
  const text = cString(commandLine);
  const mapAt = START_SIZE + MODULE_SIZE;
  const textAt = mapAt + MAP_ENTRY * map.length;
  const bytes = new Uint8Array(textAt + text.length);
  bytes.set(text, textAt);
  const view = viewOf(bytes);
  const wide = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  view.setUint32(0, START_MAGIC, true);
  view.setUint32(4, 1, true);
  view.setUint32(12, initrd === undefined ? 0 : 1, true);
  wide(16, initrd === undefined ? 0 : address + START_SIZE);
  wide(24, address + textAt);
  wide(32, rsdp);
  wide(40, address + mapAt);
  view.setUint32(48, map.length, true);
  if (initrd !== undefined) {
    wide(START_SIZE, initrd.address);
    wide(START_SIZE + 8, initrd.size);
  }
  map.forEach(({ base, size, type }, i) => {
    wide(mapAt + MAP_ENTRY * i, base);
    wide(mapAt + MAP_ENTRY * i + 8, size);
    view.setUint32(mapAt + MAP_ENTRY * i + 16, type, true);
  });
  return bytes;
}
