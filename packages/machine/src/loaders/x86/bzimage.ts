import { MachineError } from "../../errors.js";
import { viewOf } from "./bytes.js";
import type { MemoryRange } from "./memory-map.js";

// Linux's boot protocol for x86 (Documentation/arch/x86/boot.rst), of version 2.12 on: the 64-bit entry.

const SECTOR = 512;
const HEADER = 0x1f1;
const MAGIC_AT = 0x202;
/** "HdrS". */
const MAGIC = 0x5372_6448;
const OLDEST = 0x20c;
const XLF_KERNEL_64 = 1;
/** Where the protocol puts a bzImage's protected-mode code that has no other wish. */
const ENTRY_64 = 0x200;
/** `boot_params` is one page. */
export const BOOT_PARAMS_SIZE = 4096;
const E820_AT = 0x2d0;
const E820_MAX = 128;
/** "Undefined": a loader without a number of its own. */
const LOADER_TYPE = 0xff;
const LOADED_HIGH = 1;

export interface BzImage {
  readonly name: string;
  /** Bytes 0x1f1 on, as far as they are the header. */
  readonly header: Uint8Array;
  /** What is loaded. */
  readonly code: Uint8Array;
  /** Bytes of memory that it needs from its load address on until it has read its memory map. */
  readonly memorySize: number;
  readonly preferredAddress: number;
  readonly alignment: number;
  readonly relocatable: boolean;
  /** Last address that an initrd may have. */
  readonly initrdMax: number;
  readonly commandLineMax: number;
}

export function isBzImage(bytes: Uint8Array): boolean {
  return bytes.length > MAGIC_AT + 4 && viewOf(bytes).getUint32(MAGIC_AT, true) === MAGIC;
}

/** Throws MachineError for a kernel too old, for 32 bits only, or truncated. */
export function readBzImage(bytes: Uint8Array, name: string): BzImage {
  const view = viewOf(bytes);
  const version = view.getUint16(0x206, true);
  if (version < OLDEST) {
    const shown = `${version >> 8}.${version & 0xff}`;
    throw new MachineError("BadImage", `${name}: boot protocol ${shown} is too old, 2.12 is needed`);
  }
  if ((view.getUint16(0x236, true) & XLF_KERNEL_64) === 0)
    throw new MachineError("WrongArchitecture", `${name}: a Linux kernel without a 64-bit entry`);
  const setup = ((view.getUint8(HEADER) || 4) + 1) * SECTOR;
  const size = view.getUint32(0x1f4, true) * 16;
  if (setup + size > bytes.length)
    throw new MachineError("Truncated", `${name}: has ${bytes.length} of ${setup + size} bytes`);
  const headerEnd = MAGIC_AT + view.getUint8(0x201);
  return {
    name,
    header: bytes.subarray(HEADER, headerEnd),
    code: bytes.subarray(setup),
    memorySize: view.getUint32(0x260, true),
    preferredAddress: Number(view.getBigUint64(0x258, true)),
    alignment: view.getUint32(0x230, true),
    relocatable: view.getUint8(0x234) !== 0,
    initrdMax: view.getUint32(0x22c, true),
    commandLineMax: view.getUint32(0x238, true),
  };
}

/** Where the 64-bit entry is. */
export function entryOf(load: number): number {
  return load + ENTRY_64;
}

export interface BootParameters {
  readonly commandLine: number;
  readonly initrd: { readonly address: number; readonly size: number } | undefined;
  readonly rsdp: number;
  readonly map: readonly MemoryRange[];
  /** Where the kernel was loaded. */
  readonly load: number;
}

/** The page that RSI points to. Throws MachineError for a memory map that it has no room for. */
export function bootParameters({ header }: BzImage, given: BootParameters): Uint8Array {
  const { commandLine, initrd, rsdp, map, load } = given;
  if (map.length > E820_MAX) throw new MachineError("OutOfRange", `a memory map of ${map.length} ranges`);
  const bytes = new Uint8Array(BOOT_PARAMS_SIZE);
  const view = viewOf(bytes);
  bytes.set(header, HEADER);
  view.setBigUint64(0x70, BigInt(rsdp), true);
  view.setUint8(0x1e8, map.length);
  // No video mode.
  view.setUint16(0x1fa, 0xffff, true);
  view.setUint8(0x210, LOADER_TYPE);
  view.setUint8(0x211, view.getUint8(0x211) | LOADED_HIGH);
  view.setUint32(0x214, load, true);
  view.setUint32(0x218, initrd?.address ?? 0, true);
  view.setUint32(0x21c, initrd?.size ?? 0, true);
  view.setUint32(0x228, commandLine, true);
  map.forEach(({ base, size, type }, i) => {
    const at = E820_AT + 20 * i;
    view.setBigUint64(at, BigInt(base), true);
    view.setBigUint64(at + 8, BigInt(size), true);
    view.setUint32(at + 16, type, true);
  });
  return bytes;
}
