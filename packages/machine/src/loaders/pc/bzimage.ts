import { bytesText, MachineError } from "../../errors.js";
import type { LoadPlan } from "../plan.js";
import {
  BOOT_CODE,
  BOOT_DATA,
  cString,
  type PcBoot,
  type PcBootOptions,
  placeBootGdt,
  placeIdentityMap,
  placeLow,
} from "./entry.js";
import { e820Bytes } from "./memory-map.js";

// The x86 Linux boot protocol: Documentation/arch/x86/{boot,zero-page}.rst.

/** Offsets in the file; those of the setup header are the same in the zero page. */
const SETUP_SECTORS = 0x1f1;
const SYSTEM_SIZE = 0x1f4;
const BOOT_FLAG = 0x1fe;
const JUMP_LENGTH = 0x201;
const HEADER = 0x202;
const VERSION = 0x206;
const LOADER_TYPE = 0x210;
const LOAD_FLAGS = 0x211;
const CODE32_START = 0x214;
const RAMDISK_IMAGE = 0x218;
const RAMDISK_SIZE = 0x21c;
const COMMAND_LINE = 0x228;
const INITRD_MAX = 0x22c;
const RELOCATABLE = 0x234;
const EXTENDED_LOAD_FLAGS = 0x236;
const COMMAND_LINE_SIZE = 0x238;
const SETUP_DATA = 0x250;
const PREFERRED_ADDRESS = 0x258;
const INIT_SIZE = 0x260;
/** In the zero page alone. */
const RSDP = 0x70;
const E820_COUNT = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_MAX = 128;
const ZERO_PAGE_SIZE = 4096;

const SECTOR = 512;
const LOADED_HIGH = 1;
const KERNEL_64 = 1;
/** Entry for 64-bit mode, from the start of the loaded part. */
const ENTRY_64 = 0x200;
const UNDEFINED_LOADER = 0xff;
const RNG_SEED = 9;
/** The oldest protocol that tells how much memory the kernel needs. */
const OLDEST = 0x20a;
const HIGH_ADDRESS = 0x10_0000;

/** A Linux kernel for x86 as it is shipped. */
export interface BzImage {
  readonly name: string;
  /** Protocol version, such as 0x20f. */
  readonly version: number;
  /** Setup header, to be handed back to the kernel. */
  readonly header: Uint8Array;
  /** What is loaded. */
  readonly bytes: Uint8Array;
  /** Whether it can be entered in 64-bit mode. */
  readonly entry64: boolean;
  readonly address: number;
  /** Bytes from `address` on that the kernel needs before it knows the memory map. */
  readonly memorySize: number;
  /** Highest address of an initrd's last byte. */
  readonly initrdMax: number;
  readonly commandLineSize: number;
}

/** Whether the bytes have Linux's setup header. */
export function looksLikeBzImage(bytes: Uint8Array): boolean {
  return bytes.length > HEADER + 4 && [0x48, 0x64, 0x72, 0x53].every((byte, i) => bytes[HEADER + i] === byte);
}

/** @throws MachineError `BadImage`, `NotSupported`, `Truncated`. */
export function readBzImage(bytes: Uint8Array, name: string): BzImage {
  if (!looksLikeBzImage(bytes)) throw new MachineError("BadImage", `${name}: not a Linux kernel for x86`);
  if (bytes.length < E820_TABLE)
    throw new MachineError("Truncated", `${name}: Linux kernel is truncated: ${bytesText(bytes.length)}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint16(VERSION, true);
  if (version < OLDEST || view.getUint16(BOOT_FLAG, true) !== 0xaa55) {
    const text = `${version >> 8}.${String(version & 0xff).padStart(2, "0")}`;
    throw new MachineError("NotSupported", `${name}: Linux boot protocol ${text} is too old, 2.10 is needed`);
  }
  if ((bytes[LOAD_FLAGS]! & LOADED_HIGH) === 0)
    throw new MachineError("NotSupported", `${name}: is a zImage, which loads below 640 KiB; use a bzImage`);
  const setup = ((bytes[SETUP_SECTORS] || 4) + 1) * SECTOR;
  const size = view.getUint32(SYSTEM_SIZE, true) * 16;
  // The last paragraph may not be whole.
  if (setup + size - 15 > bytes.length) {
    const need = bytesText(setup + size);
    throw new MachineError(
      "Truncated",
      `${name}: Linux kernel is truncated: ${bytesText(bytes.length)} of ${need}`,
    );
  }
  const loaded = bytes.subarray(setup);
  const relocatable = bytes[RELOCATABLE] !== 0;
  return {
    name,
    version,
    header: bytes.subarray(SETUP_SECTORS, HEADER + bytes[JUMP_LENGTH]!),
    bytes: loaded,
    entry64: version >= 0x20c && (view.getUint16(EXTENDED_LOAD_FLAGS, true) & KERNEL_64) !== 0,
    address: relocatable ? Number(view.getBigUint64(PREFERRED_ADDRESS, true)) : HIGH_ADDRESS,
    memorySize: Math.max(view.getUint32(INIT_SIZE, true), loaded.length),
    initrdMax: view.getUint32(INITRD_MAX, true),
    commandLineSize: view.getUint32(COMMAND_LINE_SIZE, true),
  };
}

/** Gives a kernel, its initrd and what it is told their places. @throws MachineError naming what does not fit. */
export function placeBzImage(plan: LoadPlan, image: BzImage, options: PcBootOptions): PcBoot {
  const { name, address, memorySize, bytes, entry64 } = image;
  plan.place({ name, address, bytes, memorySize });
  const zeroPage = makeZeroPage(plan, image, options);
  const registers = { rsi: placeLow(plan, "the boot parameters", zeroPage) };
  const segments = { code: BOOT_CODE, data: BOOT_DATA, gdt: placeBootGdt(plan, entry64 ? 64 : 32) };
  const [start, end] = [address, address + memorySize];
  if (!entry64) return { entry: { kind: "protected", pc: address, registers, ...segments }, start, end };
  const pageTable = placeIdentityMap(plan);
  return { entry: { kind: "long", pc: address + ENTRY_64, registers, pageTable, ...segments }, start, end };
}

function makeZeroPage(plan: LoadPlan, image: BzImage, options: PcBootOptions): Uint8Array {
  const { commandLine = "", modules = [], memoryMap, rsdp = 0, seed } = options;
  const { name, commandLineSize } = image;
  const page = new Uint8Array(ZERO_PAGE_SIZE);
  const view = new DataView(page.buffer);
  page.set(image.header, SETUP_SECTORS);
  page[LOADER_TYPE] = UNDEFINED_LOADER;
  view.setUint32(CODE32_START, image.address, true);
  view.setBigUint64(RSDP, BigInt(rsdp), true);

  const line = cString(commandLine);
  if (line.length - 1 > commandLineSize)
    throw new MachineError(
      "OutOfRange",
      `${name}: the command line of ${line.length - 1} bytes is longer than the kernel's ${commandLineSize}`,
    );
  view.setUint32(COMMAND_LINE, placeLow(plan, "the command line", line, 16), true);

  if (modules.length > 1)
    throw new MachineError("NotSupported", `${name}: Linux takes one initrd, not ${modules.length} modules`);
  for (const { name: initrd, bytes } of modules) {
    const placed = plan.fit({ name: initrd, bytes, prefer: "high", below: image.initrdMax + 1 });
    view.setUint32(RAMDISK_IMAGE, placed.address, true);
    view.setUint32(RAMDISK_SIZE, bytes.length, true);
  }

  if (memoryMap.length > E820_MAX)
    throw new MachineError(
      "OutOfRange",
      `a memory map of ${memoryMap.length} entries, ${E820_MAX} are possible`,
    );
  page[E820_COUNT] = memoryMap.length;
  page.set(e820Bytes(memoryMap), E820_TABLE);
  if (seed !== undefined) view.setBigUint64(SETUP_DATA, BigInt(placeSeed(plan, seed)), true);
  return page;
}

/** A `setup_data` of a kind that kernels overwrite when they have read it. */
function placeSeed(plan: LoadPlan, seed: Uint8Array): number {
  const bytes = new Uint8Array(16 + seed.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, RNG_SEED, true);
  view.setUint32(12, seed.length, true);
  bytes.set(seed, 16);
  return placeLow(plan, "the random seed", bytes, 16);
}
