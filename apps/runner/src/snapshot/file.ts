import { createHash } from "node:crypto";
import type { MachineConfig } from "../config/run-config.js";
import { CliError } from "../errors.js";

/**
 * File format, little-endian. The machine's part is a file of its own kind, with its own hash; before it stands
 * what the command line must know to make the same machine again.
 *
 *      0  8  "HCRUN\r\n" and a zero
 *      8  4  format version
 *     12  4  size of the description
 *     16 32  SHA-256 of the description
 *     48     description (JSON in UTF-8), then the machine's snapshot
 */
const MAGIC = "HCRUN\r\n\0";
const FORMAT_VERSION = 1;
const HEADER_SIZE = 48;

/** What a snapshot file says about the run that it is of. */
export interface SnapshotDescription {
  /** As it was, with absolute paths. */
  readonly machine: MachineConfig;
  /** The disks' files as they were: a disk that has changed would not fit the guest's memory. */
  readonly disks: readonly { readonly size: number; readonly modified: number }[];
  /** Instructions since the machine's start. */
  readonly instructions: number;
}

export interface SnapshotFile extends SnapshotDescription {
  /** The machine's own part. */
  readonly state: Uint8Array;
}

export function encodeSnapshotFile({ state, ...description }: SnapshotFile): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(description));
  const file = new Uint8Array(HEADER_SIZE + text.length + state.length);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, text.length, true);
  file.set(digest(text), 16);
  file.set(text, HEADER_SIZE);
  file.set(state, HEADER_SIZE + text.length);
  return file;
}

/** @throws CliError naming the file: not a snapshot, of another version, truncated, damaged. */
export function decodeSnapshotFile(file: Uint8Array, name: string): SnapshotFile {
  const bad = (what: string) => new CliError(`${name}: ${what}`);
  if (new TextDecoder("latin1").decode(file.subarray(0, MAGIC.length)) !== MAGIC)
    throw bad("is not a snapshot");
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < HEADER_SIZE) throw bad("snapshot is truncated");
  const version = view.getUint32(8, true);
  if (version !== FORMAT_VERSION)
    throw bad(`is a snapshot of format ${version}, this reads ${FORMAT_VERSION}`);
  const end = HEADER_SIZE + view.getUint32(12, true);
  if (file.length <= end) throw bad("snapshot is truncated");
  const text = file.subarray(HEADER_SIZE, end);
  if (!digest(text).equals(file.subarray(16, 48))) throw bad("snapshot is damaged");
  const description = JSON.parse(new TextDecoder().decode(text)) as SnapshotDescription;
  return { ...description, state: file.subarray(end) };
}

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
