import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { type BlockBackEnd, bytesText } from "@hypercraft/machine";
import type { FileRef } from "../config/setting-reader.js";
import { CliError, fileErrorText } from "../errors.js";

const SECTOR = 512;

/**
 * A raw disk image. Reads and writes are done at once: the page cache is faster than a round trip through
 * Node's thread pool. What is missing of the last sector reads as zero.
 */
export class FileDisk implements BlockBackEnd {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #file: number;
  /** Bytes that the file has. */
  readonly #length: number;
  #open = true;

  /** @throws CliError naming the file: missing, unreadable, not a file, empty, not writable, a partial sector. */
  constructor(file: FileRef, options: { readonly readOnly: boolean }) {
    this.readOnly = options.readOnly;
    try {
      this.#file = openSync(file.path, this.readOnly ? "r" : "r+");
    } catch (error) {
      const denied = ["EACCES", "EPERM", "EROFS"].includes(String((error as NodeJS.ErrnoException).code));
      const hint = denied && !this.readOnly ? " to write it (,ro or ,overlay behind the name does not)" : "";
      throw new CliError(`${file.name}: disk cannot be opened: ${fileErrorText(error)}${hint}`, {
        cause: error,
      });
    }
    const info = fstatSync(this.#file);
    this.#length = info.size;
    this.size = Math.ceil(info.size / SECTOR) * SECTOR;
    const problem = this.#problem(info.isFile());
    if (problem === undefined) return;
    this.close();
    throw new CliError(`${file.name}: ${problem}`);
  }

  #problem(isFile: boolean): string | undefined {
    if (!isFile) return "disk is not a file";
    if (this.#length === 0) return "disk is empty";
    if (this.size === this.#length || this.readOnly) return undefined;
    return `disk of ${bytesText(this.#length)} is not a multiple of 512 bytes, and cannot be written`;
  }

  read(offset: number, target: Uint8Array): void {
    const present = Math.max(0, Math.min(target.length, this.#length - offset));
    for (let done = 0; done < present; ) {
      const count = readSync(this.#file, target, done, present - done, offset + done);
      if (count === 0) throw new Error("the disk's file has become shorter");
      done += count;
    }
    target.fill(0, present);
  }

  write(offset: number, bytes: Uint8Array): void {
    if (this.readOnly) throw new Error("this disk is read-only");
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#file, bytes, done, bytes.length - done, offset + done);
    }
  }

  flush(): void {
    if (!this.readOnly) fdatasyncSync(this.#file);
  }

  close(): void {
    if (this.#open) closeSync(this.#file);
    this.#open = false;
  }
}
