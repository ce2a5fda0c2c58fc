import { CliError } from "../errors.js";
import type { Board } from "./contract.js";

/** One architecture of `--arch`. */
export interface Architecture {
  readonly name: string;
  /** Other names that people use for it. */
  readonly aliases: readonly string[];
  /** What Debian calls it, for pulled guests. */
  readonly debianName: string;
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
    load: async () => {
      const { riscvVirtBoard } = await import("./riscv-virt.js");
      const { embeddedGuest } = await import("@hypercraft/embedded-guest");
      return { board: riscvVirtBoard, embeddedGuest: () => embeddedGuest("riscv64") };
    },
  },
  { name: "arm64", aliases: ["aarch64"], debianName: "arm64" },
  { name: "x86-64", aliases: ["x86_64", "amd64"], debianName: "amd64" },
];

/** An architecture that has a board. */
export type ReadyArchitecture = Required<Architecture>;

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
