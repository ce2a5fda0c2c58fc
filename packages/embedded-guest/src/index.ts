/**
 * The embedded guest: a small kernel of our own, built from `guests/` of the repository, as the bytes of
 * an ELF file; and a BIOS for flat kernels of others. They need no file system to load them from, so they work in
 * browsers as well.
 */
import { aarch64 } from "./images/aarch64.js";
import { bios } from "./images/bios.js";
import { riscv64 } from "./images/riscv64.js";
import { x86_64 } from "./images/x86_64.js";

/** Architectures that there is a guest for. */
export type EmbeddedGuestArch = "riscv64" | "aarch64" | "x86_64";

/** Thrown for an architecture without a guest. */
export class EmbeddedGuestError extends Error {
  override readonly name = "EmbeddedGuestError";
  readonly code = "UnknownArchitecture";
}

const images: Readonly<Record<EmbeddedGuestArch, string>> = { riscv64, aarch64, x86_64 };

/** Architectures that {@link embeddedGuest} knows. */
export const embeddedGuestArchs: readonly EmbeddedGuestArch[] = Object.freeze([
  "riscv64",
  "aarch64",
  "x86_64",
] as const);

/**
 * The ELF file of the guest for an architecture: a fresh copy, the caller's to keep. Its load and entry address
 * is where RAM is on QEMU's boards: riscv64 0x8020_0000, aarch64 0x4020_0000, x86_64 0x20_0000. It runs as well
 * at any other multiple of 2 MiB, added to all physical addresses, but for x86_64. It expects to be entered as
 * Linux is (riscv64: supervisor mode, a0 = hart id, a1 = physical address of a device tree; aarch64: EL1 or EL2,
 * x0 = physical address of a device tree; x86_64: by PVH, in protected mode, ebx = physical address of the start
 * info).
 *
 * @throws EmbeddedGuestError for an architecture without a guest.
 */
export function embeddedGuest(arch: EmbeddedGuestArch): Uint8Array<ArrayBuffer> {
  if (!Object.hasOwn(images, arch)) {
    throw new EmbeddedGuestError(`no embedded guest for "${arch}": have ${embeddedGuestArchs.join(", ")}`);
  }
  return decoded(images[arch]);
}

/**
 * A BIOS for x86-64: code that is put at 0x8000 and entered there in real mode, CS 0. It enters the flat kernel at
 * 0x20_0000 in 32-bit protected mode with flat segments and paging off: at the entry of its Multiboot header where there
 * is one with addresses, else at its first byte; EAX is Multiboot's 0x2bad_b002, EBX an information structure that says
 * nothing. A fresh copy, the caller's to keep.
 */
export function guestBios(): Uint8Array<ArrayBuffer> {
  return decoded(bios);
}

function decoded(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
