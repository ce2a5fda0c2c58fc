import { bytesText, MachineError } from "../../errors.js";
import { type ElfFile, looksLikeElf, readElf } from "../elf.js";
import { placeElf } from "../kernel.js";
import type { LoadPlan } from "../plan.js";
import { cString, lineOf, type PcBoot, type PcBootOptions, placeLow } from "./entry.js";
import { E820_ENTRY_SIZE, e820Bytes, type MemoryMapEntry, MemoryType } from "./memory-map.js";

// Multiboot specification 0.6.96.

const HEADER_MAGIC = 0x1bad_b002;
const BOOTED_MAGIC = 0x2bad_b002;
/** The header lies within so many bytes. */
const SEARCHED = 8192;
const HEADER_SIZE = 12;
const ADDRESSES_SIZE = 32;

/** Header flags. */
const ALIGN_MODULES = 1;
const ADDRESSES = 1 << 16;
/** Of those that a loader has to understand, we do: alignment, memory information, and what the screen shall be like. */
const UNDERSTOOD = 0x7;
const REQUIRED = 0xffff;

/** Fields of the information structure, and their flags. */
const INFO_SIZE = 116;
const INFO = {
  memory: 1,
  commandLine: 4,
  modules: 8,
  memoryMap: 0x40,
  loaderName: 0x200,
  screen: 0x1000,
} as const;

/** The only mode there is, whatever a kernel would like. */
const SCREEN = { address: 0xb_8000, pitch: 160, columns: 80, rows: 25, bits: 16, text: 2 } as const;

const STACK_SIZE = 4096;

/** Where a kernel without ELF headers goes: the header's address fields. */
interface LoadAddresses {
  /** The address that the header itself is loaded to. */
  readonly header: number;
  readonly load: number;
  readonly loadEnd: number;
  readonly bssEnd: number;
  readonly entry: number;
}

export interface MultibootKernel {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Offset of the header in the file. */
  readonly headerAt: number;
  readonly alignModules: boolean;
  readonly addresses: LoadAddresses | undefined;
  readonly elf: ElfFile | undefined;
}

/** Offset of the header, -1 if there is none. `isHeader`: what its flags and checksum have to be. */
function findHeader(bytes: Uint8Array, isHeader = isRight): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = Math.min(bytes.length, SEARCHED) - HEADER_SIZE;
  for (let at = 0; at <= end; at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    if (isHeader(view.getUint32(at + 4, true), view.getUint32(at + 8, true))) return at;
  }
  return -1;
}

const isRight = (flags: number, checksum: number): boolean =>
  (HEADER_MAGIC + flags + checksum) % 0x1_0000_0000 === 0;
/** Flags that any kernel may have, so that this is no number in some loader's code. */
const isPlausible = (flags: number): boolean => (flags & ~(UNDERSTOOD | ADDRESSES)) === 0;

/** Whether a file that has no Multiboot header seems to have been meant to have one. */
export function hasDamagedMultiboot(bytes: Uint8Array): boolean {
  return findHeader(bytes, isPlausible) >= 0;
}

/** Whether a file has a Multiboot header. */
export function looksLikeMultiboot(bytes: Uint8Array): boolean {
  return findHeader(bytes) >= 0;
}

/** Multiboot specification 2.0: the header's first word, and where it may lie. */
const HEADER_2 = { magic: 0xe852_50d6, searched: 32_768, size: 16, alignment: 8 } as const;

/** Whether a file has a header of Multiboot 2, which is another protocol. */
export function looksLikeMultiboot2(bytes: Uint8Array): boolean {
  const { magic, searched, size, alignment } = HEADER_2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = Math.min(bytes.length, searched) - size;
  for (let at = 0; at <= end; at += alignment) {
    if (view.getUint32(at, true) !== magic) continue;
    const sum = [0, 4, 8, 12].reduce((total, offset) => total + view.getUint32(at + offset, true), 0);
    if (sum % 0x1_0000_0000 === 0) return true;
  }
  return false;
}

/** @throws MachineError `BadImage`, `NotSupported`, `Truncated`. */
export function readMultiboot(bytes: Uint8Array, name: string): MultibootKernel {
  const headerAt = findHeader(bytes);
  if (headerAt < 0) throw new MachineError("BadImage", `${name}: has no Multiboot header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint32(headerAt + 4, true);
  const unknown = flags & REQUIRED & ~UNDERSTOOD;
  if (unknown !== 0) {
    const text = `0x${unknown.toString(16)}`;
    throw new MachineError(
      "NotSupported",
      `${name}: its Multiboot header requires ${text}, which is not supported`,
    );
  }
  const alignModules = (flags & ALIGN_MODULES) !== 0;
  if ((flags & ADDRESSES) === 0) {
    if (!looksLikeElf(bytes))
      throw new MachineError(
        "BadImage",
        `${name}: its Multiboot header has no addresses, and it is no ELF file`,
      );
    return { name, bytes, headerAt, alignModules, addresses: undefined, elf: readElf(bytes, name) };
  }
  if (headerAt + ADDRESSES_SIZE > bytes.length)
    throw new MachineError("Truncated", `${name}: its Multiboot header is truncated`);
  const [header, load, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((offset) =>
    view.getUint32(headerAt + offset, true),
  ) as [number, number, number, number, number];
  const addresses = { header, load, loadEnd, bssEnd, entry };
  return { name, bytes, headerAt, alignModules, addresses, elf: undefined };
}

/** Gives a kernel, its modules and what it is told their places. @throws MachineError naming what does not fit. */
export function placeMultiboot(plan: LoadPlan, kernel: MultibootKernel, options: PcBootOptions): PcBoot {
  const placed =
    kernel.addresses === undefined
      ? placeElf(plan, kernel.elf as ElfFile)
      : placeByAddresses(plan, kernel, kernel.addresses);
  const rbx = placeInformation(plan, kernel, options, placed.end);
  // The specification leaves ESP undefined, but kernels push before they have a stack of their own, as any loader
  // leaves one behind.
  const stack = placeLow(plan, "the boot stack", new Uint8Array(STACK_SIZE), 16);
  const registers = { rax: BOOTED_MAGIC, rbx, rsp: stack + STACK_SIZE };
  // Any flat segments will do; these are those that GRUB and QEMU have.
  return { ...placed, entry: { kind: "protected", pc: placed.entry, code: 0x08, data: 0x10, registers } };
}

function placeByAddresses(plan: LoadPlan, kernel: MultibootKernel, at: LoadAddresses) {
  const { name, bytes, headerAt } = kernel;
  const from = headerAt - (at.header - at.load);
  // Without an end, all of the file is loaded; without an end of BSS, there is none.
  const size = at.loadEnd === 0 ? bytes.length - from : at.loadEnd - at.load;
  const memorySize = at.bssEnd === 0 ? size : at.bssEnd - at.load;
  if (from < 0 || size < 0 || memorySize < size)
    throw new MachineError("BadImage", `${name}: the addresses in its Multiboot header make no sense`);
  if (from + size > bytes.length) {
    const text = `${bytesText(bytes.length)} of ${bytesText(from + size)}`;
    throw new MachineError("Truncated", `${name}: is truncated: ${text}`);
  }
  plan.place({ name, address: at.load, bytes: bytes.subarray(from, from + size), memorySize });
  return { entry: at.entry, start: at.load, end: at.load + memorySize };
}

/** Gives the information structure's address. */
function placeInformation(
  plan: LoadPlan,
  kernel: MultibootKernel,
  options: PcBootOptions,
  above: number,
): number {
  const { commandLine = "", modules = [], memoryMap } = options;
  const info = new Uint8Array(INFO_SIZE);
  const view = new DataView(info.buffer);
  const set = (offset: number, value: number) => view.setUint32(offset, value, true);
  set(0, INFO.memory | INFO.commandLine | INFO.modules | INFO.memoryMap | INFO.loaderName | INFO.screen);
  const { lower, upper } = basicMemory(memoryMap);
  set(4, lower / 1024);
  set(8, upper / 1024);
  set(16, placeString(plan, "the command line", lineOf(kernel.name, commandLine)));

  const list = new Uint8Array(16 * modules.length);
  const listView = new DataView(list.buffer);
  modules.forEach(({ name, bytes, arguments: rest }, index) => {
    const alignment = kernel.alignModules ? 4096 : 16;
    const { address } = plan.fit({ name, bytes, alignment, above });
    listView.setUint32(16 * index, address, true);
    listView.setUint32(16 * index + 4, address + bytes.length, true);
    const line = placeString(plan, `the command line of ${name}`, lineOf(name, rest));
    listView.setUint32(16 * index + 8, line, true);
  });
  set(20, modules.length);
  if (modules.length > 0) set(24, placeLow(plan, "the list of modules", list, 16));

  const map = multibootMap(memoryMap);
  set(44, map.length);
  set(48, placeLow(plan, "the memory map", map, 16));
  set(64, placeString(plan, "the loader's name", "hypercraft"));
  set(88, SCREEN.address);
  set(96, SCREEN.pitch);
  set(100, SCREEN.columns);
  set(104, SCREEN.rows);
  info.set([SCREEN.bits, SCREEN.text], 108);
  return placeLow(plan, "the Multiboot information", info, 16);
}

function placeString(plan: LoadPlan, what: string, text: string): number {
  return placeLow(plan, what, cString(text), 16);
}

/** Each entry of the map begins with its size, which that does not count. */
function multibootMap(map: readonly MemoryMapEntry[]): Uint8Array {
  const stride = E820_ENTRY_SIZE + 4;
  const bytes = new Uint8Array(stride * map.length);
  const view = new DataView(bytes.buffer);
  map.forEach((entry, index) => {
    view.setUint32(stride * index, E820_ENTRY_SIZE, true);
    bytes.set(e820Bytes([entry]), stride * index + 4);
  });
  return bytes;
}

/** Bytes of memory from 0 on, and from 1 MiB to the first hole. */
function basicMemory(map: readonly MemoryMapEntry[]): { readonly lower: number; readonly upper: number } {
  const usable = (base: number) =>
    map.find((entry) => entry.type === MemoryType.usable && entry.base === base)?.size ?? 0;
  return { lower: Math.min(usable(0), 640 << 10), upper: usable(1 << 20) };
}
