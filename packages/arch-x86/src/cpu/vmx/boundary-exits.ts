import { TIMER_EXIT } from "../exit.js";
import { Vector } from "../fault.js";
import { Activity, activity } from "../state.js";
import { Exit, Pin, Primary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { EventType, ExitReason, eventInformation, VmExit } from "./vm-exit.js";
import type { Vmx } from "./vmx.js";
import {
  initSignal,
  injectionWaits,
  preemptionDeadline,
  STARTED_UP,
  startUpSignal,
  trapExit,
} from "./vmx-state.js";

/** What the instruction before holds back: MOV SS and POP SS. */
const STACK_SHADOW = 2;

/** VM exits between two instructions of a guest, by their priority: SDM volume 3, 7.9, 26.2 and 26.5. */
export class BoundaryExits {
  private readonly vmx: Vmx;
  /** Instructions executed when the guest was about to begin its first; -1: it was not yet. */
  private steppingFrom = -1;
  /** An event was delivered: the monitor trap flag looks at its handler's first instruction. */
  private eventDelivered = false;
  /** The preemption timer was started, and nobody was told when it ends. */
  private timerStarted = false;

  constructor(vmx: Vmx) {
    this.vmx = vmx;
  }

  /** A guest was entered. */
  begin(): void {
    this.steppingFrom = -1;
    this.eventDelivered = false;
    this.timerStarted = this.vmx.hasPin(Pin.preemptionTimer);
  }

  /** An event is delivered to the guest. */
  delivered(): void {
    this.eventDelivered = true;
  }

  private get activity(): number {
    return this.vmx.cpu.core.lo(activity);
  }

  /** A guest that waits leaves. */
  get wakes(): boolean {
    return (
      this.vmx.cpu.core.lo(injectionWaits) !== 0 ||
      this.vmx.cpu.core.lo(trapExit) !== 0 ||
      this.signal() !== undefined ||
      this.due(0) !== undefined ||
      this.virtualInterrupt
    );
  }

  // --- What comes before debug traps -----------------------------------------------------------

  /** What the instruction before brought, INIT, start-up IPIs and the monitor trap flag. True if the guest left. */
  takeFirst(): boolean {
    const exit = this.vmx.takeTrapExit() ?? this.signal() ?? this.trap();
    if (exit === undefined) return false;
    const { core } = this.vmx.cpu;
    if (exit.reason === ExitReason.init) core.set(initSignal, 0, 0);
    if (exit.reason === ExitReason.startUp) core.set(startUpSignal, 0, 0);
    this.leave(exit);
    return true;
  }

  private signal(): VmExit | undefined {
    const { core } = this.vmx.cpu;
    if (this.activity !== Activity.waitForSipi)
      return core.lo(initSignal) === 0 ? undefined : new VmExit(ExitReason.init);
    const startUp = core.lo(startUpSignal);
    if (startUp === 0) return undefined;
    return new VmExit(ExitReason.startUp, { qualification: BigInt(startUp & ~STARTED_UP) });
  }

  private trap(): VmExit | undefined {
    const { vmx } = this;
    if (!vmx.stepping) return undefined;
    const now = vmx.cpu.core.instructions();
    if (this.steppingFrom < 0) this.steppingFrom = now;
    if (now === this.steppingFrom && !this.eventDelivered) return undefined;
    return new VmExit(ExitReason.monitorTrapFlag);
  }

  // --- What comes after them -------------------------------------------------------------------

  /**
   * The preemption timer, windows, NMIs and external interrupts. `shadow`: what holds interrupts back from the next
   * instruction. True if the guest left, or if `run` ends so that somebody looks when the timer does.
   */
  take(shadow: number): boolean {
    const reason = this.due(shadow);
    const external = reason === ExitReason.externalInterrupt;
    if ((reason === undefined || external) && shadow === 0 && this.virtualInterrupt) {
      this.vmx.cpu.interrupts.deliver(this.vmx.apic.acknowledge());
      return true;
    }
    if (reason === undefined) return this.tellTimer();
    if (external) this.externalInterrupt();
    else this.leave(this.exitOf(reason));
    return true;
  }

  /** The guest takes an interrupt of its virtual APIC. */
  private get virtualInterrupt(): boolean {
    const { vmx } = this;
    return vmx.apic.waits && vmx.cpu.interrupts.enabled && this.activity <= Activity.halted;
  }

  private externalInterrupt(): void {
    const { vmx } = this;
    const reason = ExitReason.externalInterrupt;
    if (((vmx.vmcs?.get(F.EXIT_CONTROLS) ?? 0) & Exit.acknowledgeInterrupt) === 0)
      return this.leave(new VmExit(reason));
    const vector = vmx.cpu.interrupts.acknowledge();
    if (vmx.apic.notified(vector)) return;
    this.leave(new VmExit(reason, { event: eventInformation(vector, EventType.external, -1) }));
  }

  private leave(exit: VmExit): void {
    this.vmx.leave(exit, this.vmx.cpu.ip);
  }

  private tellTimer(): boolean {
    if (!this.timerStarted) return false;
    this.timerStarted = false;
    this.vmx.cpu.core.exit = TIMER_EXIT;
    return true;
  }

  /** The reason of what is due; nothing is changed. */
  private due(shadow: number): ExitReason | undefined {
    const { vmx } = this;
    const { cpu } = vmx;
    const { interrupts } = cpu;
    const state = this.activity;
    if (state === Activity.waitForSipi) return undefined;
    if (this.timerEnded) return ExitReason.preemptionTimer;
    const blocked = interrupts.nmiBlocked;
    if (vmx.hasPrimary(Primary.nmiWindowExiting) && !blocked && shadow === 0) return ExitReason.nmiWindow;
    const open = vmx.hasPin(Pin.virtualNmis) || !blocked;
    if (interrupts.nmiPending && vmx.hasPin(Pin.nmiExiting) && open && shadow !== STACK_SHADOW)
      return ExitReason.exceptionOrNmi;
    if (shadow !== 0 || state === Activity.shutdown) return undefined;
    if (vmx.hasPrimary(Primary.interruptWindowExiting) && interrupts.enabled)
      return ExitReason.interruptWindow;
    const external = vmx.hasPin(Pin.externalInterruptExiting) && interrupts.externalWaits;
    return external ? ExitReason.externalInterrupt : undefined;
  }

  private exitOf(reason: ExitReason): VmExit {
    const { vmx } = this;
    const { interrupts } = vmx.cpu;
    if (reason === ExitReason.exceptionOrNmi) {
      interrupts.acceptNmi();
      return new VmExit(reason, { event: eventInformation(Vector.nmi, EventType.nmi, -1) });
    }
    return new VmExit(reason);
  }

  /** The preemption timer is on, and has reached 0. */
  get timerEnded(): boolean {
    const { cpu } = this.vmx;
    return this.vmx.hasPin(Pin.preemptionTimer) && cpu.msrs.timestamp >= cpu.core.big(preemptionDeadline);
  }

  /** When the preemption timer ends, in nanoseconds of the machine's time. */
  nextDeadline(): number {
    const { cpu } = this.vmx;
    if (!this.vmx.hasPin(Pin.preemptionTimer)) return Number.POSITIVE_INFINITY;
    const left = cpu.core.big(preemptionDeadline) - (cpu.msrs.timestamp - cpu.timestamp());
    return Math.ceil((Number(left) * 1e9) / cpu.tscHz);
  }
}
