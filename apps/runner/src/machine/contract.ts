import type { Console, ExitCounts } from "@hypercraft/hypercraft";
import type { BlockBackEnd, MachineClock } from "@hypercraft/machine";
import type { NamedBytes } from "../files/input-file.js";

/** `cold` interprets, `hot` compiles early, `auto` what runs often. */
export type Tier = "auto" | "cold" | "hot";

/** What the world around a machine gives it, when it is made and again when it is restored. */
export interface MachineHost {
  readonly disks: readonly BlockBackEnd[];
  readonly console: Console;
  readonly clock: MachineClock;
  /** How guest code is executed; without a value as suits it. */
  readonly tier?: Tier;
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
  /** These three without a value: what suits the kernel. */
  readonly graphics?: boolean;
  readonly virtioVersion?: 1 | 2;
  readonly virtioSlots?: "first" | "last" | "both";
  readonly kernel?: NamedBytes;
  readonly initrd?: NamedBytes;
  readonly append?: string;
  readonly firmware?: NamedBytes;
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
  | { readonly kind: "stopped" | "budget" | "idle" }
  | { readonly kind: "failed"; readonly report: string };

/** What compiled code did; see the board. */
export type HotCounts = Readonly<
  Record<"executed" | "regions" | "instructions" | "codeBytes" | "modules" | "killed", number>
>;

/** Counts since the machine was made. */
export interface MachineStatistics {
  readonly instructions: number;
  readonly exits: ExitCounts;
  readonly tlbFills: number;
  readonly blocks: number;
  readonly codeBytes: number;
  /** Nothing where everything is interpreted. */
  readonly hot?: HotCounts;
}

/** A machine as the command line drives it. */
export interface Machine {
  readonly dtb: Uint8Array;
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
  /** Memory between the test suite's symbols, undefined where the image has none. */
  signature(): string | undefined;
  /** The machine's state as a snapshot file; between runs. */
  save(): Promise<Uint8Array>;
}

/** An architecture's board. */
export interface Board {
  /** @throws MachineError or HyperError with one line that names what was wrong. */
  create(parts: MachineParts): Promise<Machine>;
  /** @param name what messages call the snapshot. @throws as `create`. */
  restore(snapshot: Uint8Array, name: string, host: MachineHost): Promise<Machine>;
}
