import type { Status } from "@hypercraft/engine";
import { Flag } from "../../isa/flags.js";
import type { X86Cpu } from "../cpu.js";
import type { EventSource } from "../exceptions.js";
import { Vector } from "../fault.js";
import { writeStatusFlags } from "../rflags.js";
import { ApicAccessPage } from "./apic/access-page.js";
import { VirtualApic } from "./apic/virtual-apic.js";
import { BoundaryExits } from "./boundary-exits.js";
import { capabilityRange, featureControlRange } from "./capabilities.js";
import { Pin, Primary, Secondary } from "./controls.js";
import { injectEvent } from "./entry.js";
import { EntryChecks } from "./entry-checks.js";
import { Ept } from "./ept.js";
import { type DeliveredEvent, leaveGuest } from "./exit.js";
import { VmcsField } from "./fields.js";
import { GuestPages } from "./guest-pages.js";
import { PauseLoop } from "./pause-loop.js";
import { RootVmcs } from "./root-vmcs.js";
import { EventType, ExitReason, eventInformation, VmExit } from "./vm-exit.js";
import { NO_VMCS, Vmcs } from "./vmcs.js";
import {
  currentVmcs,
  injectionWaits,
  trapExit,
  VmxOperation,
  vmxOperation,
  vmxonPointer,
} from "./vmx-state.js";

/** VM-instruction error numbers: SDM volume 3, 31.4. */
export const VmError = {
  vmcallInRoot: 1,
  vmclearAddress: 2,
  vmclearVmxonPointer: 3,
  vmlaunchNotClear: 4,
  vmresumeNotLaunched: 5,
  entryControls: 7,
  entryHostState: 8,
  vmptrldAddress: 9,
  vmptrldVmxonPointer: 10,
  vmptrldRevision: 11,
  unsupportedField: 12,
  vmxonInRoot: 15,
  entryBlockedByMovSs: 26,
  invalidationOperand: 28,
} as const;

const PRESENT = 1n;

/** Virtual-machine extensions of a processor: SDM volume 3, chapters 24 to 31. */
export class Vmx {
  readonly cpu: X86Cpu;
  /** The VMCS that is current and active. */
  vmcs: Vmcs | undefined;
  /** The current VMCS for a hypervisor that is no guest code. */
  readonly root: RootVmcs;
  /** In VMX operation: `CR0` and `CR4` are bound, and some instructions are looked at. */
  active = false;
  /** In VMX non-root operation. */
  guest = false;
  /** Kind and instruction length of the software event that is delivered. */
  softwareEvent: { readonly type: number; readonly length: number } = { type: 0, length: 0 };
  /** Address of a page fault that leaves the guest, which CR2 is not told of. */
  faultAddress = 0n;
  /** The present IRET of the guest ended the blocking of NMIs: an exit by its fault tells of it. */
  unblockedNmi = false;
  /**
   * The access that the exit is of, where a hypervisor can answer it and have the instruction executed again: one of the
   * engine's, which tells of it (`askedAccess`), or one that the processor made by itself.
   */
  asked: "engine" | { readonly size: 1 | 2 | 4 | 8; readonly lo: number; readonly hi: number } | undefined;
  /** The guest leaves after its next instruction, or the next event. */
  stepping = false;
  /** The VPID of the guest that runs; 0 is the host's, and that of guests without one. */
  vpid = 0;
  readonly guestPages: GuestPages;
  /** The guest's local APIC, and the page where it finds that. */
  readonly apic: VirtualApic;
  readonly apicAccess: ApicAccessPage;
  readonly pauseLoop: PauseLoop;
  /** The last one. */
  private ept: Ept | undefined;
  /** Its exits between instructions. */
  readonly exits: BoundaryExits;
  readonly checks: EntryChecks = new EntryChecks();
  private secondary = 0;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
    this.exits = new BoundaryExits(this);
    this.root = new RootVmcs(cpu);
    this.guestPages = new GuestPages(cpu.core);
    this.apic = new VirtualApic(cpu);
    this.apicAccess = new ApicAccessPage(cpu, this.apic);
    this.pauseLoop = new PauseLoop(cpu);
    cpu.msrs.ranges.push(capabilityRange(cpu), featureControlRange(cpu));
  }

  /** Take what follows from the state's fields anew. */
  derive(): void {
    const { core } = this.cpu;
    const operation = core.lo(vmxOperation);
    this.active = operation !== VmxOperation.none;
    this.guest = operation === VmxOperation.nonRoot;
    const pointer = core.big(currentVmcs);
    this.vmcs = (pointer & PRESENT) !== 0n ? this.at(Number(pointer - PRESENT)) : undefined;
    this.root.replaced();
    this.controlsChanged();
  }

  /** Another guest, or none, or controls of another: what is derived from them. */
  controlsChanged(): void {
    const { cpu, vmcs, guest } = this;
    this.secondary = 0;
    this.stepping = false;
    this.vpid = 0;
    cpu.secondStage = undefined;
    // A hypervisor that is no guest code leaves its guest's state, and translations with it, where they are.
    if (!(guest || cpu.vm) || vmcs === undefined) {
      this.apic.select(undefined);
      this.apicAccess.select(undefined);
      return;
    }
    const primary = vmcs.get(VmcsField.PROCESSOR_CONTROLS);
    if ((primary & Primary.secondaryControls) !== 0) this.secondary = vmcs.get(VmcsField.SECONDARY_CONTROLS);
    this.stepping = (primary & Primary.monitorTrapFlag) !== 0;
    this.exits.begin();
    this.pauseLoop.begin();
    this.apic.select(vmcs);
    this.apicAccess.select(vmcs);
    if (this.hasSecondary(Secondary.vpid)) this.vpid = vmcs.get(VmcsField.VPID);
    this.selectEpt();
  }

  /** The EPT pointer that the current VMCS has is the guest's. */
  selectEpt(): void {
    const { cpu, vmcs } = this;
    if (vmcs !== undefined && this.hasSecondary(Secondary.ept))
      cpu.secondStage = this.eptOf(vmcs.address(VmcsField.EPT_POINTER));
  }

  private eptOf(pointer: number): Ept {
    const modeBased = this.hasSecondary(Secondary.modeBasedExecute);
    const key = Ept.keyOf(pointer, modeBased);
    if (this.ept?.key !== key) this.ept = new Ept(this.cpu, pointer, modeBased);
    this.guestPages.select(key);
    return this.ept;
  }

  /**
   * A transition between a hypervisor and a guest without a VPID: no translations outlive it. That a page need not be
   * marked as dirty any more is forgotten, too, as nobody who clears that mark then has a reason to tell of it.
   */
  dropUntagged(): void {
    const { cpu } = this;
    if (cpu.secondStage?.flags) this.guestPages.forget();
    cpu.contexts.dropVpid(0);
  }

  /** IRET ends the blocking of NMIs; not in a guest whose NMIs are all the hypervisor's. */
  get unblocksNmi(): boolean {
    return !this.hasPin(Pin.nmiExiting) || this.hasPin(Pin.virtualNmis);
  }

  /** A secondary control of the guest that runs. */
  hasSecondary(control: number): boolean {
    return (this.secondary & control) !== 0;
  }

  /** The guest leaves as soon as it could take an interrupt, or an NMI. */
  get awaitsWindow(): boolean {
    return this.hasPrimary(Primary.interruptWindowExiting | Primary.nmiWindowExiting);
  }

  /** A pin-based control of the guest that runs. */
  hasPin(control: number): boolean {
    const { vmcs, guest } = this;
    return guest && vmcs !== undefined && (vmcs.pinControls & control) !== 0;
  }

  /** A primary control of the guest that runs. */
  hasPrimary(control: number): boolean {
    const { vmcs, guest } = this;
    return guest && vmcs !== undefined && (vmcs.processorControls & control) !== 0;
  }

  /** Change between root and non-root operation, or leave VMX operation. */
  setOperation(operation: number): void {
    this.cpu.core.set(vmxOperation, operation, 0);
    this.active = operation !== VmxOperation.none;
    this.guest = operation === VmxOperation.nonRoot;
  }

  /** The region at a physical address; undefined where there is no RAM. */
  at(physical: number): Vmcs | undefined {
    const { core } = this.cpu;
    const offset = core.ramOffset(physical);
    return offset < 0 ? undefined : new Vmcs(core.bytes, offset);
  }

  /** Physical address of the current VMCS; all ones without one. */
  get pointer(): bigint {
    const pointer = this.cpu.core.big(currentVmcs);
    return (pointer & PRESENT) !== 0n ? pointer - PRESENT : NO_VMCS;
  }

  /** Make a VMCS the current one, or none. */
  setPointer(physical: bigint | undefined): void {
    this.cpu.core.setBig(currentVmcs, physical === undefined ? 0n : physical | PRESENT);
    this.vmcs = physical === undefined ? undefined : this.at(Number(physical));
    this.root.changed();
  }

  /** Physical address of the VMXON region. */
  get region(): bigint {
    return this.cpu.core.big(vmxonPointer);
  }

  // --- Events and exits of a guest -----------------------------------------------------------

  /** Leave the guest, which goes on at `ip`; `delivering` an event. */
  leave(exit: VmExit, ip: bigint, delivering?: DeliveredEvent): Status {
    const { cpu, vmcs } = this;
    if (vmcs === undefined) throw new Error("a guest without a VMCS");
    return leaveGuest(cpu, vmcs, exit, ip, delivering);
  }

  /** Leave the guest once the present instruction is over; not without an exit. */
  leaveAfter(exit: VmExit | undefined): void {
    if (exit === undefined) return;
    const { core } = this.cpu;
    core.set(trapExit, exit.reason | (Number(exit.details.qualification ?? 0n) << 16), 0);
    core.requestDispatch();
  }

  /** Before the next instruction of a guest: the exit that the one before it ends with. */
  takeTrapExit(): VmExit | undefined {
    const { core } = this.cpu;
    const written = this.apicAccess.emulateWrite();
    if (written !== undefined) return written;
    const told = core.lo(trapExit);
    if (told === 0) return undefined;
    core.set(trapExit, 0, 0);
    return new VmExit((told & 0xffff) as ExitReason, { qualification: BigInt(told >>> 16) });
  }

  /** Before the next instruction of a guest: an event that its entry brought. True if something happened. */
  takeEvents(): boolean {
    const { cpu, vmcs } = this;
    if (vmcs === undefined || cpu.core.lo(injectionWaits) === 0) return false;
    injectEvent(this, vmcs);
    return true;
  }

  /** An exception leaves the guest instead of being delivered: throws the exit. `fault`: RF would be set. */
  interceptException(vector: number, errorCode: number, fault: boolean): void {
    if (!this.intercepts(vector, errorCode)) return;
    const qualification = vector === Vector.page ? this.faultAddress : 0n;
    throw new VmExit(ExitReason.exceptionOrNmi, {
      event: eventInformation(vector, EventType.exception, errorCode),
      errorCode: Math.max(0, errorCode),
      qualification,
      resume: fault,
    });
  }

  /** How an event that is being delivered is described, should the guest leave meanwhile. */
  deliveredEvent(vector: number, source: EventSource, errorCode: number, injected: boolean): DeliveredEvent {
    const { vmcs, softwareEvent } = this;
    if (injected && vmcs !== undefined) {
      const information = vmcs.get(VmcsField.ENTRY_INTERRUPTION_INFORMATION);
      return { information, errorCode: vmcs.get(VmcsField.ENTRY_EXCEPTION_ERROR_CODE) };
    }
    const plain = vector === Vector.nmi ? EventType.nmi : EventType.external;
    const type =
      source === "software" ? softwareEvent.type : source === "external" ? plain : EventType.exception;
    if (source !== "software") this.softwareEvent = { type, length: 0 };
    return { information: eventInformation(vector, type, errorCode), errorCode: Math.max(0, errorCode) };
  }

  /** The exception bitmap, and for page faults mask and match of the error code (25.2). */
  intercepts(vector: number, errorCode: number): boolean {
    const { vmcs } = this;
    if (!this.guest || vmcs === undefined) return false;
    const inBitmap = ((vmcs.get(VmcsField.EXCEPTION_BITMAP) >>> vector) & 1) !== 0;
    if (vector !== Vector.page) return inBitmap;
    const masked = errorCode & vmcs.get(VmcsField.PAGE_FAULT_MASK);
    return inBitmap === (masked >>> 0 === vmcs.get(VmcsField.PAGE_FAULT_MATCH));
  }

  // --- How VMX instructions end (SDM volume 3, 31.2) -----------------------------------------

  succeed(): void {
    writeStatusFlags(this.cpu.core, 0);
  }

  failInvalid(): void {
    writeStatusFlags(this.cpu.core, Flag.CF);
  }

  /** VMfail: with an error number where there is a VMCS to hold it. */
  fail(error: number): void {
    const { vmcs } = this;
    if (vmcs === undefined) return this.failInvalid();
    vmcs.set(VmcsField.INSTRUCTION_ERROR, error);
    writeStatusFlags(this.cpu.core, Flag.ZF);
  }
}
