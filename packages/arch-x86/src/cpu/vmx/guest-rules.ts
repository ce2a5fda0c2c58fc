import { isCanonical } from "../canonical.js";
import {
  CR4 as CR4_BIT,
  DEBUGCTL_BIT,
  DEBUGCTL_KNOWN,
  EFER as EFER_BIT,
  RFLAG,
  RIGHTS,
} from "../control-bits.js";
import { PHYSICAL_BITS } from "../paging-entry.js";
import { Activity, Seg } from "../state.js";
import { Entry, Pin } from "./controls.js";
import { canonical, type EntryView, isPat, isPhysical, type Rule } from "./entry-view.js";
import { VmcsField as F } from "./fields.js";
import { cr0Fits, cr4Fits } from "./fixed-bits.js";
import { EFER_KNOWN } from "./host-rules.js";
import { EventType } from "./vm-exit.js";
import { NO_VMCS } from "./vmcs.js";

// Checks of the guest state at a VM entry: SDM volume 3, 27.3.1.

const LDTR = 6;
const TR = 7;
/** A segment's fields as the VMCS has them. */
interface GuestSegment {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  readonly rights: number;
  readonly usable: boolean;
  readonly type: number;
  readonly dpl: number;
}

function segment(v: EntryView, number: number): GuestSegment {
  const rights = v.get(F.GUEST_ES_RIGHTS + 2 * number);
  return {
    selector: v.get(F.GUEST_ES_SELECTOR + 2 * number),
    base: v.big(F.GUEST_ES_BASE + 2 * number),
    limit: v.get(F.GUEST_ES_LIMIT + 2 * number),
    rights,
    usable: (rights & RIGHTS.unusable) === 0,
    type: rights & 15,
    dpl: (rights & RIGHTS.dpl) >> RIGHTS.dplShift,
  };
}

const USER_SEGMENTS = [Seg.es, Seg.cs, Seg.ss, Seg.ds, Seg.fs, Seg.gs] as const;
const DATA_SEGMENTS = [Seg.es, Seg.ds, Seg.fs, Seg.gs] as const;
const RESERVED_RIGHTS = 0xfffe_0f00 | 0;
const VIRTUAL_8086_RIGHTS = 0xf3;
const ACCESSED_WRITABLE = 3;

/** Every segment register that is in use, CS always. */
const each =
  (numbers: readonly number[], holds: (s: GuestSegment, number: number, v: EntryView) => boolean) =>
  (v: EntryView): boolean =>
    numbers.every((number) => {
      const s = segment(v, number);
      return (number !== Seg.cs && number !== TR && !s.usable) || holds(s, number, v);
    });
const notVirtual =
  (holds: (v: EntryView) => boolean) =>
  (v: EntryView): boolean =>
    v.guestVirtual8086 || holds(v);

/** G has to be as the limit needs it. */
function granularityFits({ limit, rights }: GuestSegment): boolean {
  const coarse = (rights & RIGHTS.granularity) !== 0;
  if ((limit & 0xfff) !== 0xfff && coarse) return false;
  return limit >>> 20 === 0 || coarse;
}

function codeDpl(v: EntryView): boolean {
  const [cs, ss] = [segment(v, Seg.cs), segment(v, Seg.ss)];
  if (cs.type === ACCESSED_WRITABLE) return cs.dpl === 0;
  return cs.type < 12 ? cs.dpl === ss.dpl : cs.dpl <= ss.dpl;
}

function stackDpl(v: EntryView): boolean {
  const ss = segment(v, Seg.ss);
  if (!v.unrestricted && ss.dpl !== (ss.selector & 3)) return false;
  return (segment(v, Seg.cs).type !== ACCESSED_WRITABLE && v.guestProtected) || ss.dpl === 0;
}

function codeType(v: EntryView): boolean {
  const { type } = segment(v, Seg.cs);
  return [9, 11, 13, 15].includes(type) || (v.unrestricted && type === ACCESSED_WRITABLE);
}

function eferFits(v: EntryView): boolean {
  if (!v.hasEntry(Entry.loadEfer)) return true;
  const efer = v.big(F.GUEST_EFER);
  const active = (efer & BigInt(EFER_BIT.LMA)) !== 0n;
  const enabled = (efer & BigInt(EFER_BIT.LME)) !== 0n;
  return (efer & ~EFER_KNOWN) === 0n && active === v.ia32e && (!v.guestPaging || active === enabled);
}

function ipFits(v: EntryView): boolean {
  const ip = v.big(F.GUEST_RIP);
  const long = v.ia32e && (v.get(F.GUEST_CS_RIGHTS) & RIGHTS.long) !== 0;
  return long ? isCanonical(ip) : ip >> 32n === 0n;
}

const FLAGS_RESERVED = ~0x3f_7fd7n;
const BLOCKED_BY_STI = 1;
const BLOCKED_BY_MOV_SS = 2;
const BLOCKED_NMI = 8;
const INTERRUPTIBILITY_KNOWN = BLOCKED_BY_STI | BLOCKED_BY_MOV_SS | BLOCKED_NMI;
const SHADOW = BLOCKED_BY_STI | BLOCKED_BY_MOV_SS;

const shadow = (v: EntryView): number => v.get(F.GUEST_INTERRUPTIBILITY) & SHADOW;
const interruptFlag = (v: EntryView): boolean => (v.get(F.GUEST_RFLAGS) & RFLAG.IF) !== 0;

const DEBUG = 1;
const MACHINE_CHECK = 18;

/** Some events end an activity state, others cannot be injected in it. */
function eventFitsActivity(v: EntryView): boolean {
  const { eventType: type, eventVector: vector } = v;
  if (type < 0) return true;
  const machineCheck = type === EventType.exception && vector === MACHINE_CHECK;
  switch (v.get(F.GUEST_ACTIVITY)) {
    case Activity.halted: {
      const plain = type === EventType.external || type === EventType.nmi || type === EventType.other;
      return plain || machineCheck || (type === EventType.exception && vector === DEBUG);
    }
    case Activity.shutdown:
      return type === EventType.nmi || machineCheck;
    case Activity.waitForSipi:
      return false;
    default:
      return true;
  }
}

const PENDING_RESERVED = ~0x500fn;
const SINGLE_STEP = 1n << 14n;

/** A step that is held back has to be pending exactly if TF is set, and BTF is not. */
function stepFits(v: EntryView): boolean {
  if (shadow(v) === 0 && v.get(F.GUEST_ACTIVITY) !== Activity.halted) return true;
  const trapping =
    (v.get(F.GUEST_RFLAGS) & RFLAG.TF) !== 0 && (v.get(F.GUEST_DEBUGCTL) & DEBUGCTL_BIT.BTF) === 0;
  return ((v.big(F.GUEST_PENDING_DEBUG) & SINGLE_STEP) !== 0n) === trapping;
}

/** Told apart from the others by the exit that it leads to. */
export const LINK_POINTER_RULE = "VMCS link pointer";

/** Whether the guest can take the event that an entry injects. */
export const GUEST_EVENT_RULES: readonly Rule[] = [
  ["RFLAGS.IF for an external interrupt", (v) => v.eventType !== EventType.external || interruptFlag(v)],
  ["event for the activity state", eventFitsActivity],
  ["external interrupt while blocked", (v) => v.eventType !== EventType.external || shadow(v) === 0],
  [
    "NMI while blocked by MOV SS",
    (v) => v.eventType !== EventType.nmi || (shadow(v) & BLOCKED_BY_MOV_SS) === 0,
  ],
  [
    "NMI while NMIs are blocked",
    (v) =>
      !v.hasPin(Pin.virtualNmis) ||
      v.eventType !== EventType.nmi ||
      (v.get(F.GUEST_INTERRUPTIBILITY) & BLOCKED_NMI) === 0,
  ],
];

export const GUEST_RULES: readonly Rule[] = [
  [
    "CR0",
    (v) =>
      cr0Fits(v.get(F.GUEST_CR0) | 0, v.unrestricted) &&
      v.big(F.GUEST_CR0) >> 32n === 0n &&
      (!v.guestPaging || v.guestProtected),
  ],
  ["CR4", (v) => cr4Fits(v.get(F.GUEST_CR4) | 0) && v.big(F.GUEST_CR4) >> 32n === 0n],
  [
    "IA32_DEBUGCTL",
    (v) => !v.hasEntry(Entry.loadDebugControls) || (v.big(F.GUEST_DEBUGCTL) & ~BigInt(DEBUGCTL_KNOWN)) === 0n,
  ],
  ["DR7", (v) => !v.hasEntry(Entry.loadDebugControls) || v.big(F.GUEST_DR7) >> 32n === 0n],
  [
    "paging of an IA-32e mode guest",
    (v) => !v.ia32e || (v.guestPaging && (v.get(F.GUEST_CR4) & CR4_BIT.PAE) !== 0),
  ],
  ["CR4.PCIDE outside IA-32e mode", (v) => v.ia32e || (v.get(F.GUEST_CR4) & CR4_BIT.PCIDE) === 0],
  ["CR3", (v) => v.big(F.GUEST_CR3) >> BigInt(PHYSICAL_BITS) === 0n],
  ["IA32_SYSENTER_ESP and EIP", canonical(F.GUEST_SYSENTER_ESP, F.GUEST_SYSENTER_EIP)],
  ["IA32_PAT", (v) => !v.hasEntry(Entry.loadPat) || isPat(v.big(F.GUEST_PAT))],
  ["IA32_EFER", eferFits],
  ["TR selector", (v) => (segment(v, TR).selector & 4) === 0],
  ["LDTR selector", each([LDTR], (s) => (s.selector & 4) === 0)],
  [
    "RPL of SS",
    notVirtual(
      (v) => v.unrestricted || ((segment(v, Seg.ss).selector ^ segment(v, Seg.cs).selector) & 3) === 0,
    ),
  ],
  [
    "virtual-8086 segments",
    (v) =>
      !v.guestVirtual8086 ||
      USER_SEGMENTS.map((number) => segment(v, number)).every(
        (s) => s.base === BigInt(s.selector << 4) && s.limit === 0xffff && s.rights === VIRTUAL_8086_RIGHTS,
      ),
  ],
  ["bases of TR, FS and GS", canonical(F.GUEST_TR_BASE, F.GUEST_FS_BASE, F.GUEST_GS_BASE)],
  ["base of LDTR", each([LDTR], (s) => isCanonical(s.base))],
  ["bases of CS, SS, DS and ES", each([Seg.cs, Seg.ss, Seg.ds, Seg.es], (s) => s.base >> 32n === 0n)],
  ["type of CS", notVirtual(codeType)],
  ["type of SS", notVirtual(each([Seg.ss], (s) => (s.type & ~4) === ACCESSED_WRITABLE))],
  [
    "type of DS, ES, FS and GS",
    notVirtual(each(DATA_SEGMENTS, (s) => (s.type & 1) !== 0 && (s.type & 10) !== 8)),
  ],
  ["S of segments", notVirtual(each(USER_SEGMENTS, (s) => (s.rights & RIGHTS.segment) !== 0))],
  ["DPL of CS", notVirtual(codeDpl)],
  ["DPL of SS", notVirtual(stackDpl)],
  [
    "DPL of DS, ES, FS and GS",
    notVirtual(each(DATA_SEGMENTS, (s, _, v) => v.unrestricted || s.type >= 12 || s.dpl >= (s.selector & 3))),
  ],
  ["P of segments", notVirtual(each(USER_SEGMENTS, (s) => (s.rights & RIGHTS.present) !== 0))],
  ["reserved access rights", notVirtual(each(USER_SEGMENTS, (s) => (s.rights & RESERVED_RIGHTS) === 0))],
  [
    "D/B of CS",
    notVirtual(
      each(
        [Seg.cs],
        (s, _, v) => !v.ia32e || (s.rights & (RIGHTS.long | RIGHTS.big)) !== (RIGHTS.long | RIGHTS.big),
      ),
    ),
  ],
  ["G of segments", notVirtual(each(USER_SEGMENTS, granularityFits))],
  ["type of TR", (v) => [...(v.ia32e ? [] : [3]), 11].includes(segment(v, TR).type)],
  [
    "access rights of TR",
    each(
      [TR],
      (s) => s.usable && (s.rights & (RESERVED_RIGHTS | RIGHTS.segment | RIGHTS.present)) === RIGHTS.present,
    ),
  ],
  ["G of TR and LDTR", each([TR, LDTR], granularityFits)],
  [
    "access rights of LDTR",
    each(
      [LDTR],
      (s) =>
        s.type === 2 && (s.rights & (RESERVED_RIGHTS | RIGHTS.segment | RIGHTS.present)) === RIGHTS.present,
    ),
  ],
  ["bases of GDTR and IDTR", canonical(F.GUEST_GDTR_BASE, F.GUEST_IDTR_BASE)],
  ["limits of GDTR and IDTR", (v) => (v.get(F.GUEST_GDTR_LIMIT) | v.get(F.GUEST_IDTR_LIMIT)) >>> 16 === 0],
  ["RIP", ipFits],
  ["RFLAGS", (v) => (v.big(F.GUEST_RFLAGS) & FLAGS_RESERVED) === 0n && (v.get(F.GUEST_RFLAGS) & 2) !== 0],
  ["RFLAGS.VM", (v) => !v.guestVirtual8086 || (!v.ia32e && v.guestProtected)],
  ["activity state", (v) => v.get(F.GUEST_ACTIVITY) <= Activity.waitForSipi],
  ["HLT with SS.DPL", (v) => v.get(F.GUEST_ACTIVITY) !== Activity.halted || segment(v, Seg.ss).dpl === 0],
  [
    "activity state while interrupts are blocked",
    (v) => shadow(v) === 0 || v.get(F.GUEST_ACTIVITY) === Activity.active,
  ],
  [
    "interruptibility state",
    (v) => (v.get(F.GUEST_INTERRUPTIBILITY) & ~INTERRUPTIBILITY_KNOWN) === 0 && shadow(v) !== SHADOW,
  ],
  ["blocking by STI without RFLAGS.IF", (v) => (shadow(v) & BLOCKED_BY_STI) === 0 || interruptFlag(v)],
  ...GUEST_EVENT_RULES,
  ["pending debug exceptions", (v) => (v.big(F.GUEST_PENDING_DEBUG) & PENDING_RESERVED) === 0n],
  ["pending single step", stepFits],
  // What it points to is in memory (`linkFits`).
  [
    LINK_POINTER_RULE,
    (v) => v.big(F.VMCS_LINK_POINTER) === NO_VMCS || isPhysical(v.big(F.VMCS_LINK_POINTER), 4096n),
  ],
];

const PDPTES = [F.GUEST_PDPTE0, F.GUEST_PDPTE1, F.GUEST_PDPTE2, F.GUEST_PDPTE3];
const PDPTE_RESERVED = 0x1e6n | (((1n << 64n) - 1n) & ~((1n << BigInt(PHYSICAL_BITS)) - 1n));

/** No PDPTE that is present has reserved bits set. */
export const pdptesFit = (entries: readonly bigint[]): boolean =>
  entries.every((entry) => (entry & 1n) === 0n || (entry & PDPTE_RESERVED) === 0n);

export const guestPdptes = (v: EntryView): bigint[] => PDPTES.map((field) => v.big(field));
