import { MachineError } from "../../errors.js";
import type { KernelPlacement } from "../kernel.js";
import type { LoadPlan } from "../plan.js";
import { cString, viewOf } from "./bytes.js";
import { type MemoryRange, ramFrom } from "./memory-map.js";

// The Multiboot Specification, version 0.6.96.

const MAGIC = 0x1bad_b002;
/** In EAX when the kernel is entered. */
export const MULTIBOOT_LOADED = 0x2bad_b002;
const SEARCHED = 8192;
/** Bits of the header's flags that a loader has to know: alignment of modules, memory, video mode. */
const FLAG = { pageAlign: 1, memory: 2, video: 4, addresses: 1 << 16 } as const;
const KNOWN = FLAG.pageAlign | FLAG.memory | FLAG.video | FLAG.addresses;
/** Fields of the information that are there: memory, boot device no, command line, modules, map, loader's name. */
const INFO = { memory: 1, commandLine: 4, modules: 8, map: 0x40, loader: 0x200 } as const;
const INFO_SIZE = 116;
const MODULE_SIZE = 16;
const MAP_ENTRY = 24;
const MIB = 1 << 20;

export interface MultibootAddresses {
  /** Where in the file the header is, and where in memory. */
  readonly header: number;
  readonly load: number;
  /** 0: to the end of the file. */
  readonly loadEnd: number;
  /** 0: no bytes to clear. */
  readonly bssEnd: number;
  readonly entry: number;
}

export interface MultibootHeader {
  /** Offset in the file. */
  readonly offset: number;
  readonly addresses: MultibootAddresses | undefined;
}

/** The header in the first 8 KiB; undefined without. Throws MachineError for what it asks for and is not there. */
export function findMultiboot(bytes: Uint8Array, name: string): MultibootHeader | undefined {
  const view = viewOf(bytes);
  const end = Math.min(bytes.length, SEARCHED) - 12;
  for (let offset = 0; offset <= end; offset += 4) {
    if (view.getUint32(offset, true) !== MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if (((MAGIC + flags + view.getUint32(offset + 8, true)) & 0xffff_ffff) !== 0) continue;
    if ((flags & 0xffff & ~KNOWN) !== 0)
      throw new MachineError(
        "BadImage",
        `${name}: its multiboot header requires features 0x${(flags & 0xffff & ~KNOWN).toString(16)}`,
      );
    return { offset, addresses: (flags & FLAG.addresses) !== 0 ? addresses(view, offset, name) : undefined };
  }
  return undefined;
}

function addresses(view: DataView, offset: number, name: string): MultibootAddresses {
  if (offset + 32 > view.byteLength)
    throw new MachineError("Truncated", `${name}: its multiboot header is truncated`);
  const field = (index: number) => view.getUint32(offset + 12 + 4 * index, true);
  return { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4) };
}

/** Put an image where the addresses of its header say. Throws MachineError. */
export function placeByAddresses(
  plan: LoadPlan,
  name: string,
  bytes: Uint8Array,
  { offset, addresses: a }: MultibootHeader & { readonly addresses: MultibootAddresses },
): KernelPlacement {
  const from = offset - (a.header - a.load);
  const size = a.loadEnd === 0 ? bytes.length - from : a.loadEnd - a.load;
  if (from < 0 || size < 0 || from + size > bytes.length)
    throw new MachineError("BadImage", `${name}: the addresses of its multiboot header do not fit the file`);
  const memorySize = Math.max(size, a.bssEnd === 0 ? 0 : a.bssEnd - a.load);
  plan.place({ name, address: a.load, bytes: bytes.subarray(from, from + size), memorySize });
  return { entry: a.entry, start: a.load, end: a.load + memorySize };
}

export interface MultibootModule {
  readonly address: number;
  readonly size: number;
  readonly text: string;
}

/** The information that EBX points to, for a structure at `address`. */
export function multibootInformation(
  address: number,
  commandLine: string,
  modules: readonly MultibootModule[],
  map: readonly MemoryRange[],
): Uint8Array {
  const strings = [commandLine, "hypercraft", ...modules.map(({ text }) => text)].map(cString);
  const modulesAt = INFO_SIZE + 4;
  const mapAt = modulesAt + MODULE_SIZE * modules.length;
  let at = mapAt + MAP_ENTRY * map.length;
  const stringAt = strings.map(({ length }) => {
    at += length;
    return at - length;
  });
  const bytes = new Uint8Array(at);
  const view = viewOf(bytes);
  const put = (offset: number, value: number) => view.setUint32(offset, value, true);
  strings.forEach((string, i) => {
    bytes.set(string, stringAt[i]!);
  });
  put(0, INFO.memory | INFO.commandLine | INFO.map | INFO.loader | (modules.length > 0 ? INFO.modules : 0));
  put(4, Math.floor(ramFrom(map, 0) / 1024));
  put(8, Math.floor(ramFrom(map, MIB) / 1024));
  put(16, address + stringAt[0]!);
  put(20, modules.length);
  put(24, address + modulesAt);
  put(44, MAP_ENTRY * map.length);
  put(48, address + mapAt);
  put(64, address + stringAt[1]!);
  modules.forEach((module, i) => {
    const entry = modulesAt + MODULE_SIZE * i;
    put(entry, module.address);
    put(entry + 4, module.address + module.size);
    put(entry + 8, address + stringAt[2 + i]!);
  });
  map.forEach(({ base, size, type }, i) => {
    const entry = mapAt + MAP_ENTRY * i;
    put(entry, MAP_ENTRY - 4);
    view.setBigUint64(entry + 4, BigInt(base), true);
    view.setBigUint64(entry + 12, BigInt(size), true);
    put(entry + 20, type);
  });
  return bytes;
}
