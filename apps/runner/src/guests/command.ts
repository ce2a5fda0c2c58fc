import { parseArgs } from "node:util";
import type { Environment, GuestFile } from "./cache.js";
import type { GuestRecipe } from "./catalog.js";
import { GuestError } from "./errors.js";
import type { Fetch } from "./http.js";
import { formatBytes, type ProgressTarget, streamProgress } from "./progress.js";
import { findGuest, listGuests, pullGuest } from "./pull.js";

/** What the command needs of the process around it. */
export interface GuestsIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: ProgressTarget;
  readonly env: Environment;
  readonly catalog?: readonly GuestRecipe[];
  readonly fetch?: Fetch;
}

export const GUESTS_USAGE = `Usage:
  hypercraft guests list
  hypercraft guests pull NAME [--mirror URL] [--refresh] [--keyring FILE]
  hypercraft guests path NAME [--kernel | --initrd | --disk | --config]

pull fetches a guest into the cache folder, from --mirror, HYPERCRAFT_MIRROR, the host's apt sources or
Debian's default mirror; --refresh looks for a newer one. path prints the guest's folder or one file.
The cache is in HYPERCRAFT_CACHE, else in XDG_CACHE_HOME/hypercraft, else in ~/.cache/hypercraft.
`;

class UsageError extends Error {}

/**
 * `hypercraft guests ...`; `args` is what follows "guests". Gives the exit code: 0, 1 when it failed
 * (with one line on stderr), 2 when it was called wrongly.
 */
export async function guestsCommand(args: readonly string[], io: GuestsIo): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.stderr.write(`hypercraft guests: ${error.message}\n${GUESTS_USAGE}`);
      return 2;
    }
    if (!(error instanceof GuestError) && (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    io.stderr.write(`hypercraft guests: ${(error as Error).message}\n`);
    return error instanceof GuestError && ["UnknownGuest", "BadMirror"].includes(error.code) ? 2 : 1;
  }
}

async function dispatch(args: readonly string[], io: GuestsIo): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === "help" || asksForHelp(args)) {
    io.stdout.write(GUESTS_USAGE);
    return 0;
  }
  if (verb === "list") return list(rest, io);
  if (verb === "pull") return pull(rest, io);
  if (verb === "path") return path(rest, io);
  throw new UsageError(verb === undefined ? "list, pull or path?" : `unknown word ${JSON.stringify(verb)}`);
}

/** `--help` or `-h` anywhere before `--`. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

async function list(args: readonly string[], io: GuestsIo): Promise<number> {
  parse(args, {}, 0);
  for (const { recipe, pulled } of await listGuests({ env: io.env, catalog: io.catalog })) {
    const size = pulled && formatBytes(pulled.manifest.files.kernel.size);
    const state = pulled ? `pulled: Linux ${pulled.manifest.kernelRelease}, kernel ${size}` : "not pulled";
    const note = recipe.bootable ? "" : "; hypercraft cannot boot it yet";
    io.stdout.write(`${recipe.name.padEnd(16)} ${recipe.title} (${state}${note})\n`);
  }
  return 0;
}

async function pull(args: readonly string[], io: GuestsIo): Promise<number> {
  const flags = { mirror: "string", refresh: "boolean", keyring: "string" } as const;
  const { name, values } = parse(args, flags, 1);
  const guest = await pullGuest(name, {
    env: io.env,
    catalog: io.catalog,
    fetch: io.fetch,
    mirror: stringValue(values.mirror),
    refresh: values.refresh === true,
    keyring: stringValue(values.keyring),
    progress: streamProgress(io.stderr),
  });
  const { kernelRelease, commandLines } = guest.manifest;
  io.stdout.write(
    `${name}: Linux ${kernelRelease} in ${guest.folder}\n` +
      `  kernel  ${guest.kernel}\n  initrd  ${guest.initrd}\n  disk    ${guest.disk}\n` +
      `  append  ${commandLines.initramfs}\n  append  ${commandLines.disk}   (with the disk)\n`,
  );
  return 0;
}

async function path(args: readonly string[], io: GuestsIo): Promise<number> {
  const flags = { kernel: "boolean", initrd: "boolean", disk: "boolean", config: "boolean" } as const;
  const { name, values } = parse(args, flags, 1);
  const chosen = (Object.keys(flags) as GuestFile[]).filter((flag) => values[flag] === true);
  if (chosen.length > 1) throw new UsageError(`--${chosen.join(" and --")} exclude each other`);
  const guest = await findGuest(name, { env: io.env, catalog: io.catalog });
  const [file] = chosen;
  io.stdout.write(`${file === undefined ? guest.folder : guest[file]}\n`);
  return 0;
}

interface Parsed {
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
}

function parse(args: readonly string[], flags: Record<string, "string" | "boolean">, names: 0 | 1): Parsed {
  const options = Object.fromEntries(Object.entries(flags).map(([flag, type]) => [flag, { type }]));
  let parsed: { values: Readonly<Record<string, unknown>>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // "Unknown option '--x'. To specify a positional argument ...": the rest is no help here.
    throw new UsageError((error as Error).message.split(/[\n.]/)[0]?.replace(/^U/, "u"));
  }
  const [name = "", ...more] = parsed.positionals;
  if (names === 1 && name === "") throw new UsageError("which guest? See hypercraft guests list");
  const extra = names === 0 ? parsed.positionals[0] : more[0];
  if (extra !== undefined) throw new UsageError(`unexpected word ${JSON.stringify(extra)}`);
  return { name, values: parsed.values };
}

function stringValue(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
