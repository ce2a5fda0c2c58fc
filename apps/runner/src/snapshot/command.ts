import { commandHelp } from "../command-line/help.js";
import { type OptionGroup, overrideSettings, type Settings } from "../command-line/option.js";
import { limitWords, parseCommand } from "../command-line/parse.js";
import { RESUME_OPTIONS, SAVE_OPTIONS } from "../config/options.js";
import { diskConfigs, runConfig, runControl } from "../config/run-config.js";
import { CliError } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import type { CliIo } from "../io.js";
import { withConfigFile } from "../run/command.js";
import { runGuest, saveExitCode } from "../run/run-guest.js";
import { printSnapshotInfo } from "./info.js";
import { resumeSnapshot } from "./resume.js";

const USAGE = `Usage:
  hypercraft snapshot save FILE --at N|REGEX [machine.toml] [options of run]
  hypercraft snapshot resume FILE [options]
  hypercraft snapshot info FILE

save runs a guest to a point, saves the machine and ends. resume goes on from there in a new process; with
--deterministic at the save, byte for byte and instruction for instruction as the machine would have gone on.
A run saves as well: hypercraft run --snapshot-at N|REGEX --snapshot-to FILE, or Ctrl-A s in its terminal.

Disks are part of a snapshot as overlays (FILE,overlay); their files must stay as they are.
`;

const VERBS: Readonly<Record<string, (args: readonly string[], io: CliIo) => Promise<number>>> = {
  save,
  resume,
  info,
};

/** `hypercraft snapshot ...`: `args` is what follows. Gives the exit code. */
export async function snapshotCommand(args: readonly string[], io: CliIo): Promise<number> {
  const [verb = "", ...rest] = args;
  if (["-h", "--help", "help"].includes(verb)) {
    io.stdout.write(USAGE);
    return EXIT.ok;
  }
  const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (run !== undefined) return run(rest, io);
  throw new CliError(
    verb === ""
      ? "snapshot: save, resume or info?"
      : `snapshot: unknown word "${verb}"; save, resume or info?`,
  );
}

async function save(args: readonly string[], io: CliIo): Promise<number> {
  const parsed = parse("save", args, SAVE_OPTIONS, 2, io);
  if (parsed === undefined) return EXIT.ok;
  const { file, more, settings } = parsed;
  const at = settings.get("at");
  if (at === undefined) throw new CliError("snapshot save needs --at N|REGEX");
  const point: Settings = new Map([
    ["snapshot-at", at],
    ["snapshot-to", [{ text: file, origin: "snapshot save" }]],
  ]);
  const [machine, ...others] = await withConfigFile(more, settings);
  if (others.length > 0) throw new CliError(`${more}: describes several machines; a snapshot is of one`);
  const config = runConfig(overrideSettings(machine!, point));
  return saveExitCode(await runGuest(config, io, { endAfterSnapshot: true }));
}

async function resume(args: readonly string[], io: CliIo): Promise<number> {
  const parsed = parse("resume", args, RESUME_OPTIONS, 1, io);
  if (parsed === undefined) return EXIT.ok;
  const { file, settings } = parsed;
  const disks = settings.has("disk") ? diskConfigs(settings) : undefined;
  return resumeSnapshot(file, runControl(settings), disks, io);
}

async function info(args: readonly string[], io: CliIo): Promise<number> {
  const parsed = parse("info", args, [], 1, io);
  if (parsed === undefined) return EXIT.ok;
  await printSnapshotInfo(parsed.file, io);
  return EXIT.ok;
}

/** The words of a verb; undefined when all that was asked for was help. */
function parse(
  verb: string,
  args: readonly string[],
  groups: readonly OptionGroup[],
  mostWords: number,
  io: CliIo,
) {
  const command = `snapshot ${verb}`;
  const { settings, words, help } = parseCommand(command, args, groups);
  if (help) {
    io.stdout.write(commandHelp(USAGE, groups));
    return undefined;
  }
  limitWords(command, words, mostWords);
  const [file, more] = words;
  if (file === undefined) throw new CliError(`${command} needs the FILE of a snapshot`);
  return { file, more, settings };
}
