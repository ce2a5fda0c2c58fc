import type { DiskConfig, MachineConfig, RunControl } from "../config/run-config.js";
import { asCliError, CliError } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { openDisks } from "../files/disks.js";
import { readConsoleInput } from "../files/input-file.js";
import { type CliIo, notice } from "../io.js";
import { findArchitecture } from "../machine/architectures.js";
import { machineClock } from "../machine/clock.js";
import type { Board, Machine, MachineHost } from "../machine/contract.js";
import { execution } from "../machine/execution.js";
import { machineParts, readImages } from "../machine/images.js";
import { checkOutputs, runToEnd } from "../run/run-guest.js";
import { Session } from "../run/session.js";
import { diskIdentity, snapshotContents } from "./describe.js";
import type { SnapshotFile } from "./file.js";
import { readSnapshotFile } from "./read.js";

/**
 * Goes on with a saved machine. Gives the exit code.
 * @param otherDisks files to use instead of those the machine had.
 * @throws CliError, or an error of the machine, for bad input: then nothing has been written.
 */
export async function resumeSnapshot(
  name: string,
  control: RunControl,
  otherDisks: readonly DiskConfig[] | undefined,
  io: CliIo,
): Promise<number> {
  const file = await readSnapshotFile(name);
  const config: MachineConfig = { ...file.machine, disks: otherDisks ?? file.machine.disks };
  const { board, embeddedGuest } = await findArchitecture(io.architectures, config.arch).load();
  await checkOutputs(control, config);
  const input = control.input && (await readConsoleInput(control.input));
  const disks = openDisks(config.disks);
  try {
    await warnOfChangedDisks(config.disks, file, io);
    let host: MachineHost;
    const session = new Session({
      io,
      control,
      deterministic: config.deterministic,
      ...(input !== undefined && { input }),
      restart: () => startAgain(board, config, embeddedGuest, host),
      snapshotFormat: (machine, instructions) => snapshotContents(config, machine, instructions),
    });
    host = {
      console: session.console,
      clock: machineClock(config),
      disks: disks.backEnds,
      ...execution(control),
      ...session.tracing,
    };
    const machine = await board.restore(file.state, name, host);
    return (await runToEnd(session, machine, control, io)).exitCode;
  } finally {
    disks.close();
  }
}

/** The guest resets the machine: its images come from where they came from before the snapshot. */
async function startAgain(
  board: Board,
  config: MachineConfig,
  embeddedGuest: () => Uint8Array,
  host: MachineHost,
): Promise<Machine> {
  try {
    return await board.create(machineParts(config, await readImages(config, embeddedGuest), host));
  } catch (error) {
    const known = asCliError(error);
    if (known === undefined) throw error;
    throw new CliError(`the guest cannot be started again: ${known.message}`, {
      exitCode: EXIT.failure,
      cause: error,
    });
  }
}

async function warnOfChangedDisks(
  disks: readonly DiskConfig[],
  { disks: saved }: SnapshotFile,
  io: CliIo,
): Promise<void> {
  for (const [index, disk] of disks.entries()) {
    const was = saved[index];
    const is = await diskIdentity(disk);
    if (was === undefined || (was.size === is.size && was.modified === is.modified)) continue;
    notice(io, `${disk.file.name}: has changed since the snapshot was saved; the guest may find it damaged`);
  }
}
