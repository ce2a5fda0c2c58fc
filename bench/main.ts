// npm run bench: measures guests against QEMU, boots, and what the packages have benchmarks of.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { benchPath } from "../guests/build.mjs";
import { ARCHITECTURES } from "./architectures.ts";
import { type BenchOptions, parseArguments, USAGE, UsageError } from "./arguments.ts";
import { type BootMeasurement, type BootSubject, measureBoots, profileBoot } from "./boot.ts";
import { root } from "./built.ts";
import { checksPath, readChecks, writeChecks } from "./checks.ts";
import { type ProgramRun, runPrograms, type SideCommand } from "./guest-programs.ts";
import { describeHost, type HostDescription, isBusy, qemuVersion } from "./host.ts";
import { type PreparedGuest, prepareGuest } from "./linux-guest.ts";
import { packageBenches, runPackageBench } from "./package-benches.ts";
import type { ProfileEntry } from "./profile.ts";
import { PROGRAMS } from "./programs.ts";
import { bootTable, groupRatios, hostText, medianOf, profileTable, programTable, ratioOf } from "./report.ts";
import { findFirmware, hypercraftCommand, qemuCommand } from "./sides.ts";
import { replaceSection } from "./table.ts";

const QEMU_BOOT = "QEMU";

const progress = (line: string): void => console.error(`bench: ${line}`);

/** Paths of the command line start where npm was called. */
const callersPath = (path: string): string => resolve(process.env["INIT_CWD"] ?? process.cwd(), path);

async function main(): Promise<number> {
  const benches = packageBenches();
  const options = parseArguments(process.argv.slice(2), benches, process.env);
  if (options.help) process.stdout.write(USAGE);
  else if (options.list) process.stdout.write(listText(benches));
  else return run(options);
  return 0;
}

function listText(benches: readonly string[]): string {
  const programs = PROGRAMS.map(({ name, group }) => `${name} (${group})`);
  return `${["guests, compute, system, boot, packages", ...programs, ...benches].join("\n")}\n`;
}

async function run(options: BenchOptions): Promise<number> {
  if (options.programs.length > 0 || options.boot) await measureGuests(options);
  let worst = 0;
  for (const path of options.packageBenches) worst = (await runPackageBench(path)) || worst;
  return worst;
}

interface Findings {
  readonly options: BenchOptions;
  readonly host: HostDescription;
  readonly programs: ProgramRun | undefined;
  readonly boots: readonly BootMeasurement[];
  readonly profile: readonly ProfileEntry[];
}

async function measureGuests(asked: BenchOptions): Promise<void> {
  const qemu = qemuVersion(asked.qemu);
  const { architecture } = asked;
  const options = { ...asked, qemu: qemu === undefined ? [] : asked.qemu };
  if (qemu === undefined && asked.qemu.length > 0) {
    const name = asked.qemu.join(" ");
    progress(
      `${name} cannot be run: nothing to compare with (Debian has it in qemu-system-misc, -arm and -x86)`,
    );
  }
  const firmware = options.firmware === undefined ? findFirmware() : callersPath(options.firmware);
  const lacksFirmware = architecture.needsFirmware && firmware === undefined;
  if (options.mode === "bare" && lacksFirmware) throw new UsageError(NO_FIRMWARE);
  const guest = await prepareGuest(
    architecture,
    options.memory,
    readFileSync(benchPath(architecture.program)),
  );
  try {
    const host = describeHost(qemu, guest.description);
    if (isBusy(host)) progress(`this machine is busy (load ${host.load.toFixed(1)}): times will vary`);
    const programs =
      options.programs.length > 0 ? await measurePrograms(options, guest, firmware) : undefined;
    const boots = options.boot ? await bootAll(options, guest, firmware) : [];
    const profile = options.boot ? await profileOne(options, guest, firmware) : [];
    report({ options, host, programs, boots, profile });
  } finally {
    guest.dispose();
  }
}

async function measurePrograms(
  options: BenchOptions,
  guest: PreparedGuest,
  firmware: string | undefined,
): Promise<ProgramRun> {
  const { architecture, mode = "vm", tier, qemu, percent, rounds, programs, acceptChecks } = options;
  const ours = hypercraftCommand(root, guest.withPrograms, { mode, tier, firmware });
  const sides: SideCommand[] = [{ side: "hypercraft", command: ours }];
  if (qemu.length > 0) sides.push({ side: "qemu", command: qemuCommand(qemu, guest.withPrograms) });
  const file = checksPath(benchPath(architecture.program));
  if (acceptChecks && qemu.length === 0) throw new UsageError("--accept-checks needs QEMU");
  const checks = acceptChecks ? {} : (readChecks(file)[percent] ?? {});
  const run = await runPrograms({ sides, programs, rounds, percent, checks, progress });
  if (acceptChecks) {
    const found = run.measurements.map(({ name, check }) => [name, check]);
    writeChecks(file, percent, Object.fromEntries(found));
  }
  return run;
}

const NO_FIRMWARE = "bare mode needs OpenSBI's fw_dynamic.bin: install opensbi, or name it with --firmware";

async function bootAll(
  options: BenchOptions,
  guest: PreparedGuest,
  firmware: string | undefined,
): Promise<BootMeasurement[]> {
  const { architecture, mode, tier, qemu, rounds } = options;
  const subjects: BootSubject[] = [];
  for (const one of mode === undefined ? (["vm", "bare"] as const) : [mode]) {
    if (one === "bare" && architecture.needsFirmware && firmware === undefined) progress(NO_FIRMWARE);
    else {
      const command = hypercraftCommand(root, guest.plain, { mode: one, tier, firmware });
      subjects.push({ name: `hypercraft, ${one}`, command });
    }
  }
  if (qemu.length > 0) subjects.push({ name: QEMU_BOOT, command: qemuCommand(qemu, guest.plain) });
  return measureBoots(subjects, rounds, progress);
}

async function profileOne(
  { mode = "vm", tier }: BenchOptions,
  guest: PreparedGuest,
  firmware: string | undefined,
): Promise<ProfileEntry[]> {
  progress("profiling a boot");
  return profileBoot((nodeOptions) =>
    hypercraftCommand(root, guest.plain, { mode, tier, firmware }, nodeOptions),
  );
}

/** The tables by the names that a document has them under; those of other architectures than the first begin with its name. */
function tables({ options, host, programs, boots, profile }: Findings): [name: string, text: string][] {
  const found: [string, string][] = [["machine", hostText(host)]];
  if (programs !== undefined)
    found.push(["programs", `${programTable(programs.measurements)}\n${remarks(options, programs)}`]);
  if (boots.length > 0) found.push(["boot", bootTable(boots, QEMU_BOOT, options.memory * 2 ** 20)]);
  if (profile.length > 0) found.push(["profile", profileTable(profile)]);
  const { name } = options.architecture;
  return name === ARCHITECTURES[0]?.name ? found : found.map(([table, text]) => [`${name} ${table}`, text]);
}

function report(findings: Findings): void {
  const { options } = findings;
  const all = tables(findings);
  for (const [, text] of all) process.stdout.write(`\n${text}`);
  if (options.json !== undefined)
    writeFileSync(callersPath(options.json), `${JSON.stringify(plain(findings), null, 2)}\n`);
  if (options.markdown !== undefined) {
    const file = callersPath(options.markdown);
    const document = all.reduce(
      (text, [name, table]) => replaceSection(text, name, table),
      readFileSync(file, "utf8"),
    );
    writeFileSync(file, document);
  }
}

/** How it was measured, and whether the sides left each other alone. */
function remarks(
  { rounds, percent, mode = "vm", tier }: BenchOptions,
  { idleLoad, peakMemory }: ProgramRun,
): string {
  const work = percent === 100 ? "" : `, ${percent} % of the work`;
  const lines = [
    `${rounds === 1 ? "One round" : `Median of ${rounds} rounds`}, ${mode} mode, tier ${tier}${work}.`,
  ];
  for (const side of ["hypercraft", "qemu"] as const) {
    const [load, memory] = [idleLoad[side], peakMemory[side]];
    if (load === undefined) continue;
    const most =
      memory === undefined ? "" : `, and had at most ${Math.round(memory / 2 ** 20)} MiB in memory`;
    const name = side === "qemu" ? "QEMU" : side;
    lines.push(`While it waited, ${name} used ${(100 * load).toFixed(1)} % of a core${most}.`);
  }
  return `${lines.join("\n")}\n`;
}

/** What --json writes. */
function plain({ options, host, programs, boots, profile }: Findings) {
  const { architecture, rounds, percent, mode = "vm", tier, memory } = options;
  return {
    version: 1,
    host,
    settings: { arch: architecture.name, rounds, percent, mode, tier, memory },
    programs: (programs?.measurements ?? []).map((one) => ({
      ...one,
      hypercraftMs: medianOf(one, "hypercraft"),
      qemuMs: medianOf(one, "qemu"),
      ratio: ratioOf(one),
    })),
    groups: groupRatios(programs?.measurements ?? []),
    idleLoad: programs?.idleLoad,
    peakMemory: programs?.peakMemory,
    boots,
    profile,
  };
}

try {
  process.exitCode = await main();
} catch (error) {
  const usage = error instanceof UsageError;
  console.error(`bench: ${(error as Error).message}${usage ? "\nnpm run bench -- --help tells more." : ""}`);
  process.exitCode = usage ? 2 : 1;
}
