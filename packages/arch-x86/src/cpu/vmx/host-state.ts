import type { Field } from "@hypercraft/engine";
import { CR4 as CR4_BIT, EFER as EFER_BIT, RFLAGS_FIXED, RIGHTS, SystemType } from "../control-bits.js";
import { loadPdptes } from "../control-registers.js";
import type { X86Cpu } from "../cpu.js";
import { Fault } from "../fault.js";
import { writeFlagFields } from "../rflags.js";
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
  SEGMENTS,
  Seg,
  type SegmentFields,
  TR,
} from "../state.js";
import { Exit } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { CR0_KEPT, stateReplaced } from "./guest-state.js";
import type { Vmcs } from "./vmcs.js";

// The host state that an exit loads: SDM volume 3, 28.5.

const FLAT = RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed | RIGHTS.granularity;
const DR7_RESET = 0x400;
const LIMIT_TSS = 0x67;
const LIMIT_TABLE = 0xffff;

/** Make the processor's state that of the host. False where it cannot be: a VMX abort. */
export function loadHostState(cpu: X86Cpu, vmcs: Vmcs): boolean {
  const { core } = cpu;
  const exit = vmcs.get(F.EXIT_CONTROLS);
  const wide = (exit & Exit.hostAddressSpaceSize) !== 0;
  const load = (register: Field, field: number) => core.set(register, vmcs.lo(field), vmcs.hi(field));
  core.set(CR0, (core.lo(CR0) & CR0_KEPT) | (vmcs.get(F.HOST_CR0) & ~CR0_KEPT), 0);
  load(CR3, F.HOST_CR3);
  // PAE is there where it is needed, PCIDE only where it can be.
  core.set(CR4, wide ? vmcs.get(F.HOST_CR4) | CR4_BIT.PAE : vmcs.get(F.HOST_CR4) & ~CR4_BIT.PCIDE, 0);
  core.set(DEBUGCTL, 0, 0);
  if (core.lo(DR7) !== DR7_RESET) {
    core.set(DR7, DR7_RESET, 0);
    cpu.debugRegistersChanged();
  }
  load(msr("IA32_SYSENTER_CS"), F.HOST_SYSENTER_CS);
  load(msr("IA32_SYSENTER_ESP"), F.HOST_SYSENTER_ESP);
  load(msr("IA32_SYSENTER_EIP"), F.HOST_SYSENTER_EIP);
  const long = EFER_BIT.LME | EFER_BIT.LMA;
  const efer = (exit & Exit.loadEfer) !== 0 ? vmcs.get(F.HOST_EFER) : core.lo(EFER);
  core.set(EFER, wide ? efer | long : efer & ~long, 0);
  if ((exit & Exit.loadPat) !== 0) load(msr("IA32_PAT"), F.HOST_PAT);
  loadSegments(cpu, vmcs, wide);
  load(GPR[Gpr.rsp]!, F.HOST_RSP);
  core.set(interruptShadow, 0, 0);
  core.set(activity, Activity.active, 0);
  writeFlagFields(core, RFLAGS_FIXED);
  cpu.interrupts.forgetStep();
  stateReplaced(cpu);
  cpu.setIp(vmcs.read(F.HOST_RIP));
  return wide || (core.lo(CR4) & CR4_BIT.PAE) === 0 || reloadsPdptes(cpu);
}

function reloadsPdptes(cpu: X86Cpu): boolean {
  try {
    loadPdptes(cpu, cpu.core.big(CR3));
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
  cpu.contexts.refresh();
  return true;
}

function loadSegments(cpu: X86Cpu, vmcs: Vmcs, wide: boolean): void {
  const { core, segments } = cpu;
  for (const [number, fields] of SEGMENTS.entries()) {
    const selector = vmcs.get(F.HOST_ES_SELECTOR + 2 * number);
    const code = number === Seg.cs;
    const rights = code ? FLAT | RIGHTS.code | (wide ? RIGHTS.long : RIGHTS.big) : FLAT | RIGHTS.big;
    segments.set(fields, selector, 0, 0, -1, selector === 0 && !code ? RIGHTS.unusable : rights);
  }
  const load = (register: Field, field: number) => core.set(register, vmcs.lo(field), vmcs.hi(field));
  load((SEGMENTS[Seg.fs] as SegmentFields).base, F.HOST_FS_BASE);
  load((SEGMENTS[Seg.gs] as SegmentFields).base, F.HOST_GS_BASE);
  segments.set(LDTR, 0, 0, 0, 0, RIGHTS.unusable);
  segments.set(TR, vmcs.get(F.HOST_TR_SELECTOR), 0, 0, LIMIT_TSS, RIGHTS.present | SystemType.busyTss);
  load(TR.base, F.HOST_TR_BASE);
  load(GDTR.base, F.HOST_GDTR_BASE);
  load(IDTR.base, F.HOST_IDTR_BASE);
  core.set(GDTR.limit, LIMIT_TABLE, 0);
  core.set(IDTR.limit, LIMIT_TABLE, 0);
}
