import { RFLAG } from "../cpu/control-bits.js";
import type { X86Cpu } from "../cpu/cpu.js";
import { makesDoubleFault } from "../cpu/exceptions.js";
import { Vector } from "../cpu/fault.js";
import type { InterruptSource } from "../cpu/interrupt-source.js";
import { Primary } from "../cpu/vmx/controls.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";
import {
  EVENT_HAS_ERROR,
  EVENT_NMI_UNBLOCKED,
  EVENT_VALID,
  EventType,
  eventInformation,
} from "../cpu/vmx/vm-exit.js";
import { injectionWaits } from "../cpu/vmx/vmx-state.js";

/** An event for a guest as an entry injects it: SDM volume 3, 25.8.3. Plain data. */
export interface GuestEvent {
  /** VM-entry interruption information. */
  readonly information: number;
  readonly errorCode: number;
  /** Bytes of the instruction, of software interrupts and exceptions. */
  readonly length: number;
}

const NMI = 2;
const BLOCKED_BY_STI = 1;
const BLOCKED_BY_MOV_SS = 2;
const BLOCKED_NMI = 8;

/** An `EventType`. */
export const eventType = ({ information }: GuestEvent): number => (information >> 8) & 7;
const vectorOf = ({ information }: GuestEvent): number => information & 0xff;

/**
 * What a guest is to be told of: one event an entry, the others in order. What was being delivered when the guest left
 * comes first, then exceptions that the hypervisor raises, NMI, and interrupts of the virtual controller as far as the
 * guest takes them; for the rest it is to leave as soon as it does.
 */
export class GuestEvents {
  /** The virtual local APIC. */
  source: InterruptSource | undefined;
  private readonly cpu: X86Cpu;
  private waiting: GuestEvent[] = [];
  /** What the guest was leaving for its delivery at the last exit: the first that waits. */
  private interrupted: GuestEvent | undefined;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /**
   * An exception of the instruction at the pc, or of the event whose delivery was interrupted; -1 for no error code. In real
   * mode there never is one. False: it came upon a double fault, and the guest shuts down.
   */
  raise(vector: number, errorCode = -1): boolean {
    const first = this.endInterrupted();
    if (first === Vector.doubleFault) return false;
    const doubled = makesDoubleFault(first, vector);
    const [number, told] = doubled ? [Vector.doubleFault, 0] : [vector, errorCode];
    const code = this.cpu.protectedMode ? told : -1;
    const information = eventInformation(number, EventType.exception, code);
    this.waiting.unshift({ information, errorCode: Math.max(0, code), length: 0 });
    return true;
  }

  /**
   * The delivery of an event came upon an exception: an interrupt is delivered after that, as it is not sent twice, and
   * another exception or software's event comes again when its instruction does. Gives the vector of an exception, or -1.
   */
  private endInterrupted(): number {
    const event = this.interrupted;
    this.interrupted = undefined;
    if (event === undefined) return -1;
    const type = eventType(event);
    if (type === EventType.external || type === EventType.nmi) return -1;
    this.waiting.splice(this.waiting.indexOf(event), 1);
    return type === EventType.exception ? vectorOf(event) : -1;
  }

  /** The event whose delivery the last exit interrupted, if there was one. */
  get inDelivery(): GuestEvent | undefined {
    return this.interrupted;
  }

  /** It has been delivered by other means. */
  delivered(): void {
    const event = this.interrupted;
    this.interrupted = undefined;
    if (event !== undefined) this.waiting.splice(this.waiting.indexOf(event), 1);
  }

  /** One NMI can wait. */
  raiseNmi(): void {
    if (this.waiting.some((event) => eventType(event) === EventType.nmi)) return;
    this.waiting.push({ information: eventInformation(NMI, EventType.nmi, -1), errorCode: 0, length: 0 });
  }

  /** After an exit: what it interrupted the delivery of is to be delivered again. False if there was nothing. */
  takeUp(): boolean {
    const { root } = this.cpu.vmx;
    this.interrupted = undefined;
    const vectoring = root.get(F.IDT_VECTORING_INFORMATION) | 0;
    if ((vectoring & EVENT_VALID) === 0) return false;
    const information = vectoring & ~EVENT_NMI_UNBLOCKED;
    const errorCode = (vectoring & EVENT_HAS_ERROR) !== 0 ? root.get(F.IDT_VECTORING_ERROR_CODE) : 0;
    const event = { information, errorCode, length: root.get(F.EXIT_INSTRUCTION_LENGTH) };
    this.waiting.unshift(event);
    this.interrupted = event;
    // Its delivery blocked further ones.
    if (eventType(event) === EventType.nmi) this.unblockNmi();
    return true;
  }

  private unblockNmi(): void {
    const { root } = this.cpu.vmx;
    root.write(F.GUEST_INTERRUPTIBILITY, BigInt(root.get(F.GUEST_INTERRUPTIBILITY) & ~BLOCKED_NMI));
  }

  /** The guest is left without an exit. The event of its entry is over, or waits again if there was no time for it. */
  takeBack(): void {
    const { core, vmx } = this.cpu;
    const { root } = vmx;
    const information = root.get(F.ENTRY_INTERRUPTION_INFORMATION) | 0;
    if ((information & EVENT_VALID) === 0) return;
    root.write(F.ENTRY_INTERRUPTION_INFORMATION, BigInt((information & ~EVENT_VALID) >>> 0));
    if (core.lo(injectionWaits) === 0) return;
    core.set(injectionWaits, 0, 0);
    const errorCode = root.get(F.ENTRY_EXCEPTION_ERROR_CODE);
    this.waiting.unshift({ information, errorCode, length: root.get(F.ENTRY_INSTRUCTION_LENGTH) });
  }

  /** Nothing waits and nothing is pending. */
  get none(): boolean {
    return this.waiting.length === 0 && this.source?.pending !== true;
  }

  /** Whether something ends the guest's HLT. */
  get wakes(): boolean {
    return (
      this.waiting.some((event) => this.isTaken(event)) ||
      (this.source?.pending === true && this.takesExternal)
    );
  }

  private get takesExternal(): boolean {
    const { root } = this.cpu.vmx;
    return (root.get(F.GUEST_RFLAGS) & RFLAG.IF) !== 0 && (root.get(F.GUEST_INTERRUPTIBILITY) & 3) === 0;
  }

  /** Whether the guest can take an event now. */
  private isTaken(event: GuestEvent): boolean {
    const type = eventType(event);
    if (type === EventType.external) return this.takesExternal;
    if (type !== EventType.nmi) return true;
    const held = BLOCKED_BY_STI | BLOCKED_BY_MOV_SS | BLOCKED_NMI;
    return (this.cpu.vmx.root.get(F.GUEST_INTERRUPTIBILITY) & held) === 0;
  }

  /** Before an entry: the event it injects, and what the guest has to leave for. */
  prepare(): void {
    // An access that is answered comes first.
    if (!this.cpu.core.hasAnswer) this.injectNext();
    this.setWindows();
  }

  private injectNext(): void {
    const at = this.waiting.findIndex((event) => this.isTaken(event));
    if (at >= 0) this.inject(this.waiting.splice(at, 1)[0]!);
    else if (this.source?.pending === true && this.takesExternal)
      this.inject({
        information: eventInformation(this.source.acknowledge(), EventType.external, -1),
        errorCode: 0,
        length: 0,
      });
  }

  private inject({ information, errorCode, length }: GuestEvent): void {
    const { root } = this.cpu.vmx;
    root.write(F.ENTRY_INTERRUPTION_INFORMATION, BigInt(information >>> 0));
    root.write(F.ENTRY_EXCEPTION_ERROR_CODE, BigInt(errorCode));
    root.write(F.ENTRY_INSTRUCTION_LENGTH, BigInt(length));
  }

  private setWindows(): void {
    const { root } = this.cpu.vmx;
    const { waiting, source } = this;
    const external =
      source?.pending === true || waiting.some((event) => eventType(event) === EventType.external);
    const nmi = waiting.some((event) => eventType(event) === EventType.nmi);
    const windows = (external ? Primary.interruptWindowExiting : 0) | (nmi ? Primary.nmiWindowExiting : 0);
    const controls = root.get(F.PROCESSOR_CONTROLS);
    const wanted = (controls & ~(Primary.interruptWindowExiting | Primary.nmiWindowExiting)) | windows;
    if (wanted >>> 0 !== controls) root.write(F.PROCESSOR_CONTROLS, BigInt(wanted >>> 0));
  }

  /** INIT, or power-off: nothing of before comes any more. */
  clear(): void {
    this.interrupted = undefined;
    this.waiting = [];
  }

  state(): readonly GuestEvent[] {
    return this.waiting.map((event) => ({ ...event }));
  }

  restore(events: readonly GuestEvent[]): void {
    this.interrupted = undefined;
    this.waiting = events.map((event) => ({ ...event }));
  }
}
