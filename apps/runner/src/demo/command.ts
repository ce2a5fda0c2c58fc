import { commandHelp } from "../command-line/help.js";
import type { Settings } from "../command-line/option.js";
import { limitWords, parseCommand } from "../command-line/parse.js";
import { DEMO_OPTIONS } from "../config/options.js";
import { runConfig } from "../config/run-config.js";
import { EXIT } from "../exit-codes.js";
import type { CliIo } from "../io.js";
import { runGuest } from "../run/run-guest.js";
import { summaryLine } from "../run/statistics.js";

const INTRO = `Usage: hypercraft demo [options]

Boots the embedded guest on a machine of each architecture, or of that of --arch, lets it check itself and everything
under it, and tells in one line how much ran and how often it came out to the hypervisor. Exit code 0 when every check
passed.`;

/** What the guest is told: to run its self-test and then switch the machine off. */
const SELF_TEST = "selftest";
/** Long enough for a slow host, and short enough for a script that waits. */
const DEFAULTS: Settings = new Map([
  ["timeout", [{ text: "300", origin: "--timeout" }]],
  ["memory", [{ text: "128M", origin: "--memory" }]],
  ["append", [{ text: SELF_TEST, origin: "--append" }]],
]);

/** `hypercraft demo ...`: `args` is what follows. Gives the exit code. */
export async function demoCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { settings, words, help } = parseCommand("demo", args, DEMO_OPTIONS);
  if (help) {
    io.stdout.write(commandHelp(INTRO, DEMO_OPTIONS));
    return EXIT.ok;
  }
  limitWords("demo", words, 0);
  const given = settings.get("arch")?.at(-1)?.text;
  const ready = io.architectures.filter(({ load }) => load !== undefined).map(({ name }) => name);
  let exitCode: number = EXIT.ok;
  for (const arch of given === undefined ? ready : [given]) {
    const code = await demonstrate(arch, settings, io);
    if (exitCode === EXIT.ok) exitCode = code;
  }
  return exitCode;
}

async function demonstrate(arch: string, settings: Settings, io: CliIo): Promise<number> {
  const chosen: Settings = new Map([["arch", [{ text: arch, origin: "--arch" }]]]);
  const config = runConfig(new Map([...DEFAULTS, ...settings, ...chosen]));
  const result = await runGuest(config, io, { input: new Uint8Array(0) });
  if (result === undefined) return EXIT.ok;
  io.stdout.write(`hypercraft: ${summaryLine(result.session.statistics)}\n`);
  return result.exitCode;
}
