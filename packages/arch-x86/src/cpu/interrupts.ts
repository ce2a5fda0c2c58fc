import { Status } from "@hypercraft/engine";
import { stepTraps } from "./branch-step.js";
import { RFLAG } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { WAIT_EXIT } from "./exit.js";
import { Vector } from "./fault.js";
import { releaseInit } from "./init.js";
import type { InterruptSource } from "./interrupt-source.js";
import {
  Activity,
  activity,
  interruptShadow,
  interruptsWaiting,
  NmiState,
  nmiState,
  RFLAGS,
  shadowedAddress,
  x86Layout,
} from "./state.js";

/** DR6.BS. */
const SINGLE_STEP = 1 << 14;
/** Values of `interruptShadow`: by STI; by MOV SS and POP SS; with it, the dispatcher knows. */
const SHADOW = { sti: 1, stack: 2, seen: 4 } as const;

/** Events that are not the present instruction's: interrupts, and the trap of a single step. SDM volume 3, 6.9. */
export class Interrupts {
  /** The local APIC; and the 8259, where its interrupts come through LINT0 or past an APIC that is off. */
  apic: InterruptSource | undefined;
  legacy: InterruptSource | undefined;
  private readonly cpu: X86Cpu;
  /** Instructions executed when one began with TF set, after which #DB is due; -1: none did. */
  private steppingFrom = -1;
  /** Where that instruction is. */
  private steppingAt = 0n;
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
    const pending = this.source !== undefined || (core.lo(nmiState) & NmiState.pending) !== 0;
    const { vmx } = this.cpu;
    const waiting = pending || vmx.awaitsWindow || (vmx.guest && vmx.apic.waits);
    core.set(interruptsWaiting, waiting ? 1 : 0, 0);
    if (waiting) core.requestDispatch();
  }

  /** A non-maskable interrupt arrived. */
  raiseNmi(): void {
    const { core } = this.cpu;
    core.set(nmiState, core.lo(nmiState) | NmiState.pending, 0);
    this.refresh();
  }

  /** End the blocking of NMIs. False if there was none. */
  unblockNmi(): boolean {
    const { core } = this.cpu;
    if (!this.nmiBlocked) return false;
    core.set(nmiState, core.lo(nmiState) & ~NmiState.blocked, 0);
    this.refresh();
    return true;
  }

  /** An exception was delivered: the step is over. */
  forgetStep(): void {
    this.steppingFrom = -1;
  }

  /** SYSCALL and SYSRET are steps that trap if TF says so as they leave it. */
  stepAsLeft(): void {
    const { core, debug } = this.cpu;
    this.steppingFrom = -1;
    if ((core.lo(RFLAGS) & RFLAG.TF) !== 0) debug.add(SINGLE_STEP);
  }

  /** The trap of a step that is over joins those that are due. */
  private settleStep(now: number): void {
    if (this.steppingFrom < 0 || now <= this.steppingFrom) return;
    this.steppingFrom = -1;
    if (stepTraps(this.cpu, this.steppingAt)) this.cpu.debug.add(SINGLE_STEP);
  }

  /** The processor leaves its guest: the traps that are due, as bits of DR6. They are forgotten. */
  takeTraps(): number {
    const { cpu } = this;
    this.settleStep(cpu.core.instructions());
    const due = cpu.debug.take();
    cpu.debug.forget();
    this.forgetStep();
    return due;
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
    const { cpu } = this;
    const shadow = cpu.core.lo(interruptShadow);
    if (shadow === SHADOW.sti && this.leftBehind) return 0;
    return shadow & ~SHADOW.seen;
  }

  /**
   * STI is followed by the dispatcher only where an interrupt waits: nobody may have seen the end of its shadow. Then
   * this is another instruction than the one behind it.
   */
  private get leftBehind(): boolean {
    const { core } = this.cpu;
    return core.pcLo() !== core.lo(shadowedAddress) || !this.enabled;
  }

  /** RFLAGS.IF. */
  get enabled(): boolean {
    return (this.cpu.core.lo(RFLAGS) & RFLAG.IF) !== 0;
  }

  get nmiBlocked(): boolean {
    return (this.cpu.core.lo(nmiState) & NmiState.blocked) !== 0;
  }

  /** Take a non-maskable interrupt that is pending, if there is one. */
  acceptNmi(): boolean {
    const { core } = this.cpu;
    if ((core.lo(nmiState) & NmiState.pending) === 0) return false;
    core.set(nmiState, core.lo(nmiState) & ~NmiState.pending, 0);
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

  /** A non-maskable interrupt that nothing holds back. */
  get nmiReady(): boolean {
    return this.cpu.core.lo(nmiState) === NmiState.pending;
  }

  get nmiPending(): boolean {
    return (this.cpu.core.lo(nmiState) & NmiState.pending) !== 0;
  }

  /** Whether a processor that waits goes on. */
  get wakeUp(): boolean {
    const { vmx, core, monitor } = this.cpu;
    if (core.lo(activity) === Activity.active || monitor.wakes) return true;
    if (vmx.guest && vmx.exits.wakes) return true;
    const halted = core.lo(activity) === Activity.halted;
    // A guest can be entered in shutdown.
    if ((halted || vmx.guest) && core.lo(activity) <= Activity.shutdown && this.nmiReady) return true;
    return halted && this.enabled && this.source !== undefined;
  }

  /**
   * The present instruction has the processor wait, as HLT does, unless what ends that is there already: `ends`, or an
   * interrupt.
   */
  wait(ends: boolean): Status {
    const { core, monitor } = this.cpu;
    core.set(activity, Activity.halted, 0);
    if (!ends && !this.wakeUp) {
      core.exit = WAIT_EXIT;
      return Status.exit;
    }
    core.set(activity, Activity.active, 0);
    monitor.goOn();
    return Status.redispatch;
  }

  /**
   * Before the next instruction: deliver what is due. True if something was. It may be asked more than once before an
   * instruction; what the last one brought about is looked at once.
   */
  take(): boolean {
    const { core } = this.cpu;
    let some = false;
    // What is delivered may be followed by more that comes before the next instruction.
    while (this.takeOne()) {
      some = true;
      core.singleStep = false;
      if (core.exit !== null) return true;
    }
    if (this.cpu.monitor.wakes) this.cpu.monitor.goOn();
    if (core.lo(activity) === Activity.active) return some;
    core.exit = WAIT_EXIT;
    return true;
  }

  private takeOne(): boolean {
    const { cpu } = this;
    const { core, vmx, debug } = cpu;
    // An access that the host has answered is carried out first: to a device it has happened already.
    if (core.hasAnswer) return false;
    if (!vmx.active && releaseInit(cpu)) return true;
    cpu.line20.settle();
    if (vmx.guest && vmx.takeEvents()) return true;
    const now = core.instructions();
    const shadowed = this.shadowedAt(now);
    this.settleStep(now);
    const resuming = debug.resuming(now);
    if (vmx.guest && vmx.exits.takeFirst()) return true;
    // MOV SS and POP SS hold traps back as well, until the next instruction is over.
    if (shadowed !== SHADOW.stack) {
      const reasons = debug.take();
      if (reasons !== 0) {
        cpu.exceptions.debug(reasons, cpu.ip);
        return true;
      }
    }
    if (vmx.guest && vmx.exits.take(shadowed)) return true;
    if (shadowed === 0 && this.interrupt()) return true;
    const trapping = (core.lo(RFLAGS) & RFLAG.TF) !== 0;
    core.singleStep = trapping || shadowed !== 0 || resuming || vmx.stepping;
    if (!trapping) this.steppingFrom = -1;
    else if (this.steppingFrom < 0) {
      this.steppingFrom = now;
      this.steppingAt = core.big(x86Layout.pc);
    }
    return false;
  }

  /** What of interrupts the instruction before has held back for the next one, which has not been executed yet. */
  private shadowedAt(now: number): number {
    const { core } = this.cpu;
    const shadow = core.lo(interruptShadow);
    if (shadow === 0) return 0;
    if (shadow === SHADOW.sti && this.leftBehind) {
      core.set(interruptShadow, 0, 0);
      return 0;
    }
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
      core.set(nmiState, NmiState.blocked, 0);
      this.deliver(Vector.nmi);
      return true;
    }
    const { source } = this;
    if (source === undefined || !this.enabled || core.lo(activity) > Activity.halted) return false;
    const vector = source.acknowledge();
    this.refresh();
    this.deliver(vector);
    return true;
  }

  /** Deliver an external interrupt, or what a guest takes for one. */
  deliver(vector: number): void {
    const { cpu } = this;
    cpu.exceptions.deliver(vector, "external", -1, cpu.ip);
  }
}
