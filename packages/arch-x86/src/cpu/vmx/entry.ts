import { Status } from "@hypercraft/engine";
import type { X86Cpu } from "../cpu.js";
import { NmiState, nmiState } from "../state.js";
import { PREEMPTION_RATE } from "./capabilities.js";
import { Pin, Secondary } from "./controls.js";
import type { BrokenRule } from "./entry-checks.js";
import { EntryView } from "./entry-view.js";
import { leaveFailedEntry } from "./exit.js";
import { VmcsField as F } from "./fields.js";
import { guestPdptes, LINK_POINTER_RULE, pdptesFit } from "./guest-rules.js";
import { loadGuestState } from "./guest-state.js";
import { loadMsrs } from "./msr-lists.js";
import { linkFits } from "./shadow-vmcs.js";
import { EVENT_HAS_ERROR, EventType, ExitReason, VmExit } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";
import { VmError, type Vmx } from "./vmx.js";
import { injectionWaits, preemptionDeadline, VmxOperation } from "./vmx-state.js";

// VM entries: SDM volume 3, chapter 27.

const BLOCKED_BY_MOV_SS = 2;

/** The one rule about controls that looks at memory. */
const TPR_THRESHOLD: BrokenRule = { about: "controls", rule: "TPR threshold above VTPR" };

/** The first rule that keeps an entry with this VMCS from being made; `long`: the processor is in long mode. */
export const brokenForEntry = ({ apic, checks }: Vmx, vmcs: Vmcs, long: boolean): BrokenRule | undefined =>
  apic.refuses(vmcs) ? TPR_THRESHOLD : checks.broken(vmcs, long);

/** VMLAUNCH and VMRESUME. */
export function enterGuest(cpu: X86Cpu, launch: boolean): Status {
  const { vmx } = cpu;
  const { vmcs } = vmx;
  if (vmcs === undefined || vmcs.shadow) {
    vmx.failInvalid();
    return Status.next;
  }
  const error = launchError(cpu, vmcs, launch);
  if (error !== 0) {
    vmx.fail(error);
    return Status.next;
  }
  const broken = brokenForEntry(vmx, vmcs, cpu.longMode);
  if (broken !== undefined && broken.about !== "guest") {
    vmx.fail(broken.about === "controls" ? VmError.entryControls : VmError.entryHostState);
    return Status.next;
  }
  const failure =
    broken === undefined
      ? enterFitting(vmx, new EntryView(vmcs, cpu.longMode))
      : guestStateFailure(broken.rule);
  if (failure !== undefined) return leaveFailedEntry(cpu, vmcs, failure.reason, failure.qualification);
  vmcs.launched = true;
  return Status.redispatch;
}

/** The number of the VM-instruction error that a launch or resume ends with before anything is checked; 0 for none. */
function launchError(cpu: X86Cpu, vmcs: Vmcs, launch: boolean): number {
  if ((cpu.interrupts.shadow & BLOCKED_BY_MOV_SS) !== 0) return VmError.entryBlockedByMovSs;
  if (launch && vmcs.launched) return VmError.vmlaunchNotClear;
  return launch || vmcs.launched ? 0 : VmError.vmresumeNotLaunched;
}

/** Why an entry failed after its controls were found right. */
export interface EntryFailure {
  readonly reason: typeof ExitReason.invalidGuestState | typeof ExitReason.msrLoading;
  readonly qualification: number;
  /** The rule of the manual that is broken. */
  readonly rule?: string;
}

const PDPTE_FAILURE = 2;
const LINK_POINTER_FAILURE = 4;

export const guestStateFailure = (rule: string): EntryFailure => ({
  reason: ExitReason.invalidGuestState,
  qualification: rule === LINK_POINTER_RULE ? LINK_POINTER_FAILURE : 0,
  rule,
});

/** Enter with a guest-state area that keeps the rules. */
export function enterFitting(vmx: Vmx, view: EntryView): EntryFailure | undefined {
  const { cpu } = vmx;
  const { vmcs } = view;
  const pdptes = view.guestPae ? entryPdptes(cpu, view) : [];
  if (!pdptesFit(pdptes))
    return { reason: ExitReason.invalidGuestState, qualification: PDPTE_FAILURE, rule: "PDPTEs" };
  if (!linkFits(cpu, vmcs, view.hasSecondary(Secondary.vmcsShadowing)))
    return guestStateFailure(LINK_POINTER_RULE);
  for (const [i, entry] of pdptes.entries()) vmcs.write(F.GUEST_PDPTE0 + 2 * i, entry);
  vmx.setOperation(VmxOperation.nonRoot);
  vmx.controlsChanged();
  cpu.monitor.disarm();
  loadGuestState(cpu, view);
  if (vmx.vpid === 0) vmx.dropUntagged();
  const failed = loadMsrs(cpu, vmcs.read(F.ENTRY_MSR_LOAD_ADDRESS), vmcs.get(F.ENTRY_MSR_LOAD_COUNT));
  if (failed !== 0) return { reason: ExitReason.msrLoading, qualification: failed };
  if (view.event !== 0) cpu.core.set(injectionWaits, 1, 0);
  vmx.leaveAfter(vmx.apic.entered());
  if (view.hasPin(Pin.preemptionTimer)) {
    const now = cpu.msrs.timestamp >> BigInt(PREEMPTION_RATE);
    const end = (now + BigInt(vmcs.get(F.PREEMPTION_TIMER))) << BigInt(PREEMPTION_RATE);
    cpu.core.setBig(preemptionDeadline, BigInt.asUintN(64, end));
  }
  return undefined;
}

/** PDPTEs come from the VMCS with EPT, from memory without. */
function entryPdptes(cpu: X86Cpu, view: EntryView): bigint[] {
  if (view.hasSecondary(Secondary.ept)) return guestPdptes(view);
  const base = Number(view.big(F.GUEST_CR3) & 0xffff_ffe0n);
  const entries = [0, 8, 16, 24].map((at) => cpu.memory.readPhysical(base + at, 8));
  return entries;
}

/** Deliver the event that the entry brought, before the guest's first instruction. */
export function injectEvent(vmx: Vmx, vmcs: Vmcs): Status {
  const { cpu } = vmx;
  const { core } = cpu;
  core.set(injectionWaits, 0, 0);
  const information = vmcs.get(F.ENTRY_INTERRUPTION_INFORMATION);
  const vector = information & 0xff;
  const type = (information >> 8) & 7;
  const ip = cpu.ip;
  const next = ip + BigInt(vmcs.get(F.ENTRY_INSTRUCTION_LENGTH));
  const hasError = (information & EVENT_HAS_ERROR) !== 0;
  const errorCode = hasError ? vmcs.get(F.ENTRY_EXCEPTION_ERROR_CODE) : -1;
  const { exceptions } = cpu;
  vmx.softwareEvent = { type, length: vmcs.get(F.ENTRY_INSTRUCTION_LENGTH) };
  switch (type) {
    case EventType.other:
      return vmx.leave(new VmExit(ExitReason.monitorTrapFlag), ip);
    case EventType.nmi:
      core.set(nmiState, core.lo(nmiState) | NmiState.blocked, 0);
      return exceptions.deliver(vector, "external", -1, ip, ip);
    case EventType.external:
      return exceptions.deliver(vector, "external", -1, ip, ip);
    case EventType.exception:
      return exceptions.deliver(vector, "exception", errorCode, ip, ip);
    case EventType.privilegedSoftwareException:
      return exceptions.deliver(vector, "exception", -1, next, ip);
    default:
      return exceptions.deliver(vector, "software", -1, next, ip);
  }
}
