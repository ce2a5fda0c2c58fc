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

const INTRO = `Usage: hypercraft run [machine.toml | GUEST] [options]

Runs a guest with its console on this terminal. A configuration file has the options' names as keys, and
relative paths start from its folder; options override it. The name of a guest of \`hypercraft guests list\` is
short for --guest.

In a terminal: Ctrl-A x ends the machine, Ctrl-A s saves a snapshot, Ctrl-A h shows the keys.
Exit code: 0 guest shut down, or --until was shown; 1 guest failed; 2 bad input; 124 --timeout;
128 + N ended by signal N.`;

/** `hypercraft run ...`: `args` is what follows. Gives the exit code. */
export async function runCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { settings, words, help } = parseCommand("run", args, RUN_OPTIONS);
  if (help) {
    io.stdout.write(commandHelp(INTRO, RUN_OPTIONS));
    return EXIT.ok;
  }
  limitWords("run", words, 1);
  const result = await runGuest(runConfig(await withConfigFile(words[0], settings)), io);
  return result?.exitCode ?? EXIT.ok;
}

/** The settings of a configuration file or guest, if one is named, with those of the command line over them. */
export async function withConfigFile(file: string | undefined, settings: Settings): Promise<Settings> {
  if (file === undefined) return settings;
  if (guestCatalog.some(({ name }) => name === file))
    return overrideSettings(new Map([["guest", [{ text: file, origin: "run" }]]]), settings);
  return overrideSettings(await readConfigFile(file, RUN_OPTIONS), settings);
}
