import { CliError } from "../errors.js";
import type { OptionGroup, OptionSpec, Setting, Settings } from "./option.js";

export interface ParsedCommand {
  readonly settings: Settings;
  readonly words: readonly string[];
  readonly help: boolean;
}

const YES = new Set(["true", "yes", "on"]);
const NO = new Set(["false", "no", "off"]);

/**
 * Reads the words of a command: `--name value`, `--name=value`, `--flag`, `--flag=no`, and others in between;
 * after `--` nothing is an option.
 * @param command what messages call it, e.g. `run`.
 * @throws CliError with one line.
 */
export function parseCommand(
  command: string,
  args: readonly string[],
  groups: readonly OptionGroup[],
): ParsedCommand {
  const specs = new Map(groups.flatMap(({ options }) => options).map((spec) => [spec.name, spec]));
  const settings = new Map<string, Setting[]>();
  const words: string[] = [];
  let help = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") {
      words.push(...args.slice(at + 1));
      break;
    }
    if (arg === "-h" || arg === "--help") {
      help = true;
      continue;
    }
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    const [, name, inline] = /^--?([^=]*)(?:=(.*))?$/s.exec(arg)!;
    const spec = specs.get(name!);
    if (spec === undefined || !arg.startsWith("--")) throw unknownOption(command, arg, [...specs.keys()]);
    const takesNext = spec.argument !== undefined && spec.optional !== true && inline === undefined;
    if (takesNext) at++;
    const text = argumentOf(spec, takesNext ? args[at] : inline, specs);
    const setting = { text, origin: `--${spec.name}` };
    if (spec.repeat) settings.set(spec.name, [...(settings.get(spec.name) ?? []), setting]);
    else settings.set(spec.name, [setting]);
  }
  return { settings, words, help };
}

function argumentOf(
  spec: OptionSpec,
  given: string | undefined,
  specs: ReadonlyMap<string, OptionSpec>,
): string {
  const option = `--${spec.name}`;
  if (spec.argument === undefined) return flagText(option, given);
  if (spec.optional) return given ?? "";
  // A forgotten argument would swallow the next option.
  const forgotten = given?.startsWith("--") && specs.has(given.slice(2).replace(/=.*/s, ""));
  if (given === undefined || forgotten) throw new CliError(`${option} needs ${spec.argument}`);
  return given;
}

/** @throws CliError unless it is a word for yes or no. */
export function flagText(origin: string, given: string | undefined): "true" | "false" {
  if (given === undefined || YES.has(given)) return "true";
  if (NO.has(given)) return "false";
  throw new CliError(`${origin}: "${given}" is neither yes nor no`);
}

/** @throws CliError for the first word beyond `most`. */
export function limitWords(command: string, words: readonly string[], most: number): void {
  const extra = words[most];
  if (extra !== undefined)
    throw new CliError(`${command}: unexpected word "${extra}"; see hypercraft ${command} --help`);
}

/** One line that names the most similar option, if one is similar. */
function unknownOption(command: string, arg: string, names: readonly string[]): CliError {
  const given = arg.replace(/^-+/, "").replace(/=.*/s, "");
  const near = nearest(given, names);
  const hint = near === undefined ? `see hypercraft ${command} --help` : `did you mean --${near}?`;
  return new CliError(`unknown option ${arg.replace(/=.*/s, "")}; ${hint}`);
}

/** The name that differs least from `given`, unless all differ much. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const scored = names.map((name) => ({ name, distance: editDistance(given, name) }));
  const best = scored.sort((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(best.name.length / 3))
    ? best.name
    : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
