import { bytesText, MachineError } from "../errors.js";

/** What a compressed kernel may grow to. */
const DEFAULT_LIMIT = 1024 * 1024 * 1024;

/** First bytes of formats by name. */
const FORMATS: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]],
  ["lzop", [0x89, 0x4c, 0x5a, 0x4f]],
];

/** Name of the format the bytes are compressed in, undefined if they are in none that is known. */
export function compressionOf(bytes: Uint8Array): string | undefined {
  return FORMATS.find(([, magic]) => magic.every((byte, at) => bytes[at] === byte))?.[0];
}

/**
 * Undoes gzip; other bytes are returned as they are.
 * @param limit most bytes the result may have.
 * @throws MachineError `NotSupported` for other compression formats, `BadImage` for damaged data, `OutOfRange`
 * when the result is larger than `limit`.
 */
export async function decompress(
  bytes: Uint8Array,
  name: string,
  limit = DEFAULT_LIMIT,
): Promise<Uint8Array> {
  const format = compressionOf(bytes);
  if (format === undefined) return bytes;
  if (format !== "gzip" || typeof DecompressionStream === "undefined") {
    throw new MachineError("NotSupported", `${name}: is compressed with ${format}: decompress it first`);
  }
  return gunzip(bytes, name, limit);
}

/** @see decompress */
export async function gunzip(bytes: Uint8Array, name: string, limit = DEFAULT_LIMIT): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await readChunk(reader, name);
    if (done) break;
    total += value.length;
    if (total > limit) {
      await reader.cancel();
      throw new MachineError("OutOfRange", `${name}: is larger than ${bytesText(limit)} when decompressed`);
    }
    chunks.push(value);
  }
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  name: string,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (cause) {
    throw new MachineError("BadImage", `${name}: its gzip data is damaged or truncated`, { cause });
  }
}
