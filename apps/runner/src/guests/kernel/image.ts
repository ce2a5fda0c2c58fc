import { decompressBytes } from "../archive/decompress.js";
import { GuestError } from "../errors.js";

/**
 * The kernel file in the form a loader takes: the plain Image (riscv, arm64) or bzImage (x86) behind
 * what distributions wrap it in. An EFI zboot file (drivers/firmware/efi/libstub/zboot-header.S) and a
 * bare gzip, xz or zstd file are unpacked; everything else is returned as it is.
 *
 * Throws `BadKernel` when the file is too small to be a kernel or is packed in a way not known here.
 */
export async function plainKernel(file: Uint8Array): Promise<Uint8Array> {
  if (file.length < 64) throw new GuestError("BadKernel", `a kernel of ${file.length} bytes`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isZboot = view.getUint16(0) === 0x4d5a && view.getUint32(4) === 0x7a696d67; // "MZ" .. "zimg"
  if (!isZboot) {
    const suffix = compressionOf(view);
    return suffix === undefined ? file : decompressBytes(`the kernel${suffix}`, file);
  }
  const offset = view.getUint32(8, true);
  const size = view.getUint32(12, true);
  const kind = new TextDecoder("latin1").decode(file.subarray(24, 56)).replace(/\0.*$/s, "");
  const suffix = { gzip: ".gz", xzkern: ".xz", xz: ".xz", zstd: ".zst", zstd22: ".zst" }[kind];
  if (suffix === undefined || offset + size > file.length) {
    throw new GuestError(
      "BadKernel",
      `an EFI zboot kernel packed with ${kind || "nothing"} cannot be unpacked`,
    );
  }
  return decompressBytes(`the kernel${suffix}`, file.subarray(offset, offset + size));
}

function compressionOf(view: DataView): string | undefined {
  if (view.getUint16(0) === 0x1f8b) return ".gz";
  if (view.getUint32(0) === 0xfd377a58) return ".xz";
  return view.getUint32(0) === 0x28b52ffd ? ".zst" : undefined;
}
