import type { FileHandle } from "node:fs/promises";
import { GuestError } from "../errors.js";

/** Bytes that can be read at any offset: a file on disk, or a buffer in memory. */
export interface RandomAccess {
  /** Length in bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; throws `BadArchive` when they run over the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

function checkRange(size: number, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > size) {
    throw new GuestError("BadArchive", `archive is cut short: needs ${length} bytes at ${offset} of ${size}`);
  }
}

export function bufferAccess(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    async read(offset, length) {
      checkRange(bytes.length, offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

export async function fileAccess(handle: FileHandle): Promise<RandomAccess> {
  const { size } = await handle.stat();
  return {
    size,
    async read(offset, length) {
      checkRange(size, offset, length);
      const target = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(target, done, length - done, offset + done);
        if (bytesRead === 0) checkRange(offset + done, offset, length);
        done += bytesRead;
      }
      return target;
    },
  };
}
