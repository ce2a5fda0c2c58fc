import type { Plain } from "../contracts.js";
import { bytesText, MachineError } from "../errors.js";
import { StateReader } from "../state-reader.js";
import { BlobWriter, decodePlain, encodePlain } from "./plain.js";
import { hexText, Sha256 } from "./sha256.js";
import { type RamContents, SNAPSHOT_PAGE, type Snapshot } from "./snapshot.js";

/**
 * File format, little-endian:
 *
 *     0  8  "HCSNAP\r\n"
 *     8  4  format version
 *    12  4  compression of the body: 0 none, 1 deflate
 *    16  8  size of the description
 *    24  8  size of the blobs, uncompressed
 *    32  8  size of the RAM pages, uncompressed
 *    40  8  size of the body as it is stored
 *    48 32  SHA-256 of version, sizes, description, blobs and pages, uncompressed
 *    80     body: description (canonical JSON), blobs, pages
 */
const MAGIC = "HCSNAP\r\n";
const FORMAT_VERSION = 1;
const HEADER_SIZE = 80;
const HASH_AT = 48;
const STORED = 0;
const DEFLATE = 1;
/** A snapshot is at most all of host memory and some disk overlays. */
const BODY_MAX = 16 * 1024 * 1024 * 1024;

/** A snapshot in the form that is hashed and written. */
interface Parts {
  readonly description: Uint8Array;
  readonly blobs: BlobWriter;
  readonly pages: readonly Uint8Array[];
  readonly pagesLength: number;
}

/**
 * SHA-256 of a machine's state as hexadecimal text. Equal states give equal hashes, on every host; a snapshot
 * file carries the same hash.
 */
export function snapshotHash(snapshot: Snapshot): string {
  return hexText(hash(describe(snapshot)));
}

/** Writes a snapshot as a file's bytes. Compressed where the platform can. */
export async function writeSnapshot(
  snapshot: Snapshot,
  options: { readonly compress?: boolean } = {},
): Promise<Uint8Array> {
  const parts = describe(snapshot);
  const compress = (options.compress ?? true) && typeof CompressionStream !== "undefined";
  const chunks = [parts.description, ...parts.blobs.chunks, ...parts.pages];
  const body = compress ? await through(new CompressionStream("deflate"), chunks) : concat(chunks);
  const file = new Uint8Array(HEADER_SIZE + body.length);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, compress ? DEFLATE : STORED, true);
  sizes(parts).forEach((size, index) => {
    view.setBigUint64(16 + 8 * index, BigInt(size), true);
  });
  view.setBigUint64(40, BigInt(body.length), true);
  file.set(hash(parts), HASH_AT);
  file.set(body, HEADER_SIZE);
  return file;
}

/**
 * Reads a snapshot file.
 * @param name what messages call it, usually the file name.
 * @throws MachineError `BadSnapshot` or `Truncated`, naming the file.
 */
export async function readSnapshot(file: Uint8Array, name: string): Promise<Snapshot> {
  const bad = (what: string) => new MachineError("BadSnapshot", `${name}: ${what}`);
  const magic = new TextDecoder("latin1").decode(file.subarray(0, MAGIC.length));
  if (magic !== MAGIC) throw bad("is not a snapshot");
  if (file.length < HEADER_SIZE) throw new MachineError("Truncated", `${name}: snapshot is truncated`);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const version = view.getUint32(8, true);
  if (version !== FORMAT_VERSION)
    throw bad(`is a snapshot of format ${version}, this reads ${FORMAT_VERSION}`);
  const [descriptionSize, blobsSize, pagesSize, bodySize] = [16, 24, 32, 40].map((at) =>
    Number(view.getBigUint64(at, true)),
  ) as [number, number, number, number];
  if (file.length < HEADER_SIZE + bodySize) {
    const wanted = bytesText(HEADER_SIZE + bodySize);
    throw new MachineError(
      "Truncated",
      `${name}: snapshot is truncated: ${bytesText(file.length)} of ${wanted}`,
    );
  }
  const total = descriptionSize + blobsSize + pagesSize;
  if (total > BODY_MAX) throw bad("is damaged: its sizes make no sense");
  const stored = file.subarray(HEADER_SIZE, HEADER_SIZE + bodySize);
  const compression = view.getUint32(12, true);
  const body = await unpack(stored, compression, total, bad);
  if (body.length !== total) throw bad("is damaged: its body has another size than its header says");
  const description = body.subarray(0, descriptionSize);
  const blobs = body.subarray(descriptionSize, descriptionSize + blobsSize);
  const pages = body.subarray(descriptionSize + blobsSize);
  const sum = hashHeader(descriptionSize, blobsSize, pagesSize).update(body).digest();
  if (!sum.every((byte, index) => byte === file[HASH_AT + index])) {
    throw bad("is damaged: its contents do not have the hash its header says");
  }
  try {
    return build(decodePlain(new TextDecoder().decode(description), blobs), pages);
  } catch (error) {
    if (error instanceof MachineError) throw bad(error.message);
    throw error;
  }
}

function describe(snapshot: Snapshot): Parts {
  const blobs = new BlobWriter();
  const description: Plain = {
    machine: snapshot.machine,
    config: snapshot.config,
    components: snapshot.components,
    ram: snapshot.ram.map(({ name, base, size, runs }) => ({
      version: 1,
      name,
      base,
      size,
      runs: runs.map(([first, count]) => [first, count]),
    })),
    version: 1,
  };
  const pages = snapshot.ram.flatMap((region) => region.pages);
  return {
    description: new TextEncoder().encode(encodePlain(description, blobs)),
    blobs,
    pages,
    pagesLength: pages.reduce((sum, part) => sum + part.length, 0),
  };
}

function build(plain: Plain, pages: Uint8Array): Snapshot {
  const reader = new StateReader("snapshot", plain as never, 1);
  let at = 0;
  const ram = reader.parts("ram").map((saved): RamContents => {
    const part = new StateReader("ram", saved, 1);
    const size = part.integer("size");
    const runs: [number, number][] = [];
    const contents: Uint8Array[] = [];
    let next = 0;
    for (const item of part.list("runs")) {
      const [first, count] = Array.isArray(item) ? item : [];
      const ordered =
        Number.isSafeInteger(first) && Number.isSafeInteger(count) && first >= next && count > 0;
      if (!ordered || first * SNAPSHOT_PAGE >= size) throw part.bad("runs");
      next = first + count;
      const length = Math.min(next * SNAPSHOT_PAGE, size) - first * SNAPSHOT_PAGE;
      if (at + length > pages.length) throw part.bad("runs");
      runs.push([first, count]);
      contents.push(pages.subarray(at, at + length));
      at += length;
    }
    return { name: part.text("name"), base: part.integer("base"), size, runs, pages: contents };
  });
  const components = reader.part("components") as unknown as Snapshot["components"];
  const config = (plain as { readonly config?: Plain }).config ?? null;
  return { machine: reader.text("machine"), config, components, ram };
}

function sizes(parts: Parts): [number, number, number] {
  return [parts.description.length, parts.blobs.length, parts.pagesLength];
}

function hashHeader(...lengths: readonly number[]): Sha256 {
  const header = new Uint8Array(32);
  const view = new DataView(header.buffer);
  view.setUint32(0, FORMAT_VERSION, true);
  lengths.forEach((length, index) => {
    view.setBigUint64(8 + 8 * index, BigInt(length), true);
  });
  return new Sha256().update(header);
}

function hash(parts: Parts): Uint8Array {
  const sum = hashHeader(...sizes(parts)).update(parts.description);
  for (const chunk of [...parts.blobs.chunks, ...parts.pages]) sum.update(chunk);
  return sum.digest();
}

async function unpack(
  stored: Uint8Array,
  compression: number,
  total: number,
  bad: (what: string) => MachineError,
): Promise<Uint8Array> {
  if (compression === STORED) return stored;
  if (compression !== DEFLATE || typeof DecompressionStream === "undefined") {
    throw bad(`is compressed in way ${compression}, which cannot be undone here`);
  }
  try {
    return await through(new DecompressionStream("deflate"), [stored], total);
  } catch (cause) {
    throw new MachineError("BadSnapshot", bad("is damaged: its body cannot be decompressed").message, {
      cause,
    });
  }
}

/** Bytes of a chunk that is handed to a stream at a time. */
const STREAM_CHUNK = 1024 * 1024;

/** Sends chunks through a compressing or decompressing stream. Gives up beyond `limit` bytes. */
async function through(
  stream: CompressionStream | DecompressionStream,
  chunks: readonly Uint8Array[],
  limit = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  const pieces = slices(chunks);
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const { done, value } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
  const reader = source.pipeThrough(stream).getReader();
  const out: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concat(out);
    total += value.length;
    if (total > limit) {
      await reader.cancel();
      throw new MachineError("BadSnapshot", "the snapshot is larger than it says");
    }
    out.push(value);
  }
}

/** Copies of pieces of the chunks: streams take their input away, and refuse shared memory. */
function* slices(chunks: readonly Uint8Array[]): Generator<Uint8Array<ArrayBuffer>, undefined> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += STREAM_CHUNK) {
      yield new Uint8Array(chunk.subarray(at, at + STREAM_CHUNK));
    }
  }
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
