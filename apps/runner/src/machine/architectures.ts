import type { RunConfig } from "../config/run-config.js";
import { CliError } from "../errors.js";
import type { Board } from "./contract.js";

/** Options of the machine that are there for some architectures only. */
type OwnOption = "gic" | "semihosting" | "dtb" | "guestBios" | "modules";
/** Their names on the command line. */
const OWN_OPTIONS = {
  gic: "gic",
  semihosting: "semihosting",
  dtb: "dtb",
  guestBios: "guest-bios",
  modules: "module",
} as const satisfies Record<OwnOption, string>;

/** One architecture of `--arch`. */
export interface Architecture {
  readonly name: string;
  /** Other names that people use for it. */
  readonly aliases: readonly string[];
  /** What Debian calls it, for pulled guests. */
  readonly debianName: string;
  /** Address maps of its board, the default first. */
  readonly maps: readonly string[];
  /** Options of the machine that not all architectures have. */
  readonly options: readonly OwnOption[];
  /** Whether a kernel in bare mode needs firmware. */
  readonly needsFirmware: boolean;
  /** Whether guests of the hypervisor may have firmware: elsewhere it is the level that the hypervisor has. */
  readonly guestFirmware?: boolean;
  /** Loads the board and the image that runs when nothing else is named; absent while there is none. */
  readonly load?: () => Promise<{ readonly board: Board; readonly embeddedGuest: () => Uint8Array }>;
}

export type ArchitectureTable = readonly Architecture[];

/** Every architecture hypercraft is made for. A board's code is loaded when it is needed. */
export const ARCHITECTURES: ArchitectureTable = [
  {
    name: "riscv64",
    aliases: ["riscv"],
    debianName: "riscv64",
    maps: ["qemu", "hchyper"],
    options: ["dtb"],
    needsFirmware: true,
    load: async () => {
      const { riscvVirtBoard } = await import("./riscv-virt.js");
      const { embeddedGuest } = await import("@hypercraft/embedded-guest");
      return { board: riscvVirtBoard, embeddedGuest: () => embeddedGuest("riscv64") };
    },
  },
  {
    name: "arm64",
    aliases: ["aarch64"],
    debianName: "arm64",
    maps: ["qemu"],
    options: ["gic", "semihosting", "dtb"],
    needsFirmware: false,
    load: async () => {
      const { armVirtBoard } = await import("./arm-virt.js");
      const { embeddedGuest } = await import("@hypercraft/embedded-guest");
      return { board: armVirtBoard, embeddedGuest: () => embeddedGuest("aarch64") };
    },
  },
  {
    name: "x86-64",
    aliases: ["x86_64", "amd64"],
    debianName: "amd64",
    maps: ["qemu"],
    options: ["guestBios", "modules"],
    needsFirmware: false,
    guestFirmware: true,
    load: async () => {
      const { pcBoard } = await import("./pc.js");
      const { embeddedGuest } = await import("@hypercraft/embedded-guest");
      return { board: pcBoard, embeddedGuest: () => embeddedGuest("x86_64") };
    },
  },
];

/** An architecture that has a board. */
export type ReadyArchitecture = Architecture & Required<Pick<Architecture, "load">>;

/** @throws CliError for a name that is none, and for an architecture that has no board yet. */
export function findArchitecture(table: ArchitectureTable, name: string): ReadyArchitecture {
  const found = table.find((one) => one.name === name || one.aliases.includes(name));
  if (found === undefined) {
    const names = table.map((one) => one.name).join(", ");
    throw new CliError(`--arch: "${name}" is not an architecture (there are ${names})`);
  }
  const { load } = found;
  if (load === undefined) {
    const ready = table.filter((one) => one.load !== undefined).map((one) => one.name);
    throw new CliError(`--arch: there is no ${found.name} machine yet, only ${ready.join(", ")}`);
  }
  return { ...found, load };
}

/** @throws CliError for options that the architecture has not, or that make no sense together with it. */
export function checkForArchitecture(
  { name, maps, options, needsFirmware, guestFirmware = false }: ReadyArchitecture,
  { machine, guest }: Pick<RunConfig, "machine" | "guest">,
): void {
  const { map, mode, bios, kernel, loads } = machine;
  for (const option of Object.keys(OWN_OPTIONS) as OwnOption[]) {
    const given = machine[option] !== undefined && machine[option] !== false;
    if (given && !options.includes(option))
      throw new CliError(`--${OWN_OPTIONS[option]}: the ${name} machine has no such option`);
  }
  if (!maps.includes(map))
    throw new CliError(`--map: the ${name} machine has no map "${map}", only ${maps.join(", ")}`);
  if (bios !== undefined && mode === "vm" && !guestFirmware)
    throw new CliError(
      "--bios and --mode vm exclude each other: under the hypervisor there is no firmware to replace",
    );
  if (!needsFirmware || mode !== "bare" || bios !== undefined) return;
  if (guest !== undefined) throw new CliError("--guest in --mode bare needs firmware: --bios FILE");
  if (kernel === undefined && loads.length === 0) {
    throw new CliError(
      "--mode bare needs --kernel, --load or --bios: the embedded guest needs firmware or the hypervisor",
    );
  }
}
