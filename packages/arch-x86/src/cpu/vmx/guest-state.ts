import type { Field } from "@hypercraft/engine";
import { CR0 as CR0_BIT, CR4 as CR4_BIT, EFER as EFER_BIT, RFLAG } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { readFlags, writeFlagFields } from "../rflags.js";
import {
  Activity,
  activity,
  CR0,
  CR3,
  CR4,
  DEBUGCTL,
  DR7,
  EFER,
  GDTR,
  GPR,
  Gpr,
  IDTR,
  interruptShadow,
  LDTR,
  msr,
  NmiState,
  nmiState,
  PDPTES,
  RFLAGS,
  SEGMENTS,
  type SegmentFields,
  shadowedAddress,
  TR,
} from "../state.js";
import { Entry, Exit } from "./controls.js";
import type { EntryView } from "./entry-view.js";
import { VmcsField as F } from "./fields.js";
import { EventType } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";

// The guest-state area and the processor: SDM volume 3, 27.3.2 and 28.3.

/** Bits of CR0 that neither entries nor exits change: 28:19, 17, 15:6, ET, NW and CD. */
export const CR0_KEPT = 0x1ffa_ffc0 | CR0_BIT.ET | CR0_BIT.NW | CR0_BIT.CD;

type Copied = readonly [field: number, register: Field];
/** Registers that are a field of the VMCS as they are; then those of segments, too. */
const PLAIN: readonly Copied[] = [
  [F.GUEST_CR3, CR3],
  [F.GUEST_CR4, CR4],
  [F.GUEST_GDTR_BASE, GDTR.base],
  [F.GUEST_GDTR_LIMIT, GDTR.limit],
  [F.GUEST_IDTR_BASE, IDTR.base],
  [F.GUEST_IDTR_LIMIT, IDTR.limit],
  [F.GUEST_RSP, GPR[Gpr.rsp]!],
  [F.GUEST_SYSENTER_CS, msr("IA32_SYSENTER_CS")],
  [F.GUEST_SYSENTER_ESP, msr("IA32_SYSENTER_ESP")],
  [F.GUEST_SYSENTER_EIP, msr("IA32_SYSENTER_EIP")],
  [F.GUEST_ACTIVITY, activity],
];
const SEGMENT_REGISTERS: readonly SegmentFields[] = [...SEGMENTS, LDTR, TR];
const COPIED: readonly Copied[] = [
  ...PLAIN,
  ...SEGMENT_REGISTERS.flatMap((fields, i): Copied[] => [
    [F.GUEST_ES_SELECTOR + 2 * i, fields.selector],
    [F.GUEST_ES_BASE + 2 * i, fields.base],
    [F.GUEST_ES_LIMIT + 2 * i, fields.limit],
    [F.GUEST_ES_RIGHTS + 2 * i, fields.rights],
  ]),
];
const PDPTE_FIELDS = [F.GUEST_PDPTE0, F.GUEST_PDPTE1, F.GUEST_PDPTE2, F.GUEST_PDPTE3];
const PAT = msr("IA32_PAT");
const BREAKPOINTS = 15;
const ENABLED_BREAKPOINT = 1 << 12;
const SINGLE_STEP = 1 << 14;
const INTERRUPTIBILITY_NMI = 8;
const BLOCKED_BY_MOV_SS = 2;

/** Make the processor's state that of the guest. */
export function loadGuestState(cpu: X86Cpu, view: EntryView): void {
  const { core } = cpu;
  const { vmcs } = view;
  core.set(CR0, (core.lo(CR0) & CR0_KEPT) | (vmcs.get(F.GUEST_CR0) & ~CR0_KEPT), 0);
  for (let i = 0; i < COPIED.length; i++) {
    const [field, register] = COPIED[i] as Copied;
    core.set(register, vmcs.lo(field), vmcs.hi(field));
  }
  if (view.hasEntry(Entry.loadDebugControls)) {
    const same = core.lo(DR7) === vmcs.lo(F.GUEST_DR7);
    core.set(DR7, vmcs.lo(F.GUEST_DR7), 0);
    core.set(DEBUGCTL, vmcs.lo(F.GUEST_DEBUGCTL), 0);
    if (!same) cpu.debugRegistersChanged();
  }
  if (view.hasEntry(Entry.loadPat)) core.setBig(PAT, vmcs.read(F.GUEST_PAT));
  core.set(EFER, guestEfer(core.lo(EFER), view), 0);
  if (view.guestPae)
    for (const [i, field] of PDPTES.entries()) core.setBig(field, vmcs.read(PDPTE_FIELDS[i]!));
  setInterruptibility(cpu, vmcs.get(F.GUEST_INTERRUPTIBILITY));
  core.set(shadowedAddress, vmcs.get(F.GUEST_RIP) | 0, 0);
  writeFlagFields(core, vmcs.get(F.GUEST_RFLAGS));
  cpu.debug.forget();
  cpu.debug.add(enteringTraps(view));
  stateReplaced(cpu);
  cpu.setIp(vmcs.read(F.GUEST_RIP));
}

/** Traps that are due after the entry (27.7.3); those that an event takes with it are forgotten by its delivery. */
function enteringTraps(view: EntryView): number {
  const pending = view.get(F.GUEST_PENDING_DEBUG);
  const software =
    view.event !== 0 && view.eventType >= EventType.softwareInterrupt && view.eventType !== EventType.other;
  const shadowed = (view.get(F.GUEST_INTERRUPTIBILITY) & BLOCKED_BY_MOV_SS) !== 0;
  const inactive = view.get(F.GUEST_ACTIVITY) > Activity.halted;
  if ((software && !shadowed) || (view.event === 0 && inactive)) return 0;
  return (pending & SINGLE_STEP) | ((pending & ENABLED_BREAKPOINT) !== 0 ? pending & BREAKPOINTS : 0);
}

function setInterruptibility({ core }: X86Cpu, value: number): void {
  core.set(interruptShadow, value & 3, 0);
  const blocked = (value & INTERRUPTIBILITY_NMI) !== 0 ? NmiState.blocked : 0;
  core.set(nmiState, (core.lo(nmiState) & ~NmiState.blocked) | blocked, 0);
}

/** EFER: loaded, or with LMA as the guest has it, and LME too once paging is on. */
function guestEfer(efer: number, view: EntryView): number {
  if (view.hasEntry(Entry.loadEfer)) return view.get(F.GUEST_EFER);
  const active = view.ia32e ? EFER_BIT.LMA : 0;
  const rest = efer & ~EFER_BIT.LMA;
  if (!view.guestPaging) return rest | active;
  return (rest & ~EFER_BIT.LME) | (view.ia32e ? EFER_BIT.LME : 0) | active;
}

/** Registers were replaced, with the translations of before still right. */
export function stateReplaced(cpu: X86Cpu): void {
  cpu.segments.deriveAll();
  cpu.derivePrivilege();
  cpu.contexts.invalidate();
  cpu.modeChanged();
  cpu.interrupts.refresh();
}

/** Traps that are due, as the field has them: bit 12 says that there are breakpoints among them. */
function pendingTraps({ core, interrupts }: X86Cpu, traps: number): number {
  const breakpoints = (traps & BREAKPOINTS) !== 0 ? ENABLED_BREAKPOINT : 0;
  // MOV SS holds a step back that the next instruction would have made part of its own.
  const held = interrupts.shadow !== 0 && (core.lo(RFLAGS) & RFLAG.TF) !== 0 ? SINGLE_STEP : 0;
  return traps | breakpoints | held;
}

const interruptibility = ({ core, interrupts }: X86Cpu): number =>
  interrupts.shadow | ((core.lo(nmiState) & NmiState.blocked) !== 0 ? INTERRUPTIBILITY_NMI : 0);

/** Where the processor has the guest's state while it is in it; PENDING_DEBUG is always 0 then. */
const PLACES: ReadonlyMap<number, (cpu: X86Cpu) => bigint> = new Map<number, (cpu: X86Cpu) => bigint>([
  ...PLAIN.map(([field, register]) => [field, (cpu: X86Cpu) => cpu.core.big(register)] as const),
  ...SEGMENT_REGISTERS.flatMap((fields, i) =>
    [
      [F.GUEST_ES_SELECTOR, fields.selector],
      [F.GUEST_ES_BASE, fields.base],
      [F.GUEST_ES_LIMIT, fields.limit],
      [F.GUEST_ES_RIGHTS, fields.rights],
    ].map(
      ([field, register]) =>
        [(field as number) + 2 * i, (cpu: X86Cpu) => cpu.core.big(register as Field)] as const,
    ),
  ),
  [F.GUEST_CR0, (cpu) => cpu.core.big(CR0)],
  [F.GUEST_DR7, (cpu) => cpu.core.big(DR7)],
  [F.GUEST_PAT, (cpu) => cpu.core.big(PAT)],
  [F.GUEST_EFER, (cpu) => cpu.core.big(EFER)],
  [F.GUEST_INTERRUPTIBILITY, (cpu) => BigInt(interruptibility(cpu))],
  [F.GUEST_RFLAGS, (cpu) => BigInt(readFlags(cpu.core) >>> 0)],
  [F.GUEST_RIP, (cpu) => cpu.ip],
]);

/** Fields that can be written where they are: nothing is derived from them. */
const WRITABLE: ReadonlyMap<number, (cpu: X86Cpu, value: number) => void> = new Map([
  [F.GUEST_ACTIVITY, ({ core }: X86Cpu, value: number) => core.set(activity, value, 0)],
  [F.GUEST_INTERRUPTIBILITY, (cpu: X86Cpu, value: number) => setInterruptibility(cpu, value)],
]);

/** Write a field of the guest-state area where the processor has it; false where it cannot be. */
export function writeResidentField(cpu: X86Cpu, field: number, value: bigint): boolean {
  const write = WRITABLE.get(field);
  write?.(cpu, Number(value));
  return write !== undefined;
}

/** A field of the guest-state area where the processor has it; undefined for those that it leaves in the region. */
export function residentField(cpu: X86Cpu, field: number): bigint | undefined {
  return PLACES.get(field)?.(cpu);
}

/** Store the guest's state, which goes on at `ip`. */
export function saveGuestState(cpu: X86Cpu, vmcs: Vmcs, ip: bigint): void {
  const { core } = cpu;
  const exit = vmcs.get(F.EXIT_CONTROLS);
  vmcs.set(F.GUEST_CR0, core.lo(CR0));
  for (let i = 0; i < COPIED.length; i++) {
    const [field, register] = COPIED[i] as Copied;
    vmcs.put(field, core.lo(register), core.hi(register));
  }
  if ((exit & Exit.saveDebugControls) !== 0) {
    vmcs.set(F.GUEST_DR7, core.lo(DR7));
    vmcs.set(F.GUEST_DEBUGCTL, core.lo(DEBUGCTL));
  }
  if ((exit & Exit.savePat) !== 0) vmcs.write(F.GUEST_PAT, core.big(PAT));
  if ((exit & Exit.saveEfer) !== 0) vmcs.set(F.GUEST_EFER, core.lo(EFER));
  const entry = vmcs.get(F.ENTRY_CONTROLS) & ~Entry.ia32eGuest;
  vmcs.set(F.ENTRY_CONTROLS, cpu.longMode ? entry | Entry.ia32eGuest : entry);
  vmcs.set(F.GUEST_INTERRUPTIBILITY, interruptibility(cpu));
  vmcs.set(F.GUEST_PENDING_DEBUG, pendingTraps(cpu, cpu.interrupts.takeTraps()));
  vmcs.set(F.GUEST_RFLAGS, readFlags(core));
  vmcs.write(F.GUEST_RIP, ip);
  const pae = (core.lo(CR0) & CR0_BIT.PG) !== 0 && !cpu.longMode && (core.lo(CR4) & CR4_BIT.PAE) !== 0;
  if (cpu.secondStage !== undefined && pae)
    for (const [i, field] of PDPTES.entries()) vmcs.write(PDPTE_FIELDS[i]!, core.big(field));
}
