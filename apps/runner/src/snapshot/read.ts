import { resolve } from "node:path";
import { readImage } from "../files/input-file.js";
import { decodeSnapshotFile, type SnapshotFile } from "./file.js";

/** Reads a snapshot file. @throws CliError naming the file. */
export async function readSnapshotFile(name: string): Promise<SnapshotFile> {
  const { bytes } = await readImage({ name, path: resolve(name) });
  return decodeSnapshotFile(bytes, name);
}
