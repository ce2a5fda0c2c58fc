import { type CoreApi, Status } from "@hypercraft/engine";
import { RFLAG } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { type FatalExit, TRAP_EXIT } from "../exit.js";
import { Activity, activity, NmiState, nmiState, RFLAGS, x86Layout } from "../state.js";
import { inDelivery } from "./apic/access-page.js";
import { PREEMPTION_RATE } from "./capabilities.js";
import { Exit, Pin } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { saveGuestState } from "./guest-state.js";
import { loadHostState } from "./host-state.js";
import { loadMsrs, storeMsrs } from "./msr-lists.js";
import { EVENT_NMI_UNBLOCKED, EVENT_VALID, EventType, ExitReason, type VmExit } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";
import { injectionWaits, preemptionDeadline, VmxOperation } from "./vmx-state.js";

// VM exits: SDM volume 3, chapter 28.

/** Reasons of a VMX abort, as the region tells them. */
const Abort = { storingMsrs: 1, hostPdptes: 2, loadingMsrs: 4 } as const;
const ENTRY_FAILED = 1 << 31;
/** Bits 31:8 of the interruption information of an NMI, after which NMIs are blocked. */
const EVENT_NMI = (EVENT_VALID >> 8) | EventType.nmi;

/** An event that was being delivered when the exit came: interruption information and its error code. */
export interface DeliveredEvent {
  readonly information: number;
  readonly errorCode: number;
}

/** Leave the guest, which goes on at `ip`. */
export function leaveGuest(
  cpu: X86Cpu,
  vmcs: Vmcs,
  exit: VmExit,
  ip: bigint,
  delivering: DeliveredEvent | undefined,
): Status {
  const { vmx, core } = cpu;
  const { details } = exit;
  // MWAIT is none of the activity states.
  cpu.monitor.goOn();
  cpu.monitor.disarm();
  const unblocked = vmx.unblockedNmi && delivering === undefined ? EVENT_NMI_UNBLOCKED : 0;
  vmx.unblockedNmi = false;
  vmcs.set(F.EXIT_REASON, exit.reason);
  const qualification = details.qualification ?? 0n;
  // The same bit for all.
  const violation =
    exit.reason === ExitReason.eptViolation || exit.reason === ExitReason.pageModificationLogFull;
  const told =
    delivering !== undefined && exit.reason === ExitReason.apicAccess
      ? inDelivery(qualification)
      : qualification;
  vmcs.write(F.EXIT_QUALIFICATION, violation ? told | BigInt(unblocked) : told);
  vmcs.set(F.EXIT_INTERRUPTION_INFORMATION, details.event === undefined ? 0 : details.event | unblocked);
  if (details.errorCode !== undefined) vmcs.set(F.EXIT_INTERRUPTION_ERROR_CODE, details.errorCode);
  vmcs.set(F.IDT_VECTORING_INFORMATION, delivering?.information ?? 0);
  if (delivering !== undefined) vmcs.set(F.IDT_VECTORING_ERROR_CODE, delivering.errorCode);
  // Events of instructions have the length of those.
  vmcs.set(F.EXIT_INSTRUCTION_LENGTH, details.length ?? (delivering ? vmx.softwareEvent.length : 0));
  vmcs.set(F.EXIT_INSTRUCTION_INFORMATION, details.information ?? 0);
  vmcs.write(F.GUEST_LINEAR_ADDRESS, exit.linear ?? 0n);
  vmcs.write(F.GUEST_PHYSICAL_ADDRESS, details.physical ?? 0n);
  const injected = vmcs.get(F.ENTRY_INTERRUPTION_INFORMATION);
  vmcs.set(F.ENTRY_INTERRUPTION_INFORMATION, injected & ~EVENT_VALID);
  core.set(injectionWaits, 0, 0);
  setResumeFlag(core, exit, delivering !== undefined);
  if (cpu.vm) {
    if (delivering !== undefined || details.ip !== undefined) cpu.setIp(details.ip ?? ip);
  } else saveGuestState(cpu, vmcs, details.ip ?? ip);
  savePreemptionTimer(cpu, vmcs);
  if (storeMsrs(cpu, vmcs.read(F.EXIT_MSR_STORE_ADDRESS), vmcs.get(F.EXIT_MSR_STORE_COUNT)) !== 0)
    return abort(cpu, vmcs, Abort.storingMsrs);
  if (!cpu.vm) blockNmis(cpu, vmcs, exit);
  return toHost(cpu, vmcs);
}

/** Exits by an access to memory. */
const MEMORY_EXITS: readonly number[] = [
  ExitReason.eptViolation,
  ExitReason.eptMisconfiguration,
  ExitReason.apicAccess,
  ExitReason.pageModificationLogFull,
];

/** RF as it would be in the image that an event pushes; exits of instructions have it clear (28.3.3). */
function setResumeFlag(core: CoreApi, { reason, details }: VmExit, delivering: boolean): void {
  const memory = MEMORY_EXITS.includes(reason);
  const flags = core.lo(RFLAGS);
  if (details.resume || (memory && !delivering)) core.set(RFLAGS, flags | RFLAG.RF, 0);
  else if (details.length !== undefined && details.event === undefined)
    core.set(RFLAGS, flags & ~RFLAG.RF, 0);
}

/** NMIs that left the guest are blocked; what the guest knew as blocked was not, if its NMIs are virtual. */
function blockNmis({ core }: X86Cpu, vmcs: Vmcs, { reason, details }: VmExit): void {
  const nmi = reason === ExitReason.exceptionOrNmi && (details.event ?? 0) >> 8 === EVENT_NMI;
  const virtual = (vmcs.get(F.PIN_CONTROLS) & Pin.virtualNmis) !== 0;
  const kept = core.lo(nmiState) & (virtual ? ~NmiState.blocked : -1);
  core.set(nmiState, nmi ? kept | NmiState.blocked : kept, 0);
}

function savePreemptionTimer(cpu: X86Cpu, vmcs: Vmcs): void {
  if ((vmcs.get(F.EXIT_CONTROLS) & Exit.savePreemptionTimer) === 0) return;
  const rate = BigInt(PREEMPTION_RATE);
  const left = (cpu.core.big(preemptionDeadline) >> rate) - (cpu.msrs.timestamp >> rate);
  vmcs.write(F.PREEMPTION_TIMER, left > 0n ? left : 0n);
}

/** An entry that failed after its controls and host state were found right: nothing of the guest is stored. */
export function leaveFailedEntry(cpu: X86Cpu, vmcs: Vmcs, reason: number, qualification: number): Status {
  vmcs.set(F.EXIT_REASON, ENTRY_FAILED | reason);
  vmcs.set(F.EXIT_QUALIFICATION, qualification);
  return toHost(cpu, vmcs);
}

/** What is the same for all exits: the host's state; or, where the host is no guest itself, the end of the run. */
function toHost(cpu: X86Cpu, vmcs: Vmcs): Status {
  const { vmx, core } = cpu;
  vmx.setOperation(VmxOperation.root);
  if (cpu.vm) {
    core.exit = TRAP_EXIT;
    return Status.exitBefore;
  }
  const { vpid } = vmx;
  vmx.controlsChanged();
  if (!loadHostState(cpu, vmcs)) return abort(cpu, vmcs, Abort.hostPdptes);
  if (vpid === 0) cpu.contexts.dropVpid(0);
  if (loadMsrs(cpu, vmcs.read(F.EXIT_MSR_LOAD_ADDRESS), vmcs.get(F.EXIT_MSR_LOAD_COUNT)) !== 0)
    return abort(cpu, vmcs, Abort.loadingMsrs);
  core.requestDispatch();
  return Status.trap;
}

/** A VMX abort: the processor shuts down (28.7). */
function abort(cpu: X86Cpu, vmcs: Vmcs, reason: number): Status {
  const { core } = cpu;
  vmcs.abort = reason;
  core.set(activity, Activity.shutdown, 0);
  const pc = core.big(x86Layout.pc);
  core.exit = { kind: "fatal", reason: `VMX abort ${reason}`, vector: 0, pc } satisfies FatalExit;
  return Status.exitBefore;
}
