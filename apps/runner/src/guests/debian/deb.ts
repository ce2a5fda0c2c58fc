import { createWriteStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { readAr } from "../archive/ar.js";
import { decompress } from "../archive/decompress.js";
import { fileAccess, type RandomAccess } from "../archive/random-access.js";
import { readTar, readTarFile, type TarEntry } from "../archive/tar.js";
import { GuestError } from "../errors.js";

/** The files of a .deb, unpacked into one scratch file and read from there as they are asked for. */
export class DebFiles {
  readonly entries: readonly TarEntry[];
  readonly #source: RandomAccess;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, source: RandomAccess, entries: readonly TarEntry[]) {
    this.#handle = handle;
    this.#source = source;
    this.entries = entries;
  }

  /** Opens a .deb file; `scratch` is a file that is written here and belongs to the caller. */
  static async open(deb: string, scratch: string): Promise<DebFiles> {
    await unpackData(deb, scratch);
    const handle = await open(scratch, "r");
    try {
      const source = await fileAccess(handle);
      return new DebFiles(handle, source, await readTar(source));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The one regular file whose path matches; throws `BadArchive` when it is not exactly one. */
  find(pattern: RegExp): TarEntry {
    const matches = this.entries.filter(({ path, type }) => type !== "directory" && pattern.test(path));
    const [entry] = matches;
    if (entry === undefined || matches.length > 1) {
      throw new GuestError("BadArchive", `the package has ${matches.length} files like ${pattern.source}`);
    }
    return entry;
  }

  read(entry: TarEntry): Promise<Uint8Array> {
    return readTarFile(this.#source, this.entries, entry);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function unpackData(deb: string, scratch: string): Promise<void> {
  const handle = await open(deb, "r");
  try {
    const members = await readAr(await fileAccess(handle));
    const data = members.find(({ name }) => /^data\.tar(?:\.|$)/.test(name));
    if (data === undefined) throw new GuestError("BadArchive", "the package has no data.tar");
    const range = { start: data.offset, end: data.offset + data.size - 1, autoClose: false };
    const packed = handle.createReadStream(range);
    await pipeline(decompress(data.name, packed), createWriteStream(scratch));
  } finally {
    await handle.close();
  }
}
