import type { Status } from "@hypercraft/engine";
import { RFLAG } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { Vector } from "./fault.js";
import type { InterruptSource } from "./interrupt-source.js";
import { activity, interruptShadow, interruptsWaiting, nmiState, RFLAGS } from "./state.js";

/** DR6.BS. */
const SINGLE_STEP = 1 << 14;
/** Values of `interruptShadow`: by STI; by MOV SS and POP SS; with it, the dispatcher knows. */
const SHADOW = { sti: 1, stack: 2, seen: 4 } as const;
/** Bits of `nmiState`. */
const NMI = { pending: 1, blocked: 2 } as const;

/** Events that are not the present instruction's: interrupts, and the trap of a single step. SDM volume 3, 6.9. */
export class Interrupts {
  /** The local APIC; and the 8259, where its interrupts come through LINT0 or past an APIC that is off. */
  apic: InterruptSource | undefined;
  legacy: InterruptSource | undefined;
  private readonly cpu: X86Cpu;
  /** Instructions executed when one began with TF set, after which #DB is due; -1: none did. */
  private steppingFrom = -1;
  /** Instructions executed when the shadow that the state tells of began. */
  private shadowFrom = -1;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  private get source(): InterruptSource | undefined {
    if (this.apic?.pending) return this.apic;
    return this.legacy?.pending ? this.legacy : undefined;
  }

  /** What is pending changed: a line, a mask, IF. */
  refresh(): void {
    const { core } = this.cpu;
    const waiting = this.source !== undefined || (core.lo(nmiState) & NMI.pending) !== 0;
    core.set(interruptsWaiting, waiting ? 1 : 0, 0);
    if (waiting) core.requestDispatch();
  }

  /** A non-maskable interrupt arrived. */
  raiseNmi(): void {
    const { core } = this.cpu;
    core.set(nmiState, core.lo(nmiState) | NMI.pending, 0);
    this.refresh();
  }

  /** IRET ends the blocking of NMIs. */
  unblockNmi(): void {
    const { core } = this.cpu;
    core.set(nmiState, core.lo(nmiState) & ~NMI.blocked, 0);
    this.refresh();
  }

  /** An exception was delivered: the step is over. */
  forgetStep(): void {
    this.steppingFrom = -1;
  }

  /** The state was replaced: what has been seen of it has to be seen again. */
  reload(): void {
    const { core } = this.cpu;
    this.steppingFrom = -1;
    core.set(interruptShadow, core.lo(interruptShadow) & ~SHADOW.seen, 0);
    this.refresh();
  }

  /** What holds interrupts back from the present instruction: 1 STI, 2 MOV SS or POP SS. */
  get shadow(): number {
    return this.cpu.core.lo(interruptShadow) & ~SHADOW.seen;
  }

  /** RFLAGS.IF. */
  get enabled(): boolean {
    return (this.cpu.core.lo(RFLAGS) & RFLAG.IF) !== 0;
  }

  get nmiBlocked(): boolean {
    return (this.cpu.core.lo(nmiState) & NMI.blocked) !== 0;
  }

  /** Take a non-maskable interrupt that is pending, if there is one. */
  acceptNmi(): boolean {
    const { core } = this.cpu;
    if ((core.lo(nmiState) & NMI.pending) === 0) return false;
    core.set(nmiState, core.lo(nmiState) & ~NMI.pending, 0);
    this.refresh();
    return true;
  }

  /** An external interrupt waits, whether it is enabled or not. */
  get externalWaits(): boolean {
    return this.source !== undefined;
  }

  /** Accept the external interrupt that waits: its vector. */
  acknowledge(): number {
    const vector = this.source?.acknowledge() ?? 0;
    this.refresh();
    return vector;
  }

  private get nmiReady(): boolean {
    return this.cpu.core.lo(nmiState) === NMI.pending;
  }

  /** Whether a halted processor goes on. */
  get wakeUp(): boolean {
    const { core } = this.cpu;
    if (core.lo(activity) === 0) return true;
    return (
      core.lo(activity) === 1 &&
      (this.nmiReady || ((this.enabled || this.cpu.vmx.externalExits) && this.source !== undefined))
    );
  }

  /**
   * Before the next instruction: deliver what is due. True if something was. It may be asked more than once before an
   * instruction; what the last one brought about is looked at once.
   */
  take(): boolean {
    const { cpu } = this;
    const { core } = cpu;
    if (cpu.vmx.guest && cpu.vmx.takeEvents()) return true;
    const now = core.instructions();
    const shadowed = this.shadowedAt(now);
    const stepped = this.steppingFrom >= 0 && now > this.steppingFrom;
    if (stepped) this.steppingFrom = -1;
    const resuming = cpu.debug.resuming(now);
    // MOV SS and POP SS hold traps back as well, until the next instruction is over; that of a step is lost.
    if (shadowed !== SHADOW.stack) {
      const reasons = cpu.debug.take() | (stepped ? SINGLE_STEP : 0);
      if (reasons !== 0) return this.delivered(cpu.exceptions.debug(reasons, cpu.ip));
    }
    if (cpu.vmx.guest && cpu.vmx.takeExits(shadowed !== 0)) {
      core.singleStep = false;
      return true;
    }
    if (shadowed === 0 && this.interrupt()) {
      core.singleStep = false;
      return true;
    }
    const trapping = (core.lo(RFLAGS) & RFLAG.TF) !== 0;
    core.singleStep = trapping || shadowed !== 0 || resuming || cpu.vmx.stepping;
    if (!trapping) this.steppingFrom = -1;
    else if (this.steppingFrom < 0) this.steppingFrom = now;
    return false;
  }

  /** What of interrupts the instruction before has held back for the next one, which has not been executed yet. */
  private shadowedAt(now: number): number {
    const { core } = this.cpu;
    const shadow = core.lo(interruptShadow);
    if (shadow === 0) return 0;
    if ((shadow & SHADOW.seen) === 0) {
      core.set(interruptShadow, shadow | SHADOW.seen, 0);
      this.shadowFrom = now;
    } else if (now > this.shadowFrom) {
      core.set(interruptShadow, 0, 0);
      return 0;
    }
    return shadow & ~SHADOW.seen;
  }

  private interrupt(): boolean {
    const { cpu } = this;
    const { core } = cpu;
    if (core.lo(interruptsWaiting) === 0) return false;
    if (this.nmiReady) {
      core.set(nmiState, NMI.blocked, 0);
      return this.deliver(Vector.nmi);
    }
    const { source } = this;
    if (source === undefined || !this.enabled) return false;
    const vector = source.acknowledge();
    this.refresh();
    return this.deliver(vector);
  }

  private deliver(vector: number): boolean {
    const { cpu } = this;
    cpu.core.set(activity, 0, 0);
    return this.delivered(cpu.exceptions.deliver(vector, "external", -1, cpu.ip));
  }

  private delivered(_status: Status): true {
    return true;
  }
}
