import { statSync } from "node:fs";
import { type BlockBackEnd, OverlayDisk } from "@hypercraft/machine";
import type { DiskConfig } from "../config/run-config.js";
import { CliError } from "../errors.js";
import { FileDisk } from "./file-disk.js";

/** The disks of a machine, open until `close`. */
export interface OpenDisks {
  readonly backEnds: readonly BlockBackEnd[];
  close(): void;
}

/** @throws CliError naming the file that cannot be a disk; then none is open. */
export function openDisks(configs: readonly DiskConfig[]): OpenDisks {
  const files: FileDisk[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  try {
    refuseSharing(configs);
    const backEnds = configs.map(({ file, mode }) => {
      const disk = new FileDisk(file, { readOnly: mode !== "rw" });
      files.push(disk);
      return mode === "overlay" ? new OverlayDisk(disk) : disk;
    });
    return { backEnds, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A file that one disk writes must not be another disk, of this machine or of another. @throws CliError naming it. */
export function refuseSharing(configs: readonly DiskConfig[]): void {
  const seen = new Map<string, DiskConfig>();
  for (const config of configs) {
    const identity = fileIdentity(config.file.path);
    const other = seen.get(identity);
    if (other !== undefined && [config.mode, other.mode].includes("rw"))
      throw new CliError(`${config.file.name}: is given as two disks, one of which would write it`);
    seen.set(identity, config);
  }
}

function fileIdentity(path: string): string {
  const info = statSync(path, { throwIfNoEntry: false });
  return info === undefined ? path : `${info.dev}:${info.ino}`;
}
