import { readFile, stat } from "node:fs/promises";
import { bytesText } from "@hypercraft/machine";
import type { FileRef } from "../config/setting-reader.js";
import { CliError, fileErrorText } from "../errors.js";

/** A file's contents under the name that messages call it. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Guest memory is smaller, and so is what Node reads at once. */
const LARGEST = 2 * 2 ** 30 - 1;

/**
 * Reads an image. @throws CliError naming the file: missing, unreadable, a folder, a device, empty, too large.
 */
export async function readImage(file: FileRef): Promise<NamedBytes> {
  const bytes = await readAll(file);
  if (bytes.length === 0) throw new CliError(`${file.name}: is empty`);
  return { name: file.name, bytes };
}

/** Reads console input, which may be empty or come from a pipe. @throws CliError as `readImage`. */
export async function readConsoleInput(file: FileRef): Promise<Uint8Array> {
  return file.path === "/dev/null" ? new Uint8Array(0) : readAll(file);
}

async function readAll(file: FileRef): Promise<Uint8Array> {
  try {
    const info = await stat(file.path);
    if (info.isDirectory()) throw new CliError(`${file.name}: is a folder, not a file`);
    if (!info.isFile() && !info.isFIFO()) throw new CliError(`${file.name}: is not a file`);
    if (info.size > LARGEST)
      throw new CliError(`${file.name}: has ${bytesText(info.size)}, more than the limit of 2 GiB`);
    return new Uint8Array(await readFile(file.path));
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${file.name}: ${fileErrorText(error)}`, { cause: error });
  }
}
