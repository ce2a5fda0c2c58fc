import { commandHelp } from "../command-line/help.js";
import { overrideSettings, type Settings } from "../command-line/option.js";
import { limitWords, parseCommand } from "../command-line/parse.js";
import { RUN_OPTIONS } from "../config/options.js";
import { runConfig } from "../config/run-config.js";
import { readConfigFile } from "../config/toml.js";
import { EXIT } from "../exit-codes.js";
import { guestCatalog } from "../guests/catalog.js";
import type { CliIo } from "../io.js";
import { runGuest } from "./run-guest.js";
import { runSeveral } from "./run-several.js";

const INTRO = `Usage: hypercraft run [machine.toml | GUEST] [options] [--and [machine.toml | GUEST] [options]]...

Runs a guest with its console on this terminal. A configuration file has the options' names as keys, and
relative paths start from its folder; options override it. The name of a guest of \`hypercraft guests list\` is
short for --guest.

With --and, several machines run side by side in one process, each with its own options; a configuration file may
describe several as well, each under [[vm]]. One has the keyboard: the first, or on a terminal the one chosen by
Ctrl-A n or Ctrl-A 1 to 9. Lines of the others, and of all where standard output is no terminal, begin with
their names. The run ends when all have ended, with the exit code of the first that failed.

In a terminal: Ctrl-A x ends the machine, Ctrl-A s saves a snapshot, Ctrl-A h shows the keys.
Exit code: 0 guest shut down, or --until was shown; 1 guest failed; 2 bad input; 124 --timeout;
128 + N ended by signal N.`;

/** `hypercraft run ...`: `args` is what follows. Gives the exit code. */
export async function runCommand(args: readonly string[], io: CliIo): Promise<number> {
  const machines = splitAtAnd(args).map((words) => parseCommand("run", words, RUN_OPTIONS));
  if (machines.some(({ help }) => help)) {
    io.stdout.write(commandHelp(INTRO, RUN_OPTIONS));
    return EXIT.ok;
  }
  const settings: Settings[] = [];
  for (const { words, settings: given } of machines) {
    limitWords("run", words, 1);
    settings.push(...(await withConfigFile(words[0], given)));
  }
  const configs = settings.map(runConfig);
  if (configs.length > 1) return runSeveral(configs, io);
  const result = await runGuest(configs[0]!, io);
  return result?.exitCode ?? EXIT.ok;
}

/** The words of each machine; behind `--`, nothing separates them. */
function splitAtAnd(args: readonly string[]): string[][] {
  const end = args.indexOf("--");
  const machines: string[][] = [[]];
  for (const [index, word] of args.entries()) {
    if (word === "--and" && (end < 0 || index < end)) machines.push([]);
    else machines.at(-1)!.push(word);
  }
  return machines;
}

/**
 * The settings of a configuration file or guest, if one is named, with those of the command line over them; by machine,
 * of which a file may describe several.
 */
export async function withConfigFile(file: string | undefined, settings: Settings): Promise<Settings[]> {
  if (file === undefined) return [settings];
  if (guestCatalog.some(({ name }) => name === file))
    return [overrideSettings(new Map([["guest", [{ text: file, origin: "run" }]]]), settings)];
  const machines = await readConfigFile(file, RUN_OPTIONS);
  return machines.map((machine) => overrideSettings(machine, settings));
}
