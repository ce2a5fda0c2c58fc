import { stat } from "node:fs/promises";
import type { DiskConfig, MachineConfig } from "../config/run-config.js";
import type { FileRef } from "../config/setting-reader.js";
import { CliError } from "../errors.js";
import type { Machine } from "../machine/contract.js";
import { encodeSnapshotFile } from "./file.js";

/**
 * The contents of a snapshot file.
 * @param instructions of the guest since its start.
 * @throws CliError for a machine that writes to a file.
 */
export async function snapshotContents(
  config: MachineConfig,
  machine: Machine,
  instructions: number,
): Promise<Uint8Array> {
  refuseWritableDisks(config.disks);
  return encodeSnapshotFile({
    machine: absolute(config),
    disks: await Promise.all(config.disks.map(diskIdentity)),
    instructions,
    state: await machine.save(),
  });
}

/** @throws CliError naming a disk whose file the guest changes: a snapshot could not undo that. */
export function refuseWritableDisks(disks: readonly DiskConfig[]): void {
  const written = disks.find(({ mode }) => mode === "rw");
  if (written === undefined) return;
  const { name } = written.file;
  throw new CliError(
    `${name}: a disk that is written is not part of a snapshot; use ${name},overlay or ${name},ro`,
  );
}

/** What tells whether a disk's file is what it was. */
export async function diskIdentity({ file }: DiskConfig): Promise<{ size: number; modified: number }> {
  const { size, mtimeMs } = await stat(file.path);
  return { size, modified: Math.floor(mtimeMs) };
}

/** The configuration as it holds in any folder. */
function absolute(config: MachineConfig): MachineConfig {
  const { kernel, initrd, modules, bios, guestBios, dtb } = config;
  return {
    ...config,
    ...(kernel && { kernel: whole(kernel) }),
    ...(initrd && { initrd: whole(initrd) }),
    ...(modules && { modules: modules.map((module) => ({ ...module, file: whole(module.file) })) }),
    ...(bios && { bios: whole(bios) }),
    ...(guestBios && { guestBios: guestBios === "own" ? guestBios : whole(guestBios) }),
    ...(dtb && { dtb: whole(dtb) }),
    loads: config.loads.map(({ file, address }) => ({ file: whole(file), address })),
    disks: config.disks.map(({ file, mode }) => ({ file: whole(file), mode })),
  };
}

function whole({ path }: FileRef): FileRef {
  return { name: path, path };
}
