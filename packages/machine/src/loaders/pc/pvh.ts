import type { ElfFile } from "../elf.js";
import { placeElf } from "../kernel.js";
import type { LoadPlan } from "../plan.js";
import { cString, type PcBoot, type PcBootOptions, placeLow } from "./entry.js";
import type { MemoryMapEntry } from "./memory-map.js";

// The x86/HVM direct boot ABI (PVH): Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h.

const NOTE_NAME = "Xen";
/** XEN_ELFNOTE_PHYS32_ENTRY. */
const PHYS32_ENTRY = 18;

const START_INFO_MAGIC = 0x336e_c578;
const START_INFO_SIZE = 56;
const MODULE_SIZE = 32;
const MAP_ENTRY_SIZE = 24;

/** Physical address to enter an ELF file at that says it can be booted so; undefined for others. */
export function pvhEntry(elf: ElfFile): number | undefined {
  const note = elf.notes.find(({ name, type }) => name === NOTE_NAME && type === PHYS32_ENTRY);
  if (note === undefined || note.bytes.length < 4) return undefined;
  const { bytes } = note;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
}

/** Gives a kernel, its modules and what it is told their places. @throws MachineError naming what does not fit. */
export function placePvh(plan: LoadPlan, elf: ElfFile, pc: number, options: PcBootOptions): PcBoot {
  const { commandLine = "", modules = [], rsdp = 0, memoryMap } = options;
  const { start, end } = placeElf(plan, elf);
  const info = new Uint8Array(START_INFO_SIZE);
  const view = new DataView(info.buffer);
  const address = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  view.setUint32(0, START_INFO_MAGIC, true);
  // Version 1 is that with a memory map.
  view.setUint32(4, 1, true);
  view.setUint32(12, modules.length, true);
  if (modules.length > 0) address(16, placeModules(plan, modules, end));
  address(24, placeLow(plan, "the command line", cString(commandLine), 16));
  address(32, rsdp);
  address(40, placeLow(plan, "the memory map", pvhMap(memoryMap), 16));
  view.setUint32(48, memoryMap.length, true);
  const rbx = placeLow(plan, "the start info", info, 16);
  return { entry: { kind: "protected", pc, code: 0x08, data: 0x10, registers: { rbx } }, start, end };
}

function placeModules(plan: LoadPlan, modules: NonNullable<PcBootOptions["modules"]>, above: number): number {
  const list = new Uint8Array(MODULE_SIZE * modules.length);
  const view = new DataView(list.buffer);
  modules.forEach(({ name, bytes, arguments: line }, index) => {
    // High, as kernels grow upwards before they know of modules.
    const { address } = plan.fit({ name, bytes, above, prefer: "high", below: 0x1_0000_0000 });
    view.setBigUint64(MODULE_SIZE * index, BigInt(address), true);
    view.setBigUint64(MODULE_SIZE * index + 8, BigInt(bytes.length), true);
    if (line === undefined) return;
    const at = placeLow(plan, `the command line of ${name}`, cString(line), 16);
    view.setBigUint64(MODULE_SIZE * index + 16, BigInt(at), true);
  });
  return placeLow(plan, "the list of modules", list, 16);
}

function pvhMap(map: readonly MemoryMapEntry[]): Uint8Array {
  const bytes = new Uint8Array(MAP_ENTRY_SIZE * map.length);
  const view = new DataView(bytes.buffer);
  map.forEach(({ base, size, type }, index) => {
    const at = MAP_ENTRY_SIZE * index;
    view.setBigUint64(at, BigInt(base), true);
    view.setBigUint64(at + 8, BigInt(size), true);
    view.setUint32(at + 16, type, true);
  });
  return bytes;
}
