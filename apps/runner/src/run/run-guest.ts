import type { MachineConfig, RunConfig, RunControl } from "../config/run-config.js";
import { CliError } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { openDisks } from "../files/disks.js";
import { readConsoleInput } from "../files/input-file.js";
import { checkWritable, writeOutput } from "../files/output-file.js";
import { type CliIo, notice } from "../io.js";
import { checkForArchitecture, findArchitecture } from "../machine/architectures.js";
import { machineClock } from "../machine/clock.js";
import type { Machine, MachineHost } from "../machine/contract.js";
import { execution } from "../machine/execution.js";
import { machineParts, readImages } from "../machine/images.js";
import { refuseWritableDisks, snapshotContents } from "../snapshot/describe.js";
import { withGuest } from "./guest-choice.js";
import { concludeRun, type RunOutcome } from "./outcome.js";
import { Session, type SessionOptions } from "./session.js";
import { statisticsJson, statisticsText } from "./statistics.js";

export interface ExtraRunOptions extends Pick<SessionOptions, "input" | "endAfterSnapshot" | "keys"> {
  /** Where the machine lives, beside others, and what it is called there. */
  readonly place?: Required<Pick<MachineHost, "host" | "name">>;
  /** The guest's console and what is told of its run, where that is not the same as what is told before. */
  readonly view?: CliIo;
}

/** How a run ended, and the session for what it counted. */
export interface RunResult {
  readonly outcome: RunOutcome;
  readonly session: Session;
  readonly exitCode: number;
}

/** A machine that is made and waits to be run. */
export interface PreparedGuest {
  /** @throws CliError when a result cannot be written. */
  run(): Promise<RunResult>;
  /** The run is over, or is not to be. */
  close(): void;
}

/**
 * Makes the machine of a configuration and runs it. `undefined` when there was nothing to run, only a device
 * tree to write.
 * @throws CliError, or an error of the machine, for bad input: then nothing has been written.
 */
export async function runGuest(
  config: RunConfig,
  io: CliIo,
  extra: ExtraRunOptions = {},
): Promise<RunResult | undefined> {
  const guest = await prepareGuest(config, io, extra);
  try {
    return await guest?.run();
  } finally {
    guest?.close();
  }
}

/** Makes the machine of a configuration; see `runGuest`. */
export async function prepareGuest(
  config: RunConfig,
  io: CliIo,
  extra: ExtraRunOptions = {},
): Promise<PreparedGuest | undefined> {
  const { control, dumpDtb } = config;
  const { place, view = io, ...options } = extra;
  const architecture = findArchitecture(io.architectures, config.machine.arch);
  checkForArchitecture(architecture, config);
  await checkOutputs(control, config.machine);
  if (dumpDtb !== undefined) await checkWritable(dumpDtb);
  const input = extra.input ?? (control.input && (await readConsoleInput(control.input)));
  const machineConfig =
    config.guest === undefined
      ? config.machine
      : await withGuest(config.machine, config.guest, architecture, io);
  const { board, embeddedGuest } = await architecture.load();
  const images = await readImages(machineConfig, embeddedGuest);
  const disks = openDisks(machineConfig.disks);
  try {
    let host: MachineHost;
    const create = () => board.create(machineParts(machineConfig, images, host));
    const session = new Session({
      ...options,
      io: view,
      control,
      deterministic: machineConfig.deterministic,
      ...(input !== undefined && { input }),
      restart: create,
      snapshotFormat: (machine, instructions) => snapshotContents(machineConfig, machine, instructions),
    });
    host = {
      ...place,
      console: session.console,
      clock: machineClock(machineConfig),
      disks: disks.backEnds,
      ...execution(control),
      ...session.tracing,
    };
    const machine = await create();
    if (dumpDtb !== undefined) {
      if (machine.dtb === undefined) throw new CliError("--dump-dtb: this machine has no device tree");
      await writeOutput(dumpDtb, machine.dtb);
      machine.close();
      disks.close();
      return undefined;
    }
    checkSignature(control, machine);
    return { run: () => runToEnd(session, machine, control, view), close: () => disks.close() };
  } catch (error) {
    disks.close();
    throw error;
  }
}

/** Runs a machine, tells how it ended, and writes what was asked for. */
export async function runToEnd(
  session: Session,
  machine: Machine,
  control: RunControl,
  io: CliIo,
): Promise<RunResult> {
  const outcome = await session.run(machine);
  const { exitCode, text } = concludeRun(outcome);
  if (text !== undefined) io.stderr.write(text);
  await session.finishDump();
  if (outcome.kind === "shutdown" && control.until !== undefined)
    notice(io, "the guest shut down before its console showed what --until waits for");
  if (session.missedSnapshot) notice(io, "the run ended before the point of --snapshot-at");
  if (control.stats === "json") io.stderr.write(statisticsJson(session.statistics));
  if (control.stats === "text") io.stderr.write(statisticsText(session.statistics));
  if (outcome.kind === "shutdown" || outcome.kind === "matched") await writeSignature(session, control);
  return { outcome, session, exitCode };
}

/** What can be known before a run about what it is to write. */
export async function checkOutputs(
  control: RunControl,
  { disks }: Pick<MachineConfig, "disks">,
): Promise<void> {
  if (control.signature !== undefined) await checkWritable(control.signature);
  if (control.dumpFile !== undefined) await checkWritable(control.dumpFile);
  if (control.snapshotTo === undefined) return;
  await checkWritable(control.snapshotTo);
  if (control.snapshotAt !== undefined) refuseWritableDisks(disks);
}

function checkSignature(control: RunControl, machine: Machine): void {
  if (control.signature === undefined || machine.signature() !== undefined) return;
  throw new CliError("--signature: the image has no symbols begin_signature and end_signature");
}

async function writeSignature({ machine }: Session, { signature }: RunControl): Promise<void> {
  const text = signature && machine?.signature();
  if (signature !== undefined && text !== undefined) await writeOutput(signature, text);
}

/** The exit code of a run for a single snapshot: it has failed when that was not saved. */
export function saveExitCode(result: RunResult | undefined): number {
  if (result === undefined) return EXIT.ok;
  if (result.outcome.kind === "saved") return EXIT.ok;
  return result.exitCode === EXIT.ok ? EXIT.failure : result.exitCode;
}
