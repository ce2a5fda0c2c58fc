import { MachineError } from "../errors.js";
import { looksLikeFdt } from "../fdt/reader.js";
import { AARCH64, type ImageArchitecture, RISCV64, X86_64 } from "./architecture.js";
import { decompress } from "./decompress.js";
import { type ElfFile, looksLikeElf, readElf } from "./elf.js";
import { type LinuxImage, linuxImageArchitecture, readLinuxImage } from "./linux-image.js";
import type { LoadPlan } from "./plan.js";
import { looksLikeZboot, unpackZboot } from "./zboot.js";

/** Something to run: a kernel, firmware, a test program. */
export type KernelImage =
  | { readonly format: "elf"; readonly name: string; readonly elf: ElfFile }
  | { readonly format: "linux"; readonly name: string; readonly image: LinuxImage }
  | { readonly format: "flat"; readonly name: string; readonly bytes: Uint8Array };

/**
 * Tells what a file is and reads it: ELF, a Linux image (plain, with EFI stub, gzip'd, or in an EFI zboot
 * image), or else a flat binary.
 * @throws MachineError naming the file: wrong architecture, truncated, compressed in an unknown way, empty, or
 * plainly something else.
 */
export async function readKernel(
  file: Uint8Array,
  name: string,
  architecture: ImageArchitecture,
): Promise<KernelImage> {
  if (file.length === 0) throw new MachineError("Truncated", `${name}: is empty`);
  if (looksLikeZboot(file)) return readKernel(await unpackZboot(file, name), name, architecture);
  const bytes = await decompress(file, name);
  if (looksLikeElf(bytes)) return { format: "elf", name, elf: readElf(bytes, name, architecture) };
  if (linuxImageArchitecture(bytes) !== undefined) {
    return { format: "linux", name, image: readLinuxImage(bytes, name, architecture) };
  }
  refuseOthers(bytes, name, architecture);
  return { format: "flat", name, bytes };
}

/** Files that would only crash as flat binaries. */
export function refuseOthers(bytes: Uint8Array, name: string, architecture: ImageArchitecture): void {
  const at = (offset: number, text: string) =>
    [...text].every((char, index) => bytes[offset + index] === char.charCodeAt(0));
  if (at(0x202, "HdrS") && architecture !== X86_64) {
    throw new MachineError(
      "WrongArchitecture",
      `${name}: Linux kernel is for x86 (bzImage), this machine is ${architecture.name}`,
    );
  }
  const kinds: readonly (readonly [boolean, string])[] = [
    [looksLikeFdt(bytes), "a device tree"],
    [at(0, "070701") || at(0, "070702"), "a cpio archive (an initrd?)"],
    [at(0, "!<arch>\n"), "an archive (a Debian package?)"],
    [at(0, "#!"), "a script"],
    [at(0, "MZ"), efiProgram(bytes, architecture)],
  ];
  const other = kinds.find(([is]) => is);
  if (other !== undefined) throw new MachineError("BadImage", `${name}: is ${other[1]}, not a kernel`);
}

function efiProgram(bytes: Uint8Array, architecture: ImageArchitecture): string {
  // A kernel cut off inside its header is the likely case for these two.
  const likely = architecture === RISCV64 || architecture === AARCH64;
  return likely && bytes.length < 64 ? "a truncated EFI program" : "an EFI program without a Linux header";
}

export interface KernelPlacement {
  /** Physical address to start at. */
  readonly entry: number;
  /** Range of memory in use: all segments, with what they need to be zero. */
  readonly start: number;
  readonly end: number;
}

export interface KernelPlacementOptions {
  /**
   * Load address of a flat binary or a Linux image; added to the addresses of an ELF file. Without it a Linux
   * image goes to its offset from the start of the first RAM region, and a flat binary is refused.
   */
  readonly address?: number | undefined;
}

/**
 * Gives a kernel its place in a plan.
 * @throws MachineError `Overlap`, `OutOfRange`, `NotAligned`, `InvalidParam`.
 */
export function placeKernel(
  plan: LoadPlan,
  kernel: KernelImage,
  options: KernelPlacementOptions = {},
): KernelPlacement {
  if (kernel.format === "elf") return placeElf(plan, kernel.elf, options.address ?? 0);
  if (kernel.format === "linux") return placeLinux(plan, kernel.image, options.address);
  if (options.address === undefined) {
    throw new MachineError("InvalidParam", `${kernel.name}: a flat binary needs a load address`);
  }
  const { address, size } = plan.place({ name: kernel.name, address: options.address, bytes: kernel.bytes });
  return { entry: address, start: address, end: address + size };
}

export function placeElf(plan: LoadPlan, elf: ElfFile, bias = 0): KernelPlacement {
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const [index, segment] of elf.segments.entries()) {
    const address = segment.physicalAddress + bias;
    const name = elf.segments.length === 1 ? elf.name : `${elf.name} segment ${index}`;
    plan.place({ name, address, bytes: segment.bytes, memorySize: segment.memorySize });
    start = Math.min(start, address);
    end = Math.max(end, address + segment.memorySize);
  }
  return { entry: elf.physicalEntry + bias, start, end };
}

function placeLinux(plan: LoadPlan, image: LinuxImage, wanted: number | undefined): KernelPlacement {
  const { alignment, textOffset, memorySize, name, bytes } = image;
  const ramBase = plan.ram[0]?.base ?? 0;
  const address = wanted ?? Math.ceil(ramBase / alignment) * alignment + textOffset;
  if ((address - (textOffset % alignment)) % alignment !== 0) {
    throw new MachineError("NotAligned", `${name}: a Linux kernel must be loaded at a multiple of 2 MiB`);
  }
  plan.place({ name, address, bytes, memorySize });
  return { entry: address, start: address, end: address + memorySize };
}
