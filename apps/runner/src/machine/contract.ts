import type { RegionWatch, Unlisted } from "@hypercraft/engine";
import type { Console, ExitCounts } from "@hypercraft/hypercraft";
import type { BlockBackEnd, MachineClock } from "@hypercraft/machine";
import type { BoardHost } from "@hypercraft/machine/boards/common";
import type { NamedBytes } from "../files/input-file.js";

/** `cold` interprets, `hot` compiles early, `auto` what runs often. */
export type Tier = "auto" | "cold" | "hot";

/** What the world around a machine gives it, when it is made and again when it is restored. */
export interface MachineHost {
  /** Where it lives, beside others; without it, alone. */
  readonly host?: BoardHost;
  /** What its reports call it; without it, as its board is called. */
  readonly name?: string;
  readonly disks: readonly BlockBackEnd[];
  readonly console: Console;
  readonly clock: MachineClock;
  /** How guest code is executed; without a value as suits it. */
  readonly tier?: Tier;
  /** Milliseconds by any monotonic clock, to measure translation with. */
  readonly now?: () => number;
  /** Told of compiled regions as they are made. */
  readonly regionWatch?: RegionWatch;
  /** Called with a line for each VM exit. */
  readonly onExit?: (line: string) => void;
  /** Called with a line for each instruction. */
  readonly onInstruction?: (line: string) => void;
}

/** What a machine is made of, whatever its architecture. */
export interface MachineParts extends MachineHost {
  readonly mode: "vm" | "bare";
  /** Bytes. */
  readonly memory: number;
  readonly cpus: number;
  readonly map: string;
  /** These four without a value: what suits the kernel. */
  readonly graphics?: boolean;
  readonly virtio?: "mmio" | "pci";
  readonly virtioVersion?: 1 | 2;
  readonly virtioSlots?: "first" | "last" | "both";
  /** AArch64: version of the interrupt controller; without a value the board's own. */
  readonly gic?: 2 | 3;
  /** AArch64: answer semihosting calls. */
  readonly semihosting?: boolean;
  /** A virtio console through which test programs end the machine. */
  readonly testConsole: boolean;
  readonly kernel?: NamedBytes;
  readonly initrd?: NamedBytes;
  /** x86-64: what goes along with a kernel, each with a command line. */
  readonly modules?: readonly (NamedBytes & { readonly arguments?: string })[];
  readonly append?: string;
  readonly firmware?: NamedBytes;
  /** x86-64: what enters a flat kernel from real mode. */
  readonly guestBios?: NamedBytes;
  readonly dtb?: NamedBytes;
  readonly loads: readonly (NamedBytes & { readonly address: number })[];
  readonly entry?: number;
  readonly seed: number;
  /** Nanoseconds since 1970 at the start; without it the machine has a fixed date. */
  readonly epochNs?: bigint;
}

export type MachineEnd =
  | { readonly kind: "shutdown"; readonly failure: boolean; readonly code: number }
  | { readonly kind: "reset" }
  /** A test program asked that whoever runs it ends with this code. */
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "stopped" | "budget" | "idle" }
  | { readonly kind: "failed"; readonly report: string };

/** What an execution tier did, by names of the board's. */
export interface TierCounts {
  /** Instructions it ran. */
  readonly executed: number;
  /** Instructions translated for it, and the bytes they became. */
  readonly instructions: number;
  readonly codeBytes: number;
  /** Time spent translating; absent where nobody has measured it. */
  readonly milliseconds?: number;
}

/** Of the interpreter. */
export interface ColdCounts extends TierCounts {
  /** Blocks translated. */
  readonly blocks: number;
  /** Times the code cache was emptied. */
  readonly flushes: number;
  /** Links made between blocks, and targets of indirect jumps noted. */
  readonly links: number;
  readonly jumps: number;
  /** Times that neither led on. */
  readonly dispatches: number;
}

/** Of compiled code. */
export interface HotCounts extends TierCounts {
  /** Regions compiled, in how many modules; and how many of them were given up because their code changed. */
  readonly regions: number;
  readonly modules: number;
  readonly killed: number;
}

/** Counts since the machine was made. */
export interface MachineStatistics {
  readonly instructions: number;
  readonly exits: ExitCounts;
  readonly tlbFills: number;
  readonly cold: ColdCounts;
  /** Nothing where everything is interpreted. */
  readonly hot?: HotCounts;
}

/** A machine as the command line drives it. */
export interface Machine {
  /** The device tree, of boards that have one. */
  readonly dtb: Uint8Array | undefined;
  /**
   * Runs until the guest ends, `stop` is called, exactly `maxInstructions` are done (`budget`), or every CPU
   * waits with nothing ahead (`idle`).
   */
  run(options: { readonly maxInstructions?: number }): Promise<MachineEnd>;
  /** Ends the present run, or the next one, with `stopped`. */
  stop(): void;
  /** The console's `read` may give bytes now. */
  inputArrived(): void;
  /** Input that the machine has taken from its console and the guest has not read. */
  unreadInput(): Uint8Array;
  statistics(): MachineStatistics;
  /** The addresses that `regionWatch` was asked for and that were not compiled, and why. */
  unlistedRegions(): readonly Unlisted[];
  /** Memory between the test suite's symbols, undefined where the image has none. */
  signature(): string | undefined;
  /** The machine's state as a snapshot file; between runs. */
  save(): Promise<Uint8Array>;
  /** Gives its place back to its host. It cannot be run any more, nor asked for anything. */
  close(): void;
}

/** An architecture's board. */
export interface Board {
  /** @throws MachineError or HyperError with one line that names what was wrong. */
  create(parts: MachineParts): Promise<Machine>;
  /** @param name what messages call the snapshot. @throws as `create`. */
  restore(snapshot: Uint8Array, name: string, host: MachineHost): Promise<Machine>;
}
