import type { RunControl } from "../config/run-config.js";
import type { FileRef } from "../config/setting-reader.js";
import { freeFile, writeOutput } from "../files/output-file.js";
import type { Machine } from "../machine/contract.js";

/**
 * Makes the contents of a snapshot file; `instructions` are the guest's since its start. Throws CliError when this
 * machine's state cannot be kept.
 */
export type SnapshotFormat = (machine: Machine, instructions: number) => Promise<Uint8Array>;

/** When a run saves a snapshot, and where to. */
export class SnapshotSaver {
  readonly #control: RunControl;
  readonly #format: SnapshotFormat;
  #pointReached = false;
  #saved = false;

  constructor(control: RunControl, format: SnapshotFormat) {
    this.#control = control;
    this.#format = format;
  }

  /** The pattern of `--snapshot-at`, if that is one. */
  get pattern(): RegExp | undefined {
    const { snapshotAt } = this.#control;
    return snapshotAt !== undefined && "pattern" in snapshotAt ? snapshotAt.pattern : undefined;
  }

  /** The console has shown the pattern. */
  reached(): void {
    this.#pointReached = true;
  }

  /** Instructions that are left to the point of `--snapshot-at`, if that is a number and not passed. */
  instructionsLeft(done: number): number | undefined {
    const { snapshotAt } = this.#control;
    if (this.#saved || snapshotAt === undefined || !("instructions" in snapshotAt)) return undefined;
    return Math.max(0, snapshotAt.instructions - done);
  }

  /** Whether the snapshot of `--snapshot-at` is to be saved now. */
  isDue(done: number): boolean {
    return !this.#saved && (this.#pointReached || this.instructionsLeft(done) === 0);
  }

  /** Whether `--snapshot-at` was given and has not been reached. */
  get missed(): boolean {
    return this.#control.snapshotAt !== undefined && !this.#saved;
  }

  /** Saves the snapshot of `--snapshot-at`. @throws CliError. */
  async saveDue(machine: Machine, instructions: number): Promise<FileRef> {
    this.#saved = true;
    return this.#save(machine, instructions);
  }

  /** Saves a snapshot that a person asked for. @throws CliError. */
  async saveNow(machine: Machine, instructions: number): Promise<FileRef> {
    return this.#save(machine, instructions);
  }

  async #save(machine: Machine, instructions: number): Promise<FileRef> {
    const content = await this.#format(machine, instructions);
    const file = this.#control.snapshotTo ?? (await freeFile("hypercraft", "snapshot"));
    await writeOutput(file, content);
    return file;
  }
}
