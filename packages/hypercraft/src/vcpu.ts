import type { GuestMemoryInterface } from "@hypercraft/guest-page-table";
import type { GuestPhysAddr } from "./address.js";
import type { Clock } from "./clock.js";
import type { Console } from "./console.js";
import { HyperError } from "./error.js";
import { EXIT_ANSWERS, type ExitAnswer, needsAnswer, type RawExitCause, type VmExitInfo } from "./exit.js";
import type { ExitStats } from "./exit-stats.js";
import type { GuestMemory } from "./guest-memory.js";
import { VCpuLifecycle, type VCpuState } from "./vcpu-state.js";

/** The vCPUs of a VM, to be looked up; by ascending id when iterated. */
export interface VCpuSet extends Iterable<VCpu> {
  find(vcpuId: number): VCpu | undefined;
}

/** What a vCPU is given by the VM that takes it in. */
export interface VCpuContext {
  /** The second stage to program: EPT, stage 2, Sv39x4 ... */
  readonly guestPageTable: GuestMemoryInterface;
  /** Tag of this VM's translations. */
  readonly vmid: number;
  readonly clock: Clock;
  /** For exits that the architecture handles itself and never reports (firmware calls); the VM counts the rest. */
  readonly stats: ExitStats;
  /** All vCPUs of the VM, this one too: for firmware calls about others (states, remote fences). */
  readonly vcpus: VCpuSet;
  /** For firmware consoles. */
  readonly console: Console;
  /** The guest's RAM, for firmware calls that take a buffer; undefined if the VM was made without. */
  readonly memory: GuestMemory | undefined;
  /** Called by the vCPU when `hasWakeEvent` may have become true while nobody runs it. */
  readonly onWake: () => void;
}

/** One line of a register report. */
export interface RegisterValue {
  readonly name: string;
  readonly value: bigint;
}

/**
 * A virtual CPU: the architected state of one hardware thread and the way into its guest.
 *
 * Numbers: registers are 64 bits wide, unsigned; narrower ones are zero-extended.
 */
export interface VCpu<Raw extends RawExitCause = RawExitCause> {
  readonly vcpuId: number;
  /** Where it starts when first powered on. */
  readonly entry: GuestPhysAddr;
  readonly state: VCpuState;
  /**
   * Instructions charged to budgets since creation. An instruction whose exit waits for an answer is charged
   * once, when it is finished.
   */
  readonly retired: number;
  /** The exit that waits for `completeExit`. */
  readonly pendingExit: VmExitInfo<Raw> | undefined;
  /** Names of the general-purpose registers; the index is what `getGpr` takes. */
  readonly gprNames: readonly string[];

  /** Programs the second stage and resets to `entry`. Created -> Ready with "on", PoweredOff with "off". */
  setup(context: VCpuContext, power: "on" | "off"): void;

  /**
   * Runs the guest until it exits, or until exactly `budget` instructions (1 or more) are charged: then the
   * exit is `budgetSpent`. At the start it looks at its interrupt inputs and its virtual timer. Synchronous.
   * Afterwards the state is Ready, or Blocked after `wait`. Throws BadState unless Ready without a pending exit.
   */
  run(budget: number): VmExitInfo<Raw>;

  /**
   * Answers the pending exit. The instruction is finished (executed again with its access answered) at the
   * latest when the next `run` starts; an instruction with a further access then exits again.
   * Throws BadState without a pending exit, InvalidParam for an answer that does not fit it.
   */
  completeExit(answer: ExitAnswer): void;

  /** Throws OutOfRange for an index without a register. */
  getGpr(index: number): bigint;
  /** Keeps the low 64 bits. Writes to a hard-wired zero are dropped. Throws OutOfRange. */
  setGpr(index: number, value: bigint): void;
  /** Bits 31..0 of a register, unsigned: the way without BigInt. Throws OutOfRange. */
  getGprLo(index: number): number;
  /** Bits 63..32 of a register, unsigned. Throws OutOfRange. */
  getGprHi(index: number): number;
  /** Sets a register from two halves, each taken modulo 2^32. Throws OutOfRange. */
  setGprPair(index: number, lo: number, hi: number): void;
  /** Guest-virtual address of the next instruction (of the exiting one, while its exit is pending). */
  getPc(): bigint;
  setPc(pc: bigint): void;

  /** When its virtual timer expires, in ns on the VM's clock: Infinity if off, maybe in the past if it has. */
  nextDeadline(): number;
  /** Whether a wait is over: an interrupt that ends it is pending, or the virtual timer's deadline is reached. */
  hasWakeEvent(): boolean;
  /**
   * It waits, and everything that devices could end the wait by is masked: only another vCPU can. When all are so, no
   * timer ends the wait either. Default: no.
   */
  readonly deaf?: boolean;
  /** Makes the architecture's interrupt `vector` pending. Throws OutOfRange for one there is none of. */
  interrupt(vector: number): void;

  /** Ready -> Blocked, for a host that suspends it. */
  block(): void;
  /** Blocked -> Ready. */
  wake(): void;
  /** PoweredOff -> Ready, reset to `entry` with `arg` where the architecture's convention wants it. */
  powerOn(entry: GuestPhysAddr, arg: bigint): void;
  /** Ready or Blocked -> PoweredOff; drops a pending exit. */
  powerOff(): void;

  /** Everything worth reading in a report: pc first, then general and the relevant system registers. */
  registers(): RegisterValue[];
  /** Address, bytes and assembly text of the instruction at pc, or why it cannot be fetched. One line. */
  disassemble(): string;
}

/** What `BaseVCpu` keeps; plain data. */
export interface VCpuLifecycleSnapshot {
  readonly version: 1;
  readonly state: VCpuState;
}

/**
 * What is the same in the vCPUs of all architectures: states, the pending exit, checks. An architecture adds
 * its registers and the hooks below.
 */
export abstract class BaseVCpu<Raw extends RawExitCause = RawExitCause> implements VCpu<Raw> {
  readonly vcpuId: number;
  readonly entry: GuestPhysAddr;
  abstract readonly retired: number;
  abstract readonly gprNames: readonly string[];
  readonly #lifecycle: VCpuLifecycle;
  #pending: VmExitInfo<Raw> | undefined;
  #context: VCpuContext | undefined;

  constructor(vcpuId: number, entry: GuestPhysAddr) {
    if (!Number.isInteger(vcpuId) || vcpuId < 0) throw new HyperError("OutOfRange", `vCPU id ${vcpuId}`);
    this.vcpuId = vcpuId;
    this.entry = entry;
    this.#lifecycle = new VCpuLifecycle(vcpuId);
  }

  /** Programs the second stage and resets to `this.entry`. */
  protected abstract onSetup(context: VCpuContext): void;
  /** Resets to `entry` with `arg`, as the architecture's firmware would start a secondary CPU. */
  protected abstract onPowerOn(entry: GuestPhysAddr, arg: bigint): void;
  /** The way into the guest: see `run`. Must not throw for anything that a guest does. */
  protected abstract enter(budget: number): VmExitInfo<Raw>;
  /** Takes the answer to an exit; see `completeExit`. */
  protected abstract finishExit(exit: VmExitInfo<Raw>, answer: ExitAnswer): void;

  abstract getGprLo(index: number): number;
  abstract getGprHi(index: number): number;
  abstract setGprPair(index: number, lo: number, hi: number): void;
  abstract getPc(): bigint;
  abstract setPc(pc: bigint): void;
  abstract nextDeadline(): number;
  abstract hasWakeEvent(): boolean;
  abstract interrupt(vector: number): void;
  abstract registers(): RegisterValue[];
  abstract disassemble(): string;

  get state(): VCpuState {
    return this.#lifecycle.state;
  }

  get pendingExit(): VmExitInfo<Raw> | undefined {
    return this.#pending;
  }

  /** What the VM gave. Throws BadState before `setup`. */
  protected get context(): VCpuContext {
    if (this.#context === undefined) throw new HyperError("BadState", `vCPU ${this.vcpuId} is in no VM yet`);
    return this.#context;
  }

  /** For subclasses: an interrupt became pending; a sleeping loop has to look at this vCPU. */
  protected signalWake(): void {
    this.#context?.onWake();
  }

  setup(context: VCpuContext, power: "on" | "off"): void {
    this.#lifecycle.require("it can be set up only once", "Created");
    this.#context = context;
    this.onSetup(context);
    this.#lifecycle.to(power === "on" ? "Ready" : "PoweredOff");
  }

  run(budget: number): VmExitInfo<Raw> {
    if (!Number.isSafeInteger(budget) || budget < 1)
      throw new HyperError("InvalidParam", `vCPU ${this.vcpuId}: budget ${budget} is not a positive integer`);
    if (this.#pending !== undefined)
      throw new HyperError(
        "BadState",
        `vCPU ${this.vcpuId}: its ${this.#pending.kind} exit was not answered`,
      );
    this.#lifecycle.to("Running");
    let next: VCpuState = "Ready";
    try {
      const exit = this.enter(budget);
      if (exit.kind === "wait") next = "Blocked";
      else if (needsAnswer(exit.kind)) this.#pending = exit;
      return exit;
    } finally {
      this.#lifecycle.to(next);
    }
  }

  completeExit(answer: ExitAnswer): void {
    const exit = this.#pending;
    if (exit === undefined)
      throw new HyperError("BadState", `vCPU ${this.vcpuId}: no exit waits for an answer`);
    if (!EXIT_ANSWERS[exit.kind].includes(answer.kind))
      throw new HyperError(
        "InvalidParam",
        `vCPU ${this.vcpuId}: "${answer.kind}" does not answer ${exit.kind}`,
      );
    this.#pending = undefined;
    this.finishExit(exit, answer);
  }

  getGpr(index: number): bigint {
    return (BigInt(this.getGprHi(index)) << 32n) | BigInt(this.getGprLo(index));
  }

  setGpr(index: number, value: bigint): void {
    this.setGprPair(index, Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
  }

  block(): void {
    this.#lifecycle.to("Blocked");
  }

  wake(): void {
    this.#lifecycle.require("only a Blocked one can be woken", "Blocked");
    this.#lifecycle.to("Ready");
  }

  powerOn(entry: GuestPhysAddr, arg: bigint): void {
    this.#lifecycle.require("only a PoweredOff one can be powered on", "PoweredOff");
    this.onPowerOn(entry, arg);
    this.#lifecycle.to("Ready");
  }

  powerOff(): void {
    this.#lifecycle.require("it cannot be powered off", "Ready", "Blocked");
    this.#lifecycle.to("PoweredOff");
    this.#pending = undefined;
  }

  /** The state to save. Throws BadState while running or with a pending exit: answer it and run on first. */
  protected lifecycleState(): VCpuLifecycleSnapshot {
    this.#lifecycle.require("it cannot be saved", "Created", "Ready", "Blocked", "PoweredOff");
    if (this.#pending !== undefined)
      throw new HyperError(
        "BadState",
        `vCPU ${this.vcpuId}: its ${this.#pending.kind} exit was not answered`,
      );
    return { version: 1, state: this.#lifecycle.state };
  }

  /** Takes a saved state over. Throws InvalidParam for one it cannot be. */
  protected restoreLifecycle(snapshot: VCpuLifecycleSnapshot): void {
    if (snapshot.version !== 1)
      throw new HyperError("InvalidParam", `vCPU state version ${snapshot.version} is not 1`);
    this.#lifecycle.restore(snapshot.state);
    this.#pending = undefined;
  }
}
