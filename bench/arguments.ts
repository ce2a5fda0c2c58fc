// The command line of `npm run bench`.
import { parseArgs } from "node:util";
import { ARCHITECTURES, type BenchArchitecture } from "./architectures.ts";
import { type Group, PROGRAMS } from "./programs.ts";

const MODES = ["vm", "bare"] as const;
export type Mode = (typeof MODES)[number];

const TIERS = ["auto", "cold", "hot"] as const;
export type Tier = (typeof TIERS)[number];

export interface BenchOptions {
  readonly architecture: BenchArchitecture;
  readonly help: boolean;
  readonly list: boolean;
  /** Names of the guest's programs to run. */
  readonly programs: readonly string[];
  readonly boot: boolean;
  /** Paths of the packages' own benchmarks to run. */
  readonly packageBenches: readonly string[];
  /** How often everything is measured. */
  readonly rounds: number;
  /** Share of a program's full work, in percent. */
  readonly percent: number;
  /** What was asked for; without it, programs run in vm mode and boots are measured in both. */
  readonly mode: Mode | undefined;
  readonly tier: Tier;
  /** Guest RAM in MiB. */
  readonly memory: number;
  /** Words of the command that starts QEMU; empty: do not compare. */
  readonly qemu: readonly string[];
  readonly firmware: string | undefined;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly acceptChecks: boolean;
}

export class UsageError extends Error {}

const QUICK_PERCENT = 10;

export const USAGE = `Usage: npm run bench -- [WHAT ...] [options]

WHAT is guests (all programs in a Linux guest), compute or system (one group of them), boot (time to the shell,
and where it goes), packages (benchmarks of the packages' own), the name of a program, or part of the path of a
package's benchmark. Without it, everything is measured.

  --arch NAME       riscv64 (default), arm64 or x86-64: of the guests and of QEMU
  --list            names of all there is, and end
  --rounds N        measure everything N times and take the median; default 3
  --quick           programs do a tenth of their work
  --mode vm|bare    under our hypervisor (default for programs) or without; boots are measured both ways
  --tier auto|cold|hot
                    how guest code is executed; default auto
  --memory MIB      RAM of the guests; default 512
  --qemu COMMAND    QEMU to compare with; default HYPERCRAFT_QEMU, else qemu-system-riscv64,
                    qemu-system-aarch64 or qemu-system-x86_64; none: do not compare
  --firmware FILE   firmware for bare mode on RISC-V (OpenSBI's fw_dynamic.bin); default: where distributions put it
  --json FILE       write everything that was measured
  --markdown FILE   renew the tables in a document (docs/performance.md)
  --accept-checks   keep QEMU's results as those that programs must have from now on
`;

/**
 * @param packageBenches paths of all benchmarks of packages
 * @throws UsageError with one line
 */
export function parseArguments(
  args: readonly string[],
  packageBenches: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): BenchOptions {
  const { values, positionals } = parse(args);
  const architecture = architectureOf(values.arch ?? "riscv64");
  return {
    ...chosen(positionals, packageBenches),
    architecture,
    help: values.help ?? false,
    list: values.list ?? false,
    rounds: integer("rounds", values.rounds ?? "3", 1, 1000),
    percent: values.quick ? QUICK_PERCENT : 100,
    mode: values.mode === undefined ? undefined : oneOf("mode", MODES, values.mode),
    tier: oneOf("tier", TIERS, values.tier ?? "auto"),
    memory: integer("memory", values.memory ?? "512", 128, 2048),
    qemu: qemuCommand(values.qemu ?? environment["HYPERCRAFT_QEMU"] ?? architecture.qemu),
    firmware: values.firmware,
    json: values.json,
    markdown: values.markdown,
    acceptChecks: values["accept-checks"] ?? false,
  };
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = {
    help: { type: "boolean", short: "h" },
    list: flag,
    quick: flag,
    "accept-checks": flag,
    arch: text,
    rounds: text,
    mode: text,
    tier: text,
    memory: text,
    qemu: text,
    firmware: text,
    json: text,
    markdown: text,
  } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message.split(/[\n.]/)[0]);
  }
}

type Choice = Pick<BenchOptions, "programs" | "boot" | "packageBenches">;

/** What the words name, in the order of the tables; everything without words. */
function chosen(words: readonly string[], packageBenches: readonly string[]): Choice {
  const wanted = words.length === 0 ? ["guests", "boot", "packages"] : words;
  const programs = new Set<string>();
  const paths = new Set<string>();
  const addGroup = (group?: Group) => {
    for (const program of PROGRAMS)
      if (group === undefined || program.group === group) programs.add(program.name);
  };
  for (const word of wanted) {
    if (word === "boot") continue;
    if (word === "guests") addGroup();
    else if (word === "compute" || word === "system") addGroup(word);
    else if (PROGRAMS.some(({ name }) => name === word)) programs.add(word);
    else {
      const found = packageBenches.filter((path) => word === "packages" || path.includes(word));
      if (found.length === 0)
        throw new UsageError(`nothing is called ${JSON.stringify(word)}; --list shows what there is`);
      for (const path of found) paths.add(path);
    }
  }
  return {
    programs: PROGRAMS.map(({ name }) => name).filter((name) => programs.has(name)),
    boot: wanted.includes("boot"),
    packageBenches: packageBenches.filter((path) => paths.has(path)),
  };
}

function architectureOf(name: string): BenchArchitecture {
  const found = ARCHITECTURES.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = ARCHITECTURES.map((one) => one.name).join(", ");
  throw new UsageError(`--arch is ${names}, not ${JSON.stringify(name)}`);
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new UsageError(`--${name} is a number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  return value;
}

function oneOf<T extends string>(name: string, all: readonly T[], text: string): T {
  const found = all.find((one) => one === text);
  if (found === undefined)
    throw new UsageError(`--${name} is ${all.join(", ")}, not ${JSON.stringify(text)}`);
  return found;
}

function qemuCommand(text: string): string[] {
  return text === "none" ? [] : text.split(" ").filter((word) => word !== "");
}
