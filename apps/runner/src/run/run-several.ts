import { basename } from "node:path";
import { BoardHost } from "@hypercraft/machine/boards/common";
import type { RunConfig } from "../config/run-config.js";
import { SHARED_KEYS_HELP, SharedConsole } from "../console/shared-console.js";
import { asCliError, CliError, reportError } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { refuseSharing } from "../files/disks.js";
import type { CliIo } from "../io.js";
import { type PreparedGuest, prepareGuest } from "./run-guest.js";

/**
 * Runs several machines side by side on one host, with one terminal for all, until each has ended. Gives the exit code:
 * that of the first that did not end well.
 * @throws CliError for bad input of any of them, with its name: then nothing was run.
 */
export async function runSeveral(configs: readonly RunConfig[], io: CliIo): Promise<number> {
  const names = machineNames(configs);
  refuseSharing(configs.flatMap(({ machine }) => machine.disks));
  refuseSameOutputs(configs);
  const host = new BoardHost({
    machines: configs.map(({ machine: { memory, mode, bios } }) => ({
      memory,
      mode,
      firmware: bios !== undefined,
    })),
  });
  const shared = new SharedConsole(io);
  const runs: { readonly guest: PreparedGuest; readonly share: ReturnType<SharedConsole["add"]> }[] = [];
  try {
    for (const [index, config] of configs.entries()) {
      const name = names[index]!;
      const share = shared.add(name, config.control.input === undefined);
      const guest = await named(name, () =>
        prepareGuest(config, io, {
          place: { host, name },
          view: share.io,
          keys: { help: SHARED_KEYS_HELP },
        }),
      );
      if (guest !== undefined) runs.push({ guest, share });
    }
    if (runs.length === 0) return EXIT.ok;
    shared.start();
    const codes: number[] = [];
    const toEnd = async ({ guest, share }: (typeof runs)[number]) => {
      try {
        const { exitCode, session } = await guest.run();
        codes.push(exitCode);
        session.machine?.close();
      } catch (error) {
        codes.push(reportError(error, share.io.stderr));
      }
      share.end();
    };
    await Promise.all(runs.map(toEnd));
    return codes.find((code) => code !== EXIT.ok) ?? EXIT.ok;
  } finally {
    for (const { guest } of runs) guest.close();
    shared.close();
  }
}

/** Bad input of a machine, with its name. */
async function named<T>(name: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const known = asCliError(error);
    if (known === undefined) throw error;
    throw new CliError(`${name}: ${known.message}`, { exitCode: known.exitCode, cause: error });
  }
}

/**
 * What each machine is called: as was said, or else after what it runs, with a number where there are several such.
 * @throws CliError for a name that was given twice.
 */
export function machineNames(configs: readonly RunConfig[]): string[] {
  const taken = new Set<string>();
  for (const { name } of configs) {
    if (name === undefined) continue;
    if (taken.has(name)) throw new CliError(`--name: two machines are called ${name}`);
    taken.add(name);
  }
  return configs.map((config) => {
    if (config.name !== undefined) return config.name;
    const stem = nameOf(config);
    let name = stem;
    for (let number = 2; taken.has(name); number++) name = `${stem}-${number}`;
    taken.add(name);
    return name;
  });
}

function nameOf({ guest, machine }: RunConfig): string {
  const { kernel, bios, loads, arch } = machine;
  const file = kernel ?? bios ?? loads[0]?.file;
  if (guest !== undefined) return guest.name;
  if (file === undefined) return arch;
  return (
    basename(file.path)
      .replace(/\.[^.]*$/, "")
      .replace(/[^\w.+-]+/g, "_") || arch
  );
}

/** @throws CliError for a file that two machines would write. */
function refuseSameOutputs(configs: readonly RunConfig[]): void {
  const seen = new Set<string>();
  for (const { control, dumpDtb } of configs) {
    const { snapshotTo, dumpFile, signature } = control;
    const own = new Map(
      [snapshotTo, dumpFile, signature, dumpDtb].flatMap((file) => (file ? [[file.path, file]] : [])),
    );
    for (const [path, { name }] of own) {
      if (seen.has(path)) throw new CliError(`${name}: two machines would write it`);
      seen.add(path);
    }
  }
}
