import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parse, type TomlValue } from "smol-toml";
import {
  type OptionGroup,
  type OptionSpec,
  overrideSettings,
  type Setting,
  type Settings,
} from "../command-line/option.js";
import { nearest } from "../command-line/parse.js";
import { CliError, fileErrorText } from "../errors.js";

/** The tables of a file that each describe one of several machines. */
const MACHINES = "vm";

/**
 * Reads a configuration file: its keys are the names of options, its relative paths start from its folder. Settings by
 * machine: one, or one for each table `[[vm]]`, over what is set above all of them.
 * @throws CliError that names file and key.
 */
export async function readConfigFile(file: string, groups: readonly OptionGroup[]): Promise<Settings[]> {
  return configSettings(await readText(file), file, groups);
}

/** The settings in the text of a configuration file, by machine. */
export function configSettings(text: string, file: string, groups: readonly OptionGroup[]): Settings[] {
  const { [MACHINES]: machines, ...common } = parseToml(text, file);
  const base = tableSettings(common, file, groups);
  if (machines === undefined) return [base];
  if (!Array.isArray(machines) || machines.length === 0 || !machines.every(isTable))
    throw new CliError(`${file}: ${MACHINES}: machines are tables, each under [[${MACHINES}]]`);
  return machines.map((table) => overrideSettings(base, tableSettings(table, file, groups)));
}

function isTable(value: TomlValue): value is Record<string, TomlValue> {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
}

function tableSettings(
  table: Record<string, TomlValue>,
  file: string,
  groups: readonly OptionGroup[],
): Settings {
  const options = groups
    .flatMap((group) => group.options)
    .filter((option) => option.commandLineOnly !== true);
  const settings = new Map<string, readonly Setting[]>();
  for (const [key, value] of Object.entries(table)) {
    const option = options.find(({ name }) => name === key);
    if (option === undefined) throw unknownKey(file, key, options);
    const origin = `${file}: ${key}`;
    const folder = dirname(file);
    settings.set(
      key,
      texts(option, value, origin).map((text) => ({ text, origin, folder })),
    );
  }
  return settings;
}

async function readText(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new CliError(`${file}: ${fileErrorText(error)}`, { cause: error });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CliError(`${file}: is not a TOML file (a kernel goes behind --kernel)`, { cause: error });
  }
}

function parseToml(text: string, file: string): Record<string, TomlValue> {
  try {
    return parse(text, { integersAsBigInt: true }) as Record<string, TomlValue>;
  } catch (error) {
    const { line, column, message } = error as { line?: number; column?: number; message: string };
    const place = line === undefined ? file : `${file}:${line}:${column}`;
    const what = message.split("\n", 1)[0]!.replace(/^Invalid TOML document: /, "");
    throw new CliError(`${place}: ${what}`, { cause: error });
  }
}

function unknownKey(file: string, key: string, options: readonly OptionSpec[]): CliError {
  const near = nearest(
    key,
    options.map(({ name }) => name),
  );
  return new CliError(`${file}: unknown key "${key}"${near === undefined ? "" : `; did you mean ${near}?`}`);
}

/** The value as the texts that would stand on a command line. */
function texts(option: OptionSpec, value: TomlValue, origin: string): string[] {
  if (option.argument === undefined) {
    if (typeof value === "boolean") return [String(value)];
    throw new CliError(`${origin} is true or false`);
  }
  // As in `--stats` and `--stats=no`.
  if (option.optional && typeof value === "boolean") return value ? [""] : [];
  if (Array.isArray(value)) {
    const parts = value.map((part) => scalarText(part, origin));
    if (option.repeat) return parts;
    if (option.name === "trace") return [parts.join(",")];
    throw new CliError(`${origin} takes one value, not a list`);
  }
  return [scalarText(value, origin)];
}

function scalarText(value: TomlValue, origin: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  throw new CliError(`${origin} is a text or a number`);
}
