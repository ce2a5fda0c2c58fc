import type { Core, Engine, EngineStatistics, Unlisted } from "@hypercraft/engine";
import {
  type Console,
  type ExitCounts,
  formatReport,
  HyperError,
  type VCpu,
  type Vm,
  type VmRunResult,
} from "@hypercraft/hypercraft";
import type { InputQueue } from "../../console/bytes.js";
import type { Plain } from "../../contracts.js";
import { RealTimeIo } from "../../io/device-io.js";
import type { ElfFile } from "../../loaders/elf.js";
import type { Machine } from "../../machine/machine.js";
import type { BusMemory } from "../../memory/guest-memory.js";
import { writeSnapshot } from "../../snapshot/container.js";
import type { Snapshot } from "../../snapshot/snapshot.js";
import type { Lease } from "./host.js";

/** How a machine's run ended. */
export type MachineEnd =
  | { readonly kind: "shutdown"; readonly failure: boolean; readonly code: number }
  | { readonly kind: "reset" }
  /** A program asked, by semihosting or a test device, that whoever runs it ends with this code. */
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "stopped" | "budget" | "idle" }
  | { readonly kind: "failed"; readonly report: string };

export interface MachineRunOptions {
  /** End with `budget` after exactly so many instructions. */
  readonly maxInstructions?: number;
  /** Instructions of one hart's slice. */
  readonly slice?: number;
  /** When every hart waits and nothing is due: wait for input (default), or end with `idle`. */
  readonly onIdle?: "wait" | "stop";
  readonly signal?: AbortSignal;
}

/** Counts since the machine was made, and what each execution tier did. */
export interface MachineStatistics extends EngineStatistics {
  readonly instructions: number;
  readonly traps: number;
  readonly exits: ExitCounts;
  readonly tlbFills: number;
}

/** A vCPU as the board drives it, whatever its architecture. */
export type BoardVCpu = VCpu & {
  readonly core: Core;
  /** Assembly text of the instruction at the pc. */
  disassemble(): string;
  /** All of it as plain data, between two runs. */
  save(): object;
  load(state: never): void;
};

/** Something in the guest's memory that has to be looked at from time to time, as HTIF. */
export interface Polled {
  poll(): void;
}

/** The parts a machine is assembled from. */
export interface BoardParts<V extends BoardVCpu> {
  readonly machine: Machine;
  readonly engine: Engine;
  readonly vcpus: readonly V[];
  readonly vm: Vm<V>;
  readonly console: Console;
  readonly input: InputQueue;
  readonly dtb: Uint8Array | undefined;
  readonly elf: ElfFile | undefined;
  readonly polled: Polled | undefined;
  /** Its place on the host. */
  readonly lease: Lease;
  /** How to build the machine again, for snapshots. */
  readonly config: Plain;
}

/** A machine of any board, ready to run. */
export class BoardMachine<V extends BoardVCpu> {
  readonly vm: Vm<V>;
  /** RAM, devices, clock and timers. */
  readonly machine: Machine;
  readonly memory: BusMemory;
  /** The device tree, of boards that have one. */
  readonly dtb: Uint8Array | undefined;
  private readonly parts: BoardParts<V>;
  private ended: MachineEnd | undefined;
  private closed = false;

  constructor(parts: BoardParts<V>) {
    this.parts = parts;
    this.machine = parts.machine;
    this.vm = parts.vm;
    this.memory = parts.machine.memory;
    this.dtb = parts.dtb;
  }

  /** What reports call it. */
  get name(): string {
    return this.vm.name;
  }

  /** How it ended for good, or undefined while it can be run. */
  get result(): MachineEnd | undefined {
    const { result } = this.vm;
    return this.ended ?? (result && machineEnd(result));
  }

  /** Whether it is being run now. */
  get running(): boolean {
    return this.vm.onWake !== undefined;
  }

  /** vCPUs by id. */
  get vcpus(): readonly V[] {
    return this.parts.vcpus;
  }

  /** Run until the guest ends, a limit is met or `stop` is called. Rejects when it runs already or has ended. */
  async run(options: MachineRunOptions = {}): Promise<MachineEnd> {
    if (this.closed) throw new HyperError("BadState", `${this.name} was closed`);
    const { maxInstructions, slice, onIdle, signal } = options;
    const limits = {
      ...(slice === undefined ? {} : { slice }),
      ...(onIdle === undefined ? {} : { onIdle }),
      ...(signal === undefined ? {} : { signal }),
    };
    this.inputArrived();
    const before = this.statistics().instructions;
    for (;;) {
      if (this.ended !== undefined) return this.ended;
      const left =
        maxInstructions === undefined
          ? undefined
          : maxInstructions - (this.statistics().instructions - before);
      if (left !== undefined && left <= 0) return { kind: "budget" };
      const chunk = this.parts.polled === undefined ? left : Math.min(left ?? POLL_INTERVAL, POLL_INTERVAL);
      const result = await this.vm.run({
        ...limits,
        ...(chunk === undefined ? {} : { maxInstructions: chunk }),
      });
      this.parts.polled?.poll();
      if (this.ended !== undefined) return this.ended;
      if (result.kind === "budget" && chunk !== left) continue;
      return machineEnd(result);
    }
  }

  /**
   * Give everything back to the host, for other machines: RAM and tables, the VMID, the engine's arena. The machine has no
   * memory any more. One that has a host of its own need not be closed: it goes when nobody holds it. Throws BadState
   * while it runs; the second time nothing happens.
   */
  close(): void {
    if (this.running) throw new HyperError("BadState", `${this.name} is being run`);
    this.closed = true;
    this.parts.lease.end();
  }

  /** End the present run, or the next one, with `stopped`. */
  stop(): void {
    this.vm.stop();
    this.interruptRun();
  }

  /** A device ended the machine: a test finisher, firmware. */
  end(how: MachineEnd): void {
    this.ended ??= how;
    this.stop();
  }

  /** Leave the guest's code before its next instruction, so that the loop looks at deadlines and ends anew. */
  interruptRun(): void {
    for (const { core } of this.vcpus) core.stop();
  }

  /** The console may have input: take all of it. */
  inputArrived(): void {
    const { console, input } = this.parts;
    const bytes: number[] = [];
    for (let byte = console.read(); byte >= 0; byte = console.read()) bytes.push(byte);
    if (bytes.length === 0) return;
    input.push(Uint8Array.from(bytes));
    // Somebody may wait for it without an interrupt.
    this.vm.onWake?.();
  }

  statistics(): MachineStatistics {
    const { engine, vcpus } = this.parts;
    const sum = (of: (vcpu: V) => number) => vcpus.reduce((total, vcpu) => total + of(vcpu), 0);
    return {
      instructions: sum(({ core }) => core.instructions()),
      traps: sum(({ core }) => core.traps),
      exits: this.vm.stats.toJSON(),
      tlbFills: sum(({ core }) => core.tlbFills),
      ...engine.statistics(),
    };
  }

  /** The addresses that `regionWatch` was asked for and that were not compiled, and why. */
  unlistedRegions(): readonly Unlisted[] {
    const { engine } = this.parts;
    return engine.regionWatch?.unlisted(engine) ?? [];
  }

  /** Call back with a line of assembly before each instruction; slow. */
  traceInstructions(callback: ((line: string) => void) | undefined): void {
    for (const vcpu of this.vcpus)
      vcpu.core.onInstruction = callback === undefined ? null : () => callback(vcpu.disassemble());
  }

  /** Address of a symbol of the kernel or firmware, if that is an ELF file and has it. */
  symbol(name: string): number | undefined {
    const found = this.parts.elf?.symbols.get(name);
    return found === undefined ? undefined : Number(found.address);
  }

  /** Memory from `begin_signature` to `end_signature` as 32-bit words in hexadecimal, one a line. */
  signature(): string | undefined {
    const begin = this.symbol("begin_signature");
    const end = this.symbol("end_signature");
    if (begin === undefined || end === undefined) return undefined;
    let text = "";
    for (let at = begin; at < end; at += 4)
      text += `${this.memory.readU32(at).toString(16).padStart(8, "0")}\n`;
    return text;
  }

  /** The machine's architected state between two runs. Throws BadState while it runs. */
  snapshot(): Snapshot {
    return this.machine.snapshot(this.parts.config);
  }

  /**
   * The machine's state as a file. In real time it waits for disk requests under way; in deterministic mode
   * those are part of the state. Call it between two runs.
   */
  async save(): Promise<Uint8Array> {
    const { io } = this.machine;
    if (io instanceof RealTimeIo) await io.quiesce();
    return writeSnapshot(this.snapshot());
  }

  /** Take over a snapshot of a machine of the same configuration. */
  restore(snapshot: Snapshot): void {
    this.machine.restore(snapshot);
  }
}

/** Instructions between two looks at what is polled. */
const POLL_INTERVAL = 20_000;

function machineEnd(result: VmRunResult): MachineEnd {
  switch (result.kind) {
    case "shutdown":
      return { kind: "shutdown", failure: result.failure, code: result.code };
    case "halted":
      return { kind: "shutdown", failure: false, code: 0 };
    case "reset":
      return { kind: "reset" };
    case "failed":
      return { kind: "failed", report: formatReport(result.report) };
    case "debug":
      return { kind: "stopped" };
    default:
      return { kind: result.kind };
  }
}
