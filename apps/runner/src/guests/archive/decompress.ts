import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ReadableStream } from "node:stream/web";
import { createGunzip, createZstdDecompress } from "node:zlib";
import xz from "xz-decompress";
import { GuestError } from "../errors.js";

/** Chunks of bytes, as files and HTTP bodies give them. */
export type ByteStream = AsyncIterable<Uint8Array>;

/**
 * Decompresses a stream by the suffix of its file name: `.xz`, `.gz`, `.zst`, or none of these (passed
 * through). Needs no program of the host. Throws `BadArchive` on corrupt or cut-short input.
 */
export async function* decompress(name: string, input: ByteStream): ByteStream {
  try {
    if (name.endsWith(".xz")) yield* unxz(input);
    else if (name.endsWith(".gz")) yield* through(input, createGunzip());
    else if (name.endsWith(".zst")) yield* through(input, createZstdDecompress());
    else yield* input;
  } catch (cause) {
    if (cause instanceof GuestError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GuestError("BadArchive", `${name} cannot be decompressed: ${why}`, { cause });
  }
}

/** The same for bytes that are already in memory. */
export async function decompressBytes(name: string, bytes: Uint8Array): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(name, once(bytes))) chunks.push(chunk);
  return chunks.length === 1 ? (chunks[0] ?? bytes) : Buffer.concat(chunks);
}

async function* once(bytes: Uint8Array): ByteStream {
  yield bytes;
}

async function* unxz(input: ByteStream): ByteStream {
  const source = ReadableStream.from(input) as unknown as globalThis.ReadableStream<Uint8Array>;
  const output = new xz.XzReadableStream(source) as unknown as ReadableStream<Uint8Array>;
  for await (const chunk of output) yield chunk;
}

async function* through(input: ByteStream, stage: NodeJS.ReadWriteStream): ByteStream {
  const feeding = pipeline(Readable.from(input), stage);
  feeding.catch(() => {}); // reported below: the loop ends early when the stage fails
  for await (const chunk of stage) yield chunk as Uint8Array;
  await feeding;
}
