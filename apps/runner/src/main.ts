import { readFileSync } from "node:fs";
import { nearest } from "./command-line/parse.js";
import { flushed } from "./console/output.js";
import { demoCommand } from "./demo/command.js";
import { CliError, reportError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import { guestsCommand } from "./guests/index.js";
import { type CliIo, processIo } from "./io.js";
import { runCommand } from "./run/command.js";
import { snapshotCommand } from "./snapshot/command.js";

type Command = (args: readonly string[], io: CliIo) => Promise<number>;

const COMMANDS: Readonly<Record<string, Command>> = {
  run: runCommand,
  snapshot: snapshotCommand,
  guests: guestsCommand,
  demo: demoCommand,
};

const HELP = `hypercraft: a hypervisor, and the virtualization hardware under it, in software

Usage:
  hypercraft run [machine.toml] [options]    run a guest, or several, with --and between them
  hypercraft snapshot save|resume|info FILE  save a running machine, go on with it, look into it
  hypercraft guests list|pull|path           get Linux guests from Debian
  hypercraft demo                            boot the embedded guest and let it check everything

  hypercraft COMMAND --help                  the options of a command
  hypercraft --version

To begin with:
  hypercraft run                             the shell of the embedded guest
  hypercraft run debian-riscv64              Debian's Linux, with a busybox shell
  hypercraft run debian-arm64                the same on AArch64
`;

/**
 * The command line. Gives the exit code; every error becomes one line on standard error, and a bug its stack.
 * @param args what follows the program's name.
 */
export async function main(args: readonly string[], io: CliIo): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    return reportError(error, io.stderr);
  }
}

async function dispatch(args: readonly string[], io: CliIo): Promise<number> {
  const [word = "", ...rest] = args;
  if (["--help", "-h", "help"].includes(word)) {
    if (word === "help" && rest[0] !== undefined) return dispatch([rest[0], "--help"], io);
    io.stdout.write(HELP);
    return EXIT.ok;
  }
  if (word === "--version" || word === "-V") {
    io.stdout.write(`hypercraft ${version()}\n`);
    return EXIT.ok;
  }
  if (word === "") {
    io.stderr.write(HELP);
    return EXIT.usage;
  }
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (command !== undefined) return command(rest, io);
  const near = nearest(word, Object.keys(COMMANDS));
  const hint = near === undefined ? "see hypercraft --help" : `did you mean ${near}?`;
  throw new CliError(`unknown command "${word}"; ${hint}`);
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/**
 * The program: runs the command line of this process, and ends it when everything is written.
 * @param changes what of the process is to be something else.
 */
export async function runProcess(changes: Partial<CliIo> = {}): Promise<void> {
  const io = { ...processIo(), ...changes };
  // A reader that is gone is no reason for a stack trace; whoever writes much finds out by itself.
  for (const stream of [io.stdout, io.stderr]) stream.on("error", () => {});
  const exitCode = await main(process.argv.slice(2), io);
  await Promise.all([flushed(io.stdout), flushed(io.stderr)]);
  process.exit(exitCode);
}
