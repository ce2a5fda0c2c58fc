import { APIC_RULES } from "./apic/rules.js";
import { CR3_TARGETS } from "./capabilities.js";
import {
  ENTRY_ALLOWED,
  EXIT_ALLOWED,
  Exit,
  PIN_ALLOWED,
  Pin,
  PRIMARY_ALLOWED,
  Primary,
  SECONDARY_ALLOWED,
  Secondary,
} from "./controls.js";
import { type EntryView, fits, isMsrList, isPhysical, type Rule } from "./entry-view.js";
import { isEptPointer } from "./ept-pointer.js";
import { VmcsField as F } from "./fields.js";
import { EVENT_HAS_ERROR, EventType } from "./vm-exit.js";
import { VmFunction } from "./vm-functions.js";

// Checks of the VMX controls at a VM entry: SDM volume 3, 27.2.1.

const PAGE = 4096n;
const plainEvents: readonly number[] = [
  EventType.external,
  EventType.nmi,
  EventType.exception,
  EventType.other,
];
const softwareEvents: readonly number[] = [
  EventType.softwareInterrupt,
  EventType.privilegedSoftwareException,
  EventType.softwareException,
];
/** Exceptions that have an error code. */
const WITH_ERROR = [8, 10, 11, 12, 13, 14, 17];
const EVENT_RESERVED = 0x7fff_f000;
const LONGEST_INSTRUCTION = 15;

function vectorFitsType(view: EntryView): boolean {
  const vector = view.eventVector;
  switch (view.eventType) {
    case EventType.nmi:
      return vector === 2;
    case EventType.exception:
      return vector < 32;
    case EventType.other:
      return vector === 0;
    default:
      return true;
  }
}

function hasErrorAsItShould(view: EntryView): boolean {
  if (view.event === 0) return true;
  const should =
    view.eventType === EventType.exception &&
    WITH_ERROR.includes(view.eventVector) &&
    (view.guestProtected || !view.unrestricted);
  return ((view.event & EVENT_HAS_ERROR) !== 0) === should;
}

/** Those of the event that an entry injects (27.2.1.3). */
export const EVENT_RULES: readonly Rule[] = [
  ["type of the event", (v) => v.event === 0 || [...plainEvents, ...softwareEvents].includes(v.eventType)],
  ["vector of the event", vectorFitsType],
  ["error code of the event", hasErrorAsItShould],
  ["reserved bits of the event", (v) => (v.event & EVENT_RESERVED) === 0],
  [
    "reserved bits of the error code",
    (v) => (v.event & EVENT_HAS_ERROR) === 0 || v.get(F.ENTRY_EXCEPTION_ERROR_CODE) >>> 16 === 0,
  ],
  [
    "instruction length of the event",
    (v) => {
      const length = v.get(F.ENTRY_INSTRUCTION_LENGTH);
      return !softwareEvents.includes(v.eventType) || length <= LONGEST_INSTRUCTION;
    },
  ],
];

export const CONTROL_RULES: readonly Rule[] = [
  ["pin-based controls", (v) => fits(v.pin, PIN_ALLOWED)],
  ["primary processor-based controls", (v) => fits(v.primary, PRIMARY_ALLOWED)],
  ["secondary processor-based controls", (v) => fits(v.secondary, SECONDARY_ALLOWED)],
  ["CR3-target count", (v) => v.get(F.CR3_TARGET_COUNT) <= CR3_TARGETS],
  [
    "I/O-bitmap addresses",
    (v) =>
      !v.hasPrimary(Primary.ioBitmaps) ||
      [F.IO_BITMAP_A, F.IO_BITMAP_B].every((field) => isPhysical(v.big(field), PAGE)),
  ],
  ["MSR-bitmap address", (v) => !v.hasPrimary(Primary.msrBitmaps) || isPhysical(v.big(F.MSR_BITMAP), PAGE)],
  ...APIC_RULES,
  ["virtual NMIs without NMI exiting", (v) => !v.hasPin(Pin.virtualNmis) || v.hasPin(Pin.nmiExiting)],
  [
    "NMI-window exiting without virtual NMIs",
    (v) => !v.hasPrimary(Primary.nmiWindowExiting) || v.hasPin(Pin.virtualNmis),
  ],
  ["VPID of 0", (v) => !v.hasSecondary(Secondary.vpid) || v.get(F.VPID) !== 0],
  ["EPT pointer", (v) => !v.hasSecondary(Secondary.ept) || isEptPointer(v.big(F.EPT_POINTER))],
  ["unrestricted guest without EPT", (v) => !v.unrestricted || v.hasSecondary(Secondary.ept)],
  [
    "page-modification log",
    (v) =>
      !v.hasSecondary(Secondary.pageModificationLog) ||
      (v.hasSecondary(Secondary.ept) && isPhysical(v.big(F.PML_ADDRESS), PAGE)),
  ],
  [
    "mode-based execute control without EPT",
    (v) => !v.hasSecondary(Secondary.modeBasedExecute) || v.hasSecondary(Secondary.ept),
  ],
  [
    "VM functions",
    (v) =>
      !v.hasSecondary(Secondary.vmFunctions) ||
      (v.big(F.VM_FUNCTION_CONTROLS) & ~BigInt(VmFunction.eptpSwitching)) === 0n,
  ],
  [
    "EPTP switching",
    (v) =>
      !v.hasSecondary(Secondary.vmFunctions) ||
      v.big(F.VM_FUNCTION_CONTROLS) === 0n ||
      (v.hasSecondary(Secondary.ept) && isPhysical(v.big(F.EPTP_LIST_ADDRESS), PAGE)),
  ],
  [
    "bitmaps of VMCS shadowing",
    (v) =>
      !v.hasSecondary(Secondary.vmcsShadowing) ||
      [F.VMREAD_BITMAP, F.VMWRITE_BITMAP].every((field) => isPhysical(v.big(field), PAGE)),
  ],
  ["TSC multiplier", (v) => !v.hasSecondary(Secondary.tscScaling) || v.big(F.TSC_MULTIPLIER) !== 0n],
  ["exit controls", (v) => fits(v.exit, EXIT_ALLOWED)],
  [
    "saving a preemption timer that is off",
    (v) => !v.hasExit(Exit.savePreemptionTimer) || v.hasPin(Pin.preemptionTimer),
  ],
  ["exit MSR-store list", (v) => isMsrList(v, F.EXIT_MSR_STORE_COUNT, F.EXIT_MSR_STORE_ADDRESS)],
  ["exit MSR-load list", (v) => isMsrList(v, F.EXIT_MSR_LOAD_COUNT, F.EXIT_MSR_LOAD_ADDRESS)],
  ["entry controls", (v) => fits(v.entry, ENTRY_ALLOWED)],
  ...EVENT_RULES,
  ["entry MSR-load list", (v) => isMsrList(v, F.ENTRY_MSR_LOAD_COUNT, F.ENTRY_MSR_LOAD_ADDRESS)],
];
