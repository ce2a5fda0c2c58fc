import type { OptionGroup, OptionSpec } from "./option.js";

const WIDTH = 96;
const INDENT = 26;

/** The help of a command: its usage, then its options by group. */
export function commandHelp(intro: string, groups: readonly OptionGroup[]): string {
  const parts = groups.map(({ title, options }) => `${title}:\n${options.map(optionHelp).join("")}`);
  return `${intro.trimEnd()}\n\n${parts.join("\n")}`;
}

/** An option as it is written: `--disk FILE[,ro|,overlay]`. */
function optionUsage({ name, argument, optional }: OptionSpec): string {
  if (argument === undefined) return `--${name}`;
  return optional ? `--${name}[=${argument}]` : `--${name} ${argument}`;
}

function optionHelp(option: OptionSpec): string {
  const usage = `  ${optionUsage(option)}`;
  const lines = wrap(option.help, WIDTH - INDENT);
  // A long usage has a line of its own.
  const first = usage.length < INDENT - 1 ? usage.padEnd(INDENT) + lines.shift() : usage;
  return [first, ...lines.map((line) => " ".repeat(INDENT) + line)].map((line) => `${line}\n`).join("");
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
