import { MachineError } from "../errors.js";
import { gunzip } from "./decompress.js";

/** Whether the bytes are an EFI zboot image: an EFI program that carries a compressed kernel. */
export function looksLikeZboot(bytes: Uint8Array): boolean {
  const at = (offset: number, text: string) =>
    [...text].every((char, index) => bytes[offset + index] === char.charCodeAt(0));
  return at(0, "MZ") && at(4, "zimg");
}

/**
 * The kernel inside an EFI zboot image (drivers/firmware/efi/libstub/zboot-header.S): its offset and size are at
 * 8 and 12, the name of the compression is at 24.
 * @throws MachineError `NotSupported` unless it is gzip, `Truncated`, `BadImage`.
 */
export async function unpackZboot(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 56) throw new MachineError("Truncated", `${name}: EFI zboot image is truncated`);
  const [offset, size] = [view.getUint32(8, true), view.getUint32(12, true)];
  const compression = new TextDecoder().decode(bytes.subarray(24, 56)).split("\0")[0]!;
  if (offset + size > bytes.length) {
    throw new MachineError(
      "Truncated",
      `${name}: EFI zboot image is truncated: ${bytes.length} of at least ${offset + size} bytes`,
    );
  }
  if (compression !== "gzip") {
    throw new MachineError(
      "NotSupported",
      `${name}: EFI zboot image is compressed with ${compression || "an unknown method"}: unpack it first`,
    );
  }
  return gunzip(bytes.subarray(offset, offset + size), name);
}
