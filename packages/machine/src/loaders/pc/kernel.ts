import { hex, MachineError, range } from "../../errors.js";
import { X86_64 } from "../architecture.js";
import { decompress } from "../decompress.js";
import { dynamicallyLinked, type ElfFile, elfIs, looksLikeElf, readElf } from "../elf.js";
import { placeElf, refuseOthers } from "../kernel.js";
import { linuxImageArchitecture, readLinuxImage } from "../linux-image.js";
import type { LoadPlan } from "../plan.js";
import { type BzImage, looksLikeBzImage, placeBzImage, readBzImage } from "./bzimage.js";
import {
  BOOT_CODE,
  BOOT_DATA,
  type PcBoot,
  type PcBootOptions,
  placeBootGdt,
  placeIdentityMap,
} from "./entry.js";
import {
  hasDamagedMultiboot,
  looksLikeMultiboot,
  looksLikeMultiboot2,
  type MultibootKernel,
  placeMultiboot,
  readMultiboot,
} from "./multiboot.js";
import { placePvh, pvhEntry } from "./pvh.js";
import { placeRealMode } from "./rom.js";

/** Something for a PC to run, by the protocol it is booted by. */
export type PcKernel =
  | { readonly format: "bzImage"; readonly name: string; readonly image: BzImage }
  | { readonly format: "multiboot"; readonly name: string; readonly kernel: MultibootKernel }
  | { readonly format: "pvh"; readonly name: string; readonly elf: ElfFile; readonly entry: number }
  | { readonly format: "elf"; readonly name: string; readonly elf: ElfFile }
  | { readonly format: "flat"; readonly name: string; readonly bytes: Uint8Array };

const EM_386 = 3;

/**
 * Tells what a file is and reads it: Linux's bzImage; a Multiboot kernel; an ELF file with a PVH entry, or without any
 * protocol; or else a flat image for real mode. Any may be gzip'd.
 * @throws MachineError naming the file.
 */
export async function readPcKernel(file: Uint8Array, name: string): Promise<PcKernel> {
  if (file.length === 0) throw new MachineError("Truncated", `${name}: is empty`);
  const bytes = await decompress(file, name);
  if (looksLikeBzImage(bytes)) return { format: "bzImage", name, image: readBzImage(bytes, name) };
  if (looksLikeElf(bytes)) return readPcElf(bytes, name);
  if (looksLikeMultiboot(bytes)) return { format: "multiboot", name, kernel: readMultiboot(bytes, name) };
  if (linuxImageArchitecture(bytes) !== undefined) readLinuxImage(bytes, name, X86_64);
  refuseOthers(bytes, name, X86_64);
  refuseMultiboot2(bytes, name);
  if (hasDamagedMultiboot(bytes))
    throw new MachineError("BadImage", `${name}: its Multiboot header has a wrong checksum`);
  return { format: "flat", name, bytes };
}

function readPcElf(bytes: Uint8Array, name: string): PcKernel {
  // Before the file is read as ELF: a Multiboot header with addresses of its own is there for kernels whose ELF
  // headers have no physical ones.
  if (looksLikeMultiboot(bytes)) return { format: "multiboot", name, kernel: readMultiboot(bytes, name) };
  // Kernels of 32 bits are for PCs as well; of others, the error is about x86-64.
  const elf = readElf(bytes, name, elfIs(bytes, EM_386, 32) ? undefined : X86_64);
  const entry = pvhEntry(elf);
  if (entry !== undefined) return { format: "pvh", name, elf, entry };
  if (elf.interpreter !== undefined)
    throw new MachineError("BadImage", `${name}: ${dynamicallyLinked(elf.interpreter)}`);
  refuseMultiboot2(bytes, name);
  return { format: "elf", name, elf };
}

/** Entered in another way, such kernels at best notice. */
function refuseMultiboot2(bytes: Uint8Array, name: string): void {
  if (!looksLikeMultiboot2(bytes)) return;
  throw new MachineError(
    "NotSupported",
    `${name}: is for Multiboot 2, which is not supported; Multiboot 1, PVH and Linux kernels are`,
  );
}

export interface PcKernelOptions extends PcBootOptions {
  /** Where a flat image goes. */
  readonly address?: number | undefined;
}

/**
 * Gives a kernel and what it is told their places in a plan whose RAM begins at 0.
 * @throws MachineError `Overlap`, `OutOfRange`, `NoMemory`, `InvalidParam`.
 */
export function placePcKernel(plan: LoadPlan, kernel: PcKernel, options: PcKernelOptions): PcBoot {
  const boot = place(plan, kernel, options);
  const { entry, start, end } = boot;
  if ("pc" in entry && (entry.pc < start || entry.pc >= end)) {
    const loaded = range(start, end - start);
    throw new MachineError(
      "BadImage",
      `${kernel.name}: its entry ${hex(entry.pc)} is not in what is loaded, ${loaded}`,
    );
  }
  return boot;
}

function place(plan: LoadPlan, kernel: PcKernel, options: PcKernelOptions): PcBoot {
  switch (kernel.format) {
    case "bzImage":
      return placeBzImage(plan, kernel.image, options);
    case "multiboot":
      return placeMultiboot(plan, kernel.kernel, options);
    case "pvh":
      return placePvh(plan, kernel.elf, kernel.entry, options);
    case "elf":
      refuseModules(kernel, options);
      return placePlainElf(plan, kernel.elf);
    case "flat":
      refuseModules(kernel, options);
      if (options.address === undefined)
        throw new MachineError("InvalidParam", `${kernel.name}: a flat image needs a load address`);
      return placeRealMode(plan, kernel.name, kernel.bytes, options.address);
  }
}

/** There is no way to tell an image without a protocol of them. */
function refuseModules({ name }: PcKernel, { modules = [] }: PcKernelOptions): void {
  const [first] = modules;
  if (first === undefined) return;
  throw new MachineError("NotSupported", `${name}: has no boot protocol that would tell it of ${first.name}`);
}

/** Without a protocol: entered in the mode of the file's class, flat, in 64-bit mode with the first 4 GiB mapped. */
function placePlainElf(plan: LoadPlan, elf: ElfFile): PcBoot {
  const { entry: pc, start, end } = placeElf(plan, elf);
  const segments = { code: BOOT_CODE, data: BOOT_DATA, gdt: placeBootGdt(plan, elf.bits) };
  if (elf.bits === 32) return { entry: { kind: "protected", pc, ...segments }, start, end };
  return { entry: { kind: "long", pc, pageTable: placeIdentityMap(plan), ...segments }, start, end };
}
