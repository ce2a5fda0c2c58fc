import type { X86Cpu } from "../cpu.js";
import { EVENT_RULES } from "./control-rules.js";
import { Primary } from "./controls.js";
import { brokenForEntry, enterFitting, guestStateFailure } from "./entry.js";
import { brokenRule, EntryView } from "./entry-view.js";
import { VmcsField as F, Kind, kindOf } from "./fields.js";
import { GUEST_EVENT_RULES } from "./guest-rules.js";
import { loadGuestState, residentField, saveGuestState, writeResidentField } from "./guest-state.js";
import { ExitReason } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";
import { VmError } from "./vmx.js";
import { injectionWaits, VmxOperation } from "./vmx-state.js";

/** Why a guest was not entered. */
export interface EntryRefusal {
  /** Number of the VM-instruction error; 0 where the entry failed after it, by a VM exit. */
  readonly error: number;
  /** Basic reason of that exit. */
  readonly reason: number;
  /** The rule of the manual that is broken. */
  readonly rule: string;
}

/** An event's fields, which are checked by themselves. */
const EVENT_FIELDS: readonly number[] = [
  F.ENTRY_INTERRUPTION_INFORMATION,
  F.ENTRY_EXCEPTION_ERROR_CODE,
  F.ENTRY_INSTRUCTION_LENGTH,
];
/** What no rule is about. */
const FREE_FIELDS: readonly number[] = [F.CR0_SHADOW, F.CR4_SHADOW, F.TSC_OFFSET, F.EXCEPTION_BITMAP];
const WINDOWS = Primary.interruptWindowExiting | Primary.nmiWindowExiting;

/** A VMCS whose guest-state area is in the processor. */
class ResidentView extends EntryView {
  private readonly cpu: X86Cpu;

  constructor(cpu: X86Cpu, vmcs: Vmcs) {
    super(vmcs, true);
    this.cpu = cpu;
  }

  override get(field: number): number {
    const value = residentField(this.cpu, field);
    return value === undefined ? super.get(field) : Number(value & 0xffff_ffffn);
  }
  override big(field: number): bigint {
    return residentField(this.cpu, field) ?? super.big(field);
  }
}

/**
 * The current VMCS of a hypervisor that is no guest code: its VMREAD, VMWRITE, VMLAUNCH and VMRESUME. It has no state
 * in the processor that an exit would load, so that the guest's stays there: a processor may keep the current VMCS's
 * data to itself (SDM volume 3, 25.1). Only what was written is checked and loaded at the next entry.
 */
export class RootVmcs {
  private readonly cpu: X86Cpu;
  /** The guest-state area is in the processor, not in the region. */
  private resident = false;
  /** Since the last entry something was written that more rules are about than those of events. */
  private unchecked = true;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  private get vmcs(): Vmcs {
    const { vmcs } = this.cpu.vmx;
    if (vmcs === undefined) throw new Error("there is no current VMCS");
    return vmcs;
  }

  /** Another VMCS became current, whose data is in its region. */
  changed(): void {
    this.resident = false;
    this.unchecked = true;
  }

  /** The processor's state was replaced, as by a snapshot: it is the guest's. */
  replaced(): void {
    this.resident = true;
    this.unchecked = true;
  }

  /** VMREAD. Throws a RangeError for a field that there is none of. */
  read(field: number): bigint {
    return (this.resident ? residentField(this.cpu, field) : undefined) ?? this.vmcs.read(field);
  }

  /** The low 32 bits of a field. */
  get(field: number): number {
    if (!this.resident || kindOf(field) !== Kind.guest) return this.vmcs.get(field);
    return Number(this.read(field) & 0xffff_ffffn);
  }

  /** VMWRITE. Throws a RangeError for a field that there is none of. */
  write(field: number, value: bigint): void {
    const { vmcs } = this;
    if (kindOf(field) === Kind.guest) {
      if (this.resident && writeResidentField(this.cpu, field, value)) return;
      this.store();
      this.unchecked = true;
    } else if (field === F.PROCESSOR_CONTROLS) {
      const changed = vmcs.get(field) ^ Number(value);
      if ((changed & ~WINDOWS) !== 0) this.unchecked = true;
    } else if (!EVENT_FIELDS.includes(field) && !FREE_FIELDS.includes(field)) this.unchecked = true;
    vmcs.write(field, value);
  }

  /** The guest-state area goes back to the region. */
  private store(): void {
    if (!this.resident) return;
    saveGuestState(this.cpu, this.vmcs, this.cpu.ip);
    this.resident = false;
  }

  /** The guest-state area comes into the processor, unchecked. */
  load(): void {
    if (this.resident) return;
    this.cpu.vmx.controlsChanged();
    loadGuestState(this.cpu, new EntryView(this.vmcs, true));
    this.resident = true;
  }

  /** VMLAUNCH, or VMRESUME after the first one. Undefined: the processor is in the guest. */
  enter(): EntryRefusal | undefined {
    const { vmx } = this.cpu;
    const { vmcs } = this;
    if (this.unchecked) return this.enterAnew();
    if (vmcs.get(F.ENTRY_INTERRUPTION_INFORMATION) >>> 31 !== 0) {
      const view = new ResidentView(this.cpu, vmcs);
      let rule = brokenRule(EVENT_RULES, view);
      if (rule !== undefined) return { error: VmError.entryControls, reason: 0, rule };
      rule = brokenRule(GUEST_EVENT_RULES, view);
      if (rule !== undefined) return { error: 0, reason: ExitReason.invalidGuestState, rule };
      this.cpu.core.set(injectionWaits, 1, 0);
    }
    vmx.setOperation(VmxOperation.nonRoot);
    this.cpu.interrupts.refresh();
    return undefined;
  }

  private enterAnew(): EntryRefusal | undefined {
    const { vmx } = this.cpu;
    const { vmcs } = this;
    this.store();
    const broken = brokenForEntry(vmx, vmcs, true);
    if (broken?.about === "controls") return { error: VmError.entryControls, reason: 0, rule: broken.rule };
    if (broken?.about === "host") return { error: VmError.entryHostState, reason: 0, rule: broken.rule };
    const failure =
      broken === undefined ? enterFitting(vmx, new EntryView(vmcs, true)) : guestStateFailure(broken.rule);
    if (failure !== undefined) return { error: 0, reason: failure.reason, rule: failure.rule ?? "MSR list" };
    vmcs.launched = true;
    this.resident = true;
    this.unchecked = false;
    return undefined;
  }
}
