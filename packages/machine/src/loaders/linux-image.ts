import { bytesText, MachineError } from "../errors.js";
import { AARCH64, type ImageArchitecture, RISCV32, RISCV64 } from "./architecture.js";

/**
 * Header of a flat Linux kernel (Documentation/arch/riscv/boot-image-header.rst, arch/arm64/booting.rst). Both
 * put an EFI stub ("MZ") or a jump in the first words; the image is executed from its first byte either way.
 */
export interface LinuxImage {
  readonly name: string;
  readonly architecture: ImageArchitecture;
  /** The whole file, to be copied as it is. */
  readonly bytes: Uint8Array;
  /** Where the image wants to be above a 2 MiB boundary (in practice above the start of RAM), in bytes. */
  readonly textOffset: number;
  /** Bytes of memory from the image's start that the kernel uses before it knows its memory map. */
  readonly memorySize: number;
  /** Alignment in bytes of the load address minus `textOffset`. */
  readonly alignment: number;
  /** Whether there is an EFI stub. */
  readonly efiStub: boolean;
}

const HEADER_SIZE = 64;
const ALIGNMENT = 2 * 1024 * 1024;
/** Offset of a kernel whose header does not say: arm64 before 3.17. */
const OLD_ARM64_TEXT_OFFSET = 0x8_0000;
/** The largest kernel that is believed: a header beyond it is nonsense. */
const MEMORY_MAX = 1024 * 1024 * 1024;

function signature(bytes: Uint8Array, at: number, text: string): boolean {
  return [...text].every((char, index) => bytes[at + index] === char.charCodeAt(0));
}

/** The architecture whose kernel image the bytes start like. */
export function linuxImageArchitecture(bytes: Uint8Array): ImageArchitecture | undefined {
  if (signature(bytes, 0x38, "ARM\x64")) return AARCH64;
  // Images since header version 0.2 have the second magic; older ones only the first.
  if (!signature(bytes, 0x38, "RSC\x05") && !signature(bytes, 0x30, "RISCV\0\0\0")) return undefined;
  return RISCV64;
}

/**
 * Reads the header of a flat Linux kernel.
 * @throws MachineError `BadImage`, `Truncated` or `WrongArchitecture`.
 */
export function readLinuxImage(bytes: Uint8Array, name: string, expected?: ImageArchitecture): LinuxImage {
  const architecture = linuxImageArchitecture(bytes);
  if (architecture === undefined) throw new MachineError("BadImage", `${name}: not a Linux kernel image`);
  // The header of 32-bit and 64-bit RISC-V kernels is the same.
  const same =
    expected === undefined || expected === architecture || (expected === RISCV32 && architecture === RISCV64);
  if (!same) {
    throw new MachineError(
      "WrongArchitecture",
      `${name}: Linux kernel is for ${architecture.name}, this machine is ${expected.name}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER_SIZE) throw truncated(name, bytes.length, HEADER_SIZE);
  const endianFlag = view.getUint32(24, true) & 1;
  if (endianFlag !== 0)
    throw new MachineError("NotSupported", `${name}: big-endian Linux kernels are not supported`);
  const headerSize = Number(view.getBigUint64(16, true));
  const textOffset =
    headerSize === 0 && architecture === AARCH64 ? OLD_ARM64_TEXT_OFFSET : Number(view.getBigUint64(8, true));
  if (headerSize > MEMORY_MAX || textOffset >= MEMORY_MAX || textOffset % 4096 !== 0) {
    throw new MachineError("BadImage", `${name}: its Linux image header makes no sense`);
  }
  checkWhole(bytes, view, name);
  return {
    name,
    architecture: expected ?? architecture,
    bytes,
    textOffset,
    memorySize: Math.max(headerSize, bytes.length),
    alignment: ALIGNMENT,
    efiStub: signature(bytes, 0, "MZ"),
  };
}

/** An EFI stub's section table tells how long the file must be: kernels are downloaded, and cut off. */
function checkWhole(bytes: Uint8Array, view: DataView, name: string): void {
  if (!signature(bytes, 0, "MZ")) return;
  const at = view.getUint32(0x3c, true);
  if (at + 24 > bytes.length) throw truncated(name, bytes.length, at + 24);
  if (!signature(bytes, at, "PE\0\0")) return;
  const sections = view.getUint16(at + 6, true);
  const table = at + 24 + view.getUint16(at + 20, true);
  if (table + 40 * sections > bytes.length) throw truncated(name, bytes.length, table + 40 * sections);
  for (let index = 0; index < sections; index++) {
    const section = table + 40 * index;
    const end = view.getUint32(section + 16, true) + view.getUint32(section + 20, true);
    if (end > bytes.length) throw truncated(name, bytes.length, end);
  }
}

function truncated(name: string, length: number, wanted: number): MachineError {
  return new MachineError(
    "Truncated",
    `${name}: Linux kernel is truncated: ${bytesText(length)} of at least ${bytesText(wanted)}`,
  );
}
