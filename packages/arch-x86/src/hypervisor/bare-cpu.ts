import { type ExitAnswer, HyperError, type VCpuContext, type VmExitInfo } from "@hypercraft/hypercraft";
import { type EntryState, enter } from "../cpu/entry.js";
import { Activity, activity } from "../cpu/state.js";
import { plainCause, type X86ExitCause } from "./exit-cause.js";
import { X86VCpu } from "./x86-vcpu.js";

const INIT_EXIT = { kind: "wait", raw: plainCause("it waits for a start-up IPI") } as const;

/**
 * A processor that guest code owns from the reset vector on: exceptions and interrupts go to the guest's own handlers,
 * devices lie on its physical bus and at its ports. All that leaves it is waiting, and shutdown.
 */
export class BareCpu extends X86VCpu {
  protected override onSetup(_context: VCpuContext): void {
    this.cpu.reset();
  }

  /** Processors start others by INIT and start-up IPIs; the machine powers all of them on. */
  protected override onPowerOn(): void {
    this.cpu.reset();
  }

  /** Begin where a boot protocol enters what it loaded, after a reset. */
  start(state: EntryState): void {
    enter(this.cpu, state);
  }

  protected override enter(budget: number): VmExitInfo<X86ExitCause> {
    // Another processor's INIT came while it was ready to run.
    if (this.core.lo(activity) !== Activity.active && !this.cpu.wakeUp) return INIT_EXIT;
    return super.enter(budget);
  }

  /** Halted with interrupts masked, as at the end of a panic, or never started. NMIs are for processors to send. */
  get deaf(): boolean {
    const { core, interrupts, vmx } = this.cpu;
    const state = core.lo(activity);
    return state !== Activity.active && !vmx.guest && !(state === Activity.halted && interrupts.enabled);
  }

  protected override trapped(): VmExitInfo<X86ExitCause> | undefined {
    throw new HyperError("Internal", "there is no level above a bare processor");
  }

  protected override finishExit(_exit: VmExitInfo<X86ExitCause>, _answer: ExitAnswer): void {
    throw new HyperError("Internal", "a bare processor's exits need no answers");
  }

  /** Interrupts have vectors only once a local APIC or an 8259 gives them. Throws OutOfRange: there is but NMI, 2. */
  override interrupt(vector: number): void {
    if (vector !== NMI)
      throw new HyperError("OutOfRange", `a processor has no input for interrupt ${vector}`);
    this.cpu.interrupts.raiseNmi();
    this.signalWake();
  }
}

const NMI = 2;
