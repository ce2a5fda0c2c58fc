import type { Setting, Settings } from "../command-line/option.js";
import {
  type DiskMode,
  parseAddress,
  parseChoice,
  parseChoices,
  parseCount,
  parseDisk,
  parseLoad,
  parseRatio,
  parseRegExp,
  parseRegionChoice,
  parseSeconds,
  parseSize,
  parseSnapshotPoint,
  type SnapshotPoint,
  ValueError,
} from "../command-line/values.js";
import { CliError } from "../errors.js";
import { guestCatalog } from "../guests/catalog.js";
import { type FileRef, fileRef, SettingReader } from "./setting-reader.js";

export interface DiskConfig {
  readonly file: FileRef;
  readonly mode: DiskMode;
}

export interface ModuleConfig {
  readonly file: FileRef;
  readonly text?: string;
}

/** Which machine is made, and of what. Plain data: a snapshot keeps it. */
export interface MachineConfig {
  readonly arch: string;
  readonly mode: "vm" | "bare";
  /** Bytes. */
  readonly memory: number;
  readonly cpus: number;
  readonly map: string;
  readonly graphics?: boolean;
  readonly virtio?: "mmio" | "pci";
  readonly virtioVersion?: 1 | 2;
  readonly virtioSlots?: "first" | "last" | "both";
  readonly gic?: 2 | 3;
  readonly semihosting: boolean;
  readonly testConsole: boolean;
  readonly kernel?: FileRef;
  readonly initrd?: FileRef;
  /** What goes along with the kernel, each with a command line of its own. */
  readonly modules?: readonly ModuleConfig[];
  readonly append?: string;
  readonly bios?: FileRef;
  /** What enters a flat kernel from real mode: a file's contents, or our own. */
  readonly guestBios?: FileRef | "own";
  readonly dtb?: FileRef;
  readonly loads: readonly { readonly file: FileRef; readonly address: number }[];
  readonly entry?: number;
  readonly disks: readonly DiskConfig[];
  readonly deterministic: boolean;
  /** Nanoseconds for a number of instructions, in deterministic mode. */
  readonly clockRatio: readonly [number, number];
  readonly seed?: number;
}

/** A pulled guest to boot. */
export interface GuestChoice {
  readonly name: string;
  readonly disk: boolean;
}

export type TraceKind = "exits" | "insn";

/** Which compiled code is printed, and how. */
export interface RegionDumpConfig {
  /** Virtual addresses. */
  readonly pcs: readonly bigint[];
  /** Whatever is compiled with them, not only what is so first. */
  readonly all: boolean;
  /** As WebAssembly text of the whole module, too. */
  readonly wat: boolean;
}

/** How a run is fed, watched and ended. */
export interface RunControl {
  readonly input?: FileRef;
  readonly until?: RegExp;
  readonly timeoutMs?: number;
  readonly maxInstructions?: number;
  readonly reboot: boolean;
  readonly tier?: "auto" | "cold" | "hot";
  readonly stats?: "json" | "text";
  readonly trace: ReadonlySet<TraceKind>;
  readonly dumpRegions?: RegionDumpConfig;
  readonly dumpFile?: FileRef;
  readonly signature?: FileRef;
  readonly snapshotAt?: SnapshotPoint;
  readonly snapshotTo?: FileRef;
}

/** All of `hypercraft run`. */
export interface RunConfig {
  readonly machine: MachineConfig;
  readonly guest?: GuestChoice;
  readonly control: RunControl;
  readonly dumpDtb?: FileRef;
  /** What the machine is to be called among others. */
  readonly name?: string;
}

const DEFAULT_MEMORY = 512 * 2 ** 20;
const DEFAULT_CLOCK_RATIO = [10, 1] as const;

/** @throws CliError for a bad value, or for values that contradict each other. */
export function runConfig(settings: Settings): RunConfig {
  const reader = new SettingReader(settings);
  checkConflicts(reader);
  const guest = reader.one("guest", guestChoice);
  return defined({
    machine: machineConfig(reader, guest),
    guest,
    control: runControl(settings),
    dumpDtb: reader.file("dump-dtb"),
    name: reader.one("name", parseName),
  });
}

/** @throws CliError as `runConfig`. */
export function runControl(settings: Settings): RunControl {
  const reader = new SettingReader(settings);
  if (reader.has("snapshot-at") && !reader.has("snapshot-to"))
    throw new CliError("--snapshot-at needs --snapshot-to FILE");
  if (reader.has("dump-file") && !reader.has("dump-region"))
    throw new CliError("--dump-file needs --dump-region PC");
  return defined({
    input: reader.file("input"),
    until: reader.one("until", parseRegExp),
    timeoutMs: reader.one("timeout", parseSeconds),
    maxInstructions: reader.one("max-instructions", parseCount),
    reboot: !reader.flag("no-reboot"),
    tier: reader.one("tier", (text) => parseChoice(text, ["auto", "cold", "hot"])),
    stats: reader.one("stats", (text) => (text === "" ? "text" : parseChoice(text, ["json", "text"]))),
    trace: reader.one("trace", (text) => parseChoices(text, ["exits", "insn"])) ?? new Set<TraceKind>(),
    dumpRegions: regionDump(reader.all("dump-region", parseRegionChoice)),
    dumpFile: reader.file("dump-file"),
    signature: reader.file("signature"),
    snapshotAt: reader.one("snapshot-at", parseSnapshotPoint),
    snapshotTo: reader.file("snapshot-to"),
  });
}

/** @throws CliError for a bad value. */
export function diskConfigs(settings: Settings): DiskConfig[] {
  return new SettingReader(settings).all("disk", (text, setting) => {
    const { path, mode } = parseDisk(text);
    return { file: fileRef(path, setting), mode };
  });
}

function machineConfig(reader: SettingReader, guest: GuestChoice | undefined): MachineConfig {
  const bios = reader.file("bios");
  return defined({
    arch: reader.text("arch") ?? guestArchitecture(guest) ?? "riscv64",
    mode:
      reader.one("mode", (text) => parseChoice(text, ["vm", "bare"])) ?? (bios === undefined ? "vm" : "bare"),
    memory: reader.one("memory", parseSize) ?? DEFAULT_MEMORY,
    cpus: reader.one("cpus", parseCount) ?? 1,
    map: reader.one("map", (text) => parseChoice(text, ["qemu", "hchyper"])) ?? "qemu",
    graphics: reader.has("graphics") ? reader.flag("graphics") : undefined,
    virtio: reader.one("virtio", (text) => parseChoice(text, ["mmio", "pci"])),
    virtioVersion: reader.one("virtio-version", (text) => (parseChoice(text, ["1", "2"]) === "1" ? 1 : 2)),
    virtioSlots: reader.one("virtio-slots", (text) => parseChoice(text, ["first", "last", "both"])),
    gic: reader.one("gic", (text) => (parseChoice(text, ["2", "3"]) === "3" ? 3 : 2)),
    semihosting: reader.flag("semihosting"),
    testConsole: reader.flag("test-console"),
    kernel: reader.file("kernel"),
    initrd: reader.file("initrd"),
    modules: reader.has("module") ? reader.all("module", moduleConfig) : undefined,
    append: reader.text("append"),
    bios,
    guestBios: reader.text("guest-bios") === "" ? "own" : reader.file("guest-bios"),
    dtb: reader.file("dtb"),
    loads: reader.all("load", (text, setting) => {
      const { path, address } = parseLoad(text);
      return { file: fileRef(path, setting), address };
    }),
    entry: reader.one("entry", parseAddress),
    disks: reader.all("disk", (text, setting) => {
      const { path, mode } = parseDisk(text);
      return { file: fileRef(path, setting), mode };
    }),
    deterministic: reader.flag("deterministic"),
    clockRatio: reader.one("clock-ratio", parseRatio) ?? DEFAULT_CLOCK_RATIO,
    seed: reader.one("seed", parseSeed),
  });
}

function moduleConfig(setting: string, origin: Setting): ModuleConfig {
  const [, path = "", text] = /^([^,]*)(?:,(.*))?$/s.exec(setting) ?? [];
  return defined({ file: fileRef(path, origin), text });
}

/** All of them as one. */
function regionDump(choices: readonly RegionDumpConfig[]): RegionDumpConfig | undefined {
  if (choices.length === 0) return undefined;
  return {
    pcs: choices.flatMap(({ pcs }) => pcs),
    all: choices.some(({ all }) => all),
    wat: choices.some(({ wat }) => wat),
  };
}

function parseName(text: string): string {
  if (!/^[\w.+-]+$/.test(text))
    throw new ValueError(`"${text}" is not a name (letters, digits and any of _ . + -)`);
  return text;
}

function parseSeed(text: string): number {
  const seed = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seed)) throw new ValueError(`"${text}" is not a number from 0 to 2^53 - 1`);
  return seed;
}

function guestArchitecture(guest: GuestChoice | undefined): string | undefined {
  return guestCatalog.find(({ name }) => name === guest?.name)?.architecture;
}

function guestChoice(text: string): GuestChoice {
  const [, name, disk] = /^([^,]+)(,disk)?$/.exec(text) ?? [];
  if (name === undefined) throw new ValueError(`"${text}" is not NAME or NAME,disk`);
  return { name, disk: disk !== undefined };
}

/** Options that exclude each other, or mean nothing without another. */
function checkConflicts(reader: SettingReader): void {
  const refuse = (message: string) => {
    throw new CliError(message);
  };
  for (const name of ["kernel", "initrd", "module", "load"]) {
    if (reader.has("guest") && reader.has(name)) refuse(`--guest and --${name} exclude each other`);
  }
  if (reader.has("bios") && reader.has("guest-bios")) refuse("--bios and --guest-bios exclude each other");
  if (reader.has("guest-bios") && !reader.has("kernel") && !reader.has("load"))
    refuse("--guest-bios needs --kernel FILE");
  if (reader.has("initrd") && !reader.has("kernel") && !reader.has("bios"))
    refuse("--initrd needs --kernel FILE");
  if (reader.has("module") && !reader.has("kernel")) refuse("--module needs --kernel FILE");
  if (reader.has("clock-ratio") && !reader.flag("deterministic"))
    refuse("--clock-ratio needs --deterministic");
  if (reader.has("load") && !["kernel", "bios", "guest-bios", "entry"].some((name) => reader.has(name)))
    refuse("--load without --kernel or --bios needs --entry ADDR");
}

/** The object without the fields that are undefined. */
function defined<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
