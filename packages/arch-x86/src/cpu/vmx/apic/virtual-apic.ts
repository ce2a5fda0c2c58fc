import { isPlainSelfInterrupt, LOWEST_VECTOR } from "../../../interrupts/interrupt-command.js";
import { Register } from "../../../interrupts/local-apic-registers.js";
import { isAbove, processorPriority } from "../../../interrupts/priority.js";
import type { X86Cpu } from "../../cpu.js";
import { Pin, Primary, Secondary } from "../controls.js";
import { EntryView } from "../entry-view.js";
import { VmcsField as F } from "../fields.js";
import { ExitReason, VmExit } from "../vm-exit.js";
import type { Vmcs } from "../vmcs.js";
import { apicPageWritten, trapExit, virtualInterruptWaits } from "../vmx-state.js";
import { takePosted } from "./posted-interrupts.js";
import { VirtualApicPage } from "./virtual-apic-page.js";

/** A guest's local APIC as far as the processor itself plays it: SDM volume 3, chapter 30. */
export class VirtualApic {
  private readonly cpu: X86Cpu;
  private vmcs: Vmcs | undefined;
  /** The virtual-APIC page, where TPR is shadowed. */
  page: VirtualApicPage | undefined;
  /** Virtual-interrupt delivery. */
  delivers = false;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** The controls of another VMCS apply, or none. */
  select(vmcs: Vmcs | undefined): void {
    const { vmx, core } = this.cpu;
    this.vmcs = vmcs;
    this.page = undefined;
    this.delivers = false;
    if (vmcs === undefined || (vmcs.get(F.PROCESSOR_CONTROLS) & Primary.tprShadow) === 0) return;
    this.page = new VirtualApicPage(core, vmcs.address(F.VIRTUAL_APIC_ADDRESS));
    this.delivers = vmx.hasSecondary(Secondary.virtualInterruptDelivery);
  }

  /**
   * Whether an entry with this VMCS is refused because of VTPR, which is in memory: the threshold is above it, and
   * nothing would tell of that later (27.2.1.1).
   */
  refuses(vmcs: Vmcs): boolean {
    if ((vmcs.get(F.PROCESSOR_CONTROLS) & Primary.tprShadow) === 0) return false;
    const { secondary } = new EntryView(vmcs, false);
    if ((secondary & (Secondary.virtualizeApicAccesses | Secondary.virtualInterruptDelivery)) !== 0)
      return false;
    const page = new VirtualApicPage(this.cpu.core, vmcs.address(F.VIRTUAL_APIC_ADDRESS));
    return (vmcs.get(F.TPR_THRESHOLD) & 15) > (page.get(Register.taskPriority) & 0xff) >> 4;
  }

  /** The guest was entered. Gives the exit that follows upon that. */
  entered(): VmExit | undefined {
    const { core } = this.cpu;
    for (const field of [virtualInterruptWaits, apicPageWritten, trapExit]) core.set(field, 0, 0);
    if (this.delivers) {
      this.updatePriority();
      this.evaluate();
      return undefined;
    }
    if (this.page === undefined || !this.cpu.vmx.hasSecondary(Secondary.virtualizeApicAccesses))
      return undefined;
    return this.belowThreshold();
  }

  // --- Guest interrupt status: RVI and SVI ----------------------------------------------------

  private get requested(): number {
    return (this.vmcs?.get(F.GUEST_INTERRUPT_STATUS) ?? 0) & 0xff;
  }
  private set requested(vector: number) {
    this.vmcs?.set(F.GUEST_INTERRUPT_STATUS, (this.servicing << 8) | vector);
  }

  private get servicing(): number {
    return (this.vmcs?.get(F.GUEST_INTERRUPT_STATUS) ?? 0) >> 8;
  }
  private set servicing(vector: number) {
    this.vmcs?.set(F.GUEST_INTERRUPT_STATUS, (vector << 8) | this.requested);
  }

  // --- What changes its registers (30.1 and 30.2) ---------------------------------------------

  /** VTPR. */
  get taskPriority(): number {
    return (this.page?.get(Register.taskPriority) ?? 0) & 0xff;
  }

  /** VTPR, and what follows from it: an exit, once the instruction is over. */
  writeTaskPriority(value: number): VmExit | undefined {
    this.page?.set(Register.taskPriority, value & 0xff);
    if (!this.delivers) return this.belowThreshold();
    this.updatePriority();
    this.evaluate();
    return undefined;
  }

  private belowThreshold(): VmExit | undefined {
    const threshold = (this.vmcs?.get(F.TPR_THRESHOLD) ?? 0) & 15;
    return this.taskPriority >> 4 < threshold ? new VmExit(ExitReason.tprBelowThreshold) : undefined;
  }

  private updatePriority(): void {
    this.page?.set(Register.processorPriority, processorPriority(this.taskPriority, this.servicing));
  }

  /** Whether an interrupt is to be delivered to the guest as soon as it takes one. */
  private evaluate(): void {
    const { cpu, page } = this;
    const priority = page?.get(Register.processorPriority) ?? 0;
    const held = cpu.vmx.hasPrimary(Primary.interruptWindowExiting);
    const recognized = !held && isAbove(this.requested, priority & 0xff);
    cpu.core.set(virtualInterruptWaits, recognized ? 1 : 0, 0);
    cpu.interrupts.refresh();
  }

  /** EOI. Gives the exit of a vector whose end the hypervisor wants to know. */
  endInterrupt(): VmExit | undefined {
    const { page, vmcs } = this;
    if (page === undefined || vmcs === undefined) return undefined;
    const vector = this.servicing;
    page.inService.set(vector, false);
    this.servicing = Math.max(0, page.inService.highest);
    this.updatePriority();
    const bitmap = vmcs.read(F.EOI_EXIT_BITMAP0 + 2 * (vector >> 6));
    if (((bitmap >> BigInt(vector & 63)) & 1n) !== 0n)
      return new VmExit(ExitReason.endOfInterrupt, { qualification: BigInt(vector) });
    this.evaluate();
    return undefined;
  }

  /** ICR was written: an interrupt of the processor itself, or the hypervisor's to send. */
  sendCommand(): VmExit | undefined {
    const command = (this.page?.get(Register.interruptCommand) ?? 0) | 0;
    if (!isPlainSelfInterrupt(command)) return apicWrite(Register.interruptCommand << 4);
    this.request(command & 0xff);
    return undefined;
  }

  /** The self-IPI register of x2APIC mode was written. */
  sendSelf(): VmExit | undefined {
    const vector = (this.page?.get(Register.selfInterrupt) ?? 0) & 0xff;
    if (vector < LOWEST_VECTOR) return apicWrite(Register.selfInterrupt << 4);
    this.request(vector);
    return undefined;
  }

  private request(vector: number): void {
    this.page?.request.set(vector, true);
    this.page?.written();
    this.requested = Math.max(this.requested, vector);
    this.evaluate();
  }

  // --- Interrupts -----------------------------------------------------------------------------

  /** An interrupt waits that only RFLAGS.IF and the like hold back. */
  get waits(): boolean {
    return this.cpu.core.lo(virtualInterruptWaits) !== 0;
  }

  /** Accept it: the vector, now in service (30.2.2). */
  acknowledge(): number {
    const { page } = this;
    const vector = this.requested;
    if (page !== undefined) {
      page.inService.set(vector, true);
      page.request.set(vector, false);
      this.servicing = vector;
      page.set(Register.processorPriority, vector & 0xf0);
      this.requested = Math.max(0, page.request.highest);
    }
    this.cpu.core.set(virtualInterruptWaits, 0, 0);
    this.cpu.interrupts.refresh();
    return vector;
  }

  /** An external interrupt was acknowledged. True if it told of posted ones, which are the guest's now (30.6). */
  notified(vector: number): boolean {
    const { vmcs, page, cpu } = this;
    if (vmcs === undefined || page === undefined || !cpu.vmx.hasPin(Pin.postedInterrupts)) return false;
    if (vector !== (vmcs.get(F.POSTED_INTERRUPT_VECTOR) & 0xff)) return false;
    cpu.interrupts.apic?.endInterrupt?.();
    const highest = takePosted(cpu.core, vmcs.address(F.POSTED_INTERRUPT_DESCRIPTOR), page.request);
    page.written();
    this.requested = Math.max(this.requested, highest);
    this.evaluate();
    return true;
  }
}

/** The exit after a write to a register that the hypervisor is told of. */
export const apicWrite = (offset: number): VmExit =>
  new VmExit(ExitReason.apicWrite, { qualification: BigInt(offset) });
