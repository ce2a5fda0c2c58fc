import { access, constants, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { FileRef } from "../config/setting-reader.js";
import { CliError, fileErrorText } from "../errors.js";
import { EXIT } from "../exit-codes.js";

/**
 * Checks before a long run that its result can be written; writes nothing.
 * @throws CliError naming the file.
 */
export async function checkWritable(file: FileRef): Promise<void> {
  const existing = await stat(file.path).catch(() => undefined);
  if (existing?.isDirectory()) throw new CliError(`${file.name}: cannot be written: is a folder`);
  try {
    await access(existing === undefined ? dirname(file.path) : file.path, constants.W_OK);
  } catch (error) {
    throw cannotWrite(file, error, EXIT.usage);
  }
}

/**
 * Writes a file so that it is never seen half done: first under another name. A pipe or a device is written
 * as it is.
 * @throws CliError naming the file.
 */
export async function writeOutput(file: FileRef, content: Uint8Array | string): Promise<void> {
  const existing = await stat(file.path).catch(() => undefined);
  const special = existing !== undefined && !existing.isFile();
  const target = special ? file.path : `${file.path}.${process.pid}.part`;
  try {
    await writeFile(target, content);
    if (!special) await rename(target, file.path);
  } catch (error) {
    if (!special) await rm(target, { force: true }).catch(() => {});
    throw cannotWrite(file, error, EXIT.failure);
  }
}

function cannotWrite(file: FileRef, error: unknown, exitCode: number): CliError {
  return new CliError(`${file.name}: cannot be written: ${fileErrorText(error)}`, { exitCode, cause: error });
}

/** A name in the working folder that is not taken: `stem-1.extension`, `stem-2.extension`, ... */
export async function freeFile(stem: string, extension: string): Promise<FileRef> {
  for (let number = 1; ; number++) {
    const name = `${stem}-${number}.${extension}`;
    const taken = await stat(name).then(
      () => true,
      () => false,
    );
    if (!taken) return { name, path: resolve(name) };
  }
}
