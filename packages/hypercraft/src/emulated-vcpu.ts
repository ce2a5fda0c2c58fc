import type { GuestPhysAddr } from "./address.js";
import { HyperError } from "./error.js";
import type { RawExitCause, VmExitInfo } from "./exit.js";
import type { FirmwarePowerOutcome } from "./firmware.js";
import { BaseVCpu, type VCpuLifecycleSnapshot } from "./vcpu.js";

/** The architected state of whatever executes a vCPU, as plain data. */
export interface ExecutionState {
  readonly fields: Readonly<Record<string, bigint>>;
}

/** What executes the instructions: as much of an engine's core as a vCPU needs. */
export interface ExecutionCore<S extends ExecutionState = ExecutionState> {
  /** Run at most `budget` instructions, exactly, unless something ends the run earlier. */
  run(budget: number): "budget" | "exit" | "stopped" | "breakpoint" | "watchpoint";
  /** Executed since the core was made. */
  instructions(): number;
  /** Why the CPU model ended the run, after `exit`. */
  readonly exit: unknown;
  /** The watched byte, after `watchpoint`. */
  readonly watchHit: bigint | undefined;
  state(): S;
  restore(state: S): void;
}

/** What a vCPU needs of its CPU model, whatever the architecture. */
export interface ExecutedCpu {
  readonly layout: { readonly fields: ReadonlyMap<string, unknown> };
  /** `core.instructions()` when the present slice began, -1 outside of slices. */
  sliceStart: number;
  /** Compare the timers with the clock. */
  updateTimers(): void;
  /** Nanoseconds at which the next timer interrupt becomes pending, Infinity if none will. */
  nextDeadline(): number;
  /** Whether a waiting CPU goes on. */
  readonly wakeUp: boolean;
  /** Bring the state's fields up to date. */
  save(): void;
  /** Forget translations, as a CPU without a past would start. */
  forget(): void;
  /** The state's fields were replaced: take everything derived from them anew. */
  reload(): void;
}

/** Why a CPU model leaves; `F` is what it says when it cannot go on. */
export type CpuExit<F> =
  /** A trap into the level above. */
  | { readonly kind: "trap" }
  /** It waits for an interrupt. */
  | { readonly kind: "wait" }
  /** A timer deadline moved: ask `nextDeadline` again. Nothing else happened. */
  | { readonly kind: "timer" }
  /** It spins: others may go on. */
  | { readonly kind: "yield" }
  | F;

/** An emulated vCPU's state as plain data. */
export interface EmulatedVCpuState<S extends ExecutionState = ExecutionState> {
  readonly version: 1;
  readonly lifecycle: VCpuLifecycleSnapshot;
  readonly core: S;
  /** It is in a suspend that its firmware interface was asked for. */
  readonly suspended: boolean;
}

/**
 * A vCPU whose CPU is a model executed by an engine: the loop around runs of the core, and the state as a whole. What a
 * trap into the hypervisor means, and the registers, are the architecture's.
 */
export abstract class EmulatedVCpu<
  Raw extends RawExitCause,
  F extends { readonly kind: "fatal" },
  S extends ExecutionState,
> extends BaseVCpu<Raw> {
  private readonly execution: ExecutionCore<S>;
  private readonly model: ExecutedCpu;
  // Made once: these exits are frequent.
  private readonly budgetSpent: VmExitInfo<Raw>;
  private readonly yielded: VmExitInfo<Raw>;
  private readonly timer: VmExitInfo<Raw>;
  private readonly wait: VmExitInfo<Raw>;
  private inSuspend = false;

  /** `waiting`: what the architecture calls an instruction that waits for an interrupt. */
  constructor(
    vcpuId: number,
    entry: GuestPhysAddr,
    core: ExecutionCore<S>,
    cpu: ExecutedCpu,
    raw: (reason: string) => Raw,
    waiting: string,
  ) {
    super(vcpuId, entry);
    this.execution = core;
    this.model = cpu;
    this.raw = raw;
    this.budgetSpent = { kind: "budgetSpent", raw: raw("the slice is used up") };
    this.yielded = { kind: "budgetSpent", yields: true, raw: raw("it spins") };
    this.timer = { kind: "timer", raw: raw("a timer deadline moved") };
    this.wait = { kind: "wait", raw: raw(waiting) };
  }

  /** The raw cause of an exit that is no trap. */
  protected readonly raw: (reason: string) => Raw;
  /** A trap into the level above: an exit, or undefined when it was served and the guest goes on. */
  protected abstract trapped(): VmExitInfo<Raw> | undefined;
  /** The CPU cannot go on. */
  protected abstract fatal(exit: F): VmExitInfo<Raw>;
  /**
   * A suspend begins: the call returns success when it ends, or the vCPU goes on at `resume`, as the firmware
   * interface has it.
   */
  protected abstract suspending(resume: { readonly entry: number; readonly arg: bigint } | undefined): void;

  /** An injected exception leads to itself for ever: the guest cannot be entered again. */
  protected deadEnd: F | undefined;

  /** In a firmware call's suspend, which to other vCPUs is not the same as waiting. It lasts until this one runs again. */
  get suspended(): boolean {
    return this.inSuspend;
  }

  get retired(): number {
    return this.execution.instructions();
  }

  protected override enter(budget: number): VmExitInfo<Raw> {
    const { execution, model } = this;
    this.inSuspend = false;
    model.updateTimers();
    model.sliceStart = execution.instructions();
    try {
      return this.slice(model.sliceStart + budget);
    } finally {
      model.sliceStart = -1;
    }
  }

  private slice(end: number): VmExitInfo<Raw> {
    const { execution } = this;
    for (;;) {
      if (this.deadEnd !== undefined) return this.fatal(this.deadEnd);
      const left = end - execution.instructions();
      if (left <= 0) return this.budgetSpent;
      const why = execution.run(left);
      if (why === "budget") return this.budgetSpent;
      if (why === "stopped") return this.timer;
      if (why === "breakpoint" || why === "watchpoint") {
        const address = why === "breakpoint" ? this.getPc() : (execution.watchHit ?? 0n);
        return { kind: "debugStop", cause: why, address, raw: this.raw(why) };
      }
      const exit = this.exited(execution.exit as CpuExit<F>);
      if (exit !== undefined) return exit;
    }
  }

  private exited(exit: CpuExit<F>): VmExitInfo<Raw> | undefined {
    switch (exit.kind) {
      case "wait":
        return this.wait;
      case "timer":
        return this.timer;
      case "yield":
        return this.yielded;
      case "trap":
        return this.trapped();
      default:
        return this.fatal(exit);
    }
  }

  /** The exit that a firmware call about power is. */
  protected power(outcome: FirmwarePowerOutcome, raw: Raw): VmExitInfo<Raw> {
    switch (outcome.kind) {
      case "startCpu":
        return { kind: "cpuUp", target: outcome.target, entry: outcome.entry, arg: outcome.arg, raw };
      case "stopCpu":
        return { kind: "cpuDown", raw };
      case "suspendCpu":
        this.suspending(outcome.resume);
        this.inSuspend = true;
        return { kind: "wait", raw };
      case "shutdown":
        return { kind: "systemShutdown", failure: outcome.failure, code: outcome.code, raw };
      case "reset": {
        const { warm, failure, code } = outcome;
        return { kind: "systemReset", warm, failure, code, raw };
      }
      default:
        throw new HyperError("Internal", `firmware outcome ${JSON.stringify(outcome satisfies never)}`);
    }
  }

  override powerOff(): void {
    super.powerOff();
    this.inSuspend = false;
  }

  /**
   * Fields by which the hypervisor tells the CPU where on this host the VM is (its second stage, its VMID). They are no
   * part of the guest: saved as zero, and left alone by a load, since another host may have it elsewhere.
   */
  protected get hostFields(): readonly string[] {
    return [];
  }

  /** Everything the vCPU is, as plain data. Throws BadState while it runs or waits for an answer. */
  save(): EmulatedVCpuState<S> {
    const lifecycle = this.lifecycleState();
    const { execution, model } = this;
    model.save();
    // What a restored CPU starts without, this one goes on without, so that both go the same way.
    model.forget();
    const core = this.withHostFields(execution.state(), () => 0n);
    return { version: 1, lifecycle, core, suspended: this.inSuspend };
  }

  /** Throws InvalidParam for a state of another version or shape. */
  load(state: EmulatedVCpuState<S>): void {
    if (state.version !== 1)
      throw new HyperError("InvalidParam", `vCPU state version ${state.version} is not 1`);
    for (const name of this.model.layout.fields.keys()) {
      if (typeof state.core.fields[name] === "bigint") continue;
      throw new HyperError("InvalidParam", `the saved vCPU state has no field ${name}`);
    }
    this.deadEnd = undefined;
    this.restoreLifecycle(state.lifecycle);
    const own = this.execution.state().fields;
    this.execution.restore(this.withHostFields(state.core, (name) => own[name]!));
    this.inSuspend = state.suspended;
    this.model.reload();
  }

  private withHostFields(core: S, value: (name: string) => bigint): S {
    const fields = { ...core.fields };
    for (const name of this.hostFields) fields[name] = value(name);
    return { ...core, fields };
  }

  override nextDeadline(): number {
    return this.model.nextDeadline();
  }
  override hasWakeEvent(): boolean {
    this.model.updateTimers();
    return this.model.wakeUp;
  }
}
