import { type Field, Status } from "@hypercraft/engine";
import { Need } from "./access.js";
import { HCR, SCTLR, SPSR } from "./control-bits.js";
import { EXCEPTION_LOOP_EXIT, TRAP_EXITS, type VectorKind } from "./exit.js";
import { EL1, EL2 } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { readSpsr, writeFlags } from "./processor-state.js";
import { eventRegister, PSTATE } from "./state.js";
import { accessDescription, Ec, esr, Fsc, ISS_CM, ISS_S1PTW, ISS_WNR, isStoreExclusive } from "./syndrome.js";
import { accessSyndrome } from "./system-register.js";

const VECTOR: Readonly<Record<VectorKind, number>> = { sync: 0, irq: 0x80, fiq: 0x100, serror: 0x180 };
const FROM_LOWER = 0x400;
const WITH_SPX = 0x200;
/** So many exceptions in a row that lead to themselves, and nothing will end it. */
const LOOP_LIMIT = 10_000;

/** Exception entry to EL1 and EL2, and ERET (Arm ARM, "Exception levels", AArch64.TakeException). */
export class Exceptions {
  /** Exceptions in a row at the first instruction of their own handler. */
  private loops = 0;
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  // --- Routing -------------------------------------------------------------------------------

  /** Where exceptions go that the current level takes itself: EL0 has EL1, or EL2 with HCR_EL2.TGE. */
  get target(): 1 | 2 {
    const { core, el } = this.pe;
    return el === 2 || (el === 0 && (core.lo(EL2.hcr) & HCR.TGE) !== 0) ? 2 : 1;
  }

  /** Where debug exceptions of the current level go: those of EL2 stay there. */
  private get debugTarget(): 1 | 2 {
    return this.pe.el === 2 ? 2 : this.pe.debug.target;
  }

  // --- Raising -------------------------------------------------------------------------------

  /** An exception of the current instruction, which is where it returns to. */
  raise(target: 1 | 2, ec: number, iss: number): Status {
    const { vm, pmu } = this.pe;
    // One that leaves the run counts when whoever finishes it says so.
    if (!vm || target === 1) pmu.trapped();
    return this.beforeNext(target, ec, iss);
  }

  /** An exception that comes instead of the next instruction. */
  private beforeNext(target: 1 | 2, ec: number, iss: number): Status {
    const { core } = this.pe;
    return this.enter(target, "sync", esr(ec, iss), core.pcLo(), core.pcHi());
  }

  undefined(): Status {
    return this.raise(this.target, Ec.unknown, 0);
  }

  /** SVC and HVC return behind themselves, and count as stepped. */
  call(target: 1 | 2, ec: number, immediate: number): Status {
    const { core } = this.pe;
    core.set(PSTATE.ss, 0, 0);
    this.pe.pmu.retire();
    const next = (core.pcLo() + 4) | 0;
    return this.enter(target, "sync", esr(ec, immediate), next, (core.pcHi() + (next === 0 ? 1 : 0)) | 0);
  }

  brk(immediate: number): Status {
    return this.raise(this.debugTarget, Ec.brk, immediate);
  }

  /** PSTATE.IL is set. */
  illegalState(): Status {
    return this.beforeNext(this.target, Ec.illegalState, 0);
  }

  softwareStep(iss: number): Status {
    const target = this.debugTarget;
    return this.beforeNext(target, Ec.softwareStep + (target === this.pe.el ? 1 : 0), iss | Fsc.debug);
  }

  /** A breakpoint or a watchpoint. */
  debug(ec: number, iss: number): Status {
    const target = this.debugTarget;
    return this.raise(target, ec + (target === this.pe.el ? 1 : 0), iss | Fsc.debug);
  }

  /** An access of a watched byte, at its address; `cache`: by cache maintenance. */
  watchpoint(lo: number, hi: number, write: boolean, cache: boolean): Status {
    const { core } = this.pe;
    core.set(this.debugTarget === 2 ? EL2.far : EL1.far, lo, hi);
    return this.debug(Ec.watchpoint, (write ? ISS_WNR : 0) | (cache ? ISS_CM : 0));
  }

  /** MSR, MRS or a system instruction is trapped; Rt is in the instruction. */
  systemAccess(target: 1 | 2, number: number, read: boolean): Status {
    const routed = target === 1 ? this.target : 2;
    return this.raise(routed, Ec.systemAccess, accessSyndrome(number, this.pe.instructionBits() & 31, read));
  }

  pcAlignment(lo: number, hi: number): Status {
    const { core } = this.pe;
    const target = this.target;
    core.set(target === 2 ? EL2.far : EL1.far, lo, this.pe.contexts.branchTop(hi));
    return this.enter(target, "sync", esr(Ec.pcAlignment, 0), lo, hi);
  }

  /** The translation that `pe.mmu.fault` tells about failed. `cache`: for cache maintenance by address. */
  translationFault(need: Need, lo: number, hi: number, cache = false): Status {
    const { core, mmu } = this.pe;
    const { fault } = mmu;
    let iss = fault.code | (fault.s1ptw ? ISS_S1PTW : 0);
    if (cache) iss |= ISS_CM | ISS_WNR;
    if (!fault.stage2) return this.abort(this.target, need, iss | this.wnr(need), lo, hi);
    const page = Math.floor(fault.ipa / 4096) * 16;
    core.set(EL2.hpfar, (page % 0x1_0000_0000) | 0, Math.floor(page / 0x1_0000_0000));
    if (need !== Need.fetch && !cache && !fault.s1ptw) iss |= accessDescription(this.pe.instructionBits());
    return this.abort(2, need, iss | this.wnr(need), lo, hi);
  }

  private wnr(need: Need): number {
    const { fault } = this.pe.mmu;
    if (fault.write) return ISS_WNR;
    // The engine's read and write may be a store-exclusive, which reads nothing.
    if (need !== Need.rmw || fault.s1ptw || (fault.code & 0x3c) === Fsc.permission) return 0;
    return isStoreExclusive(this.pe.instructionBits()) ? ISS_WNR : 0;
  }

  /** An abort that is none of translation's: external or alignment. */
  simpleAbort(code: number, need: Need, lo: number, hi: number): Status {
    const write = need === Need.write || (need === Need.rmw && isStoreExclusive(this.pe.instructionBits()));
    return this.abort(this.target, need, code | (write ? ISS_WNR : 0), lo, hi);
  }

  private abort(target: 1 | 2, need: Need, iss: number, lo: number, hi: number): Status {
    const { core, el } = this.pe;
    core.set(target === 2 ? EL2.far : EL1.far, lo, hi);
    const ec = need === Need.fetch ? Ec.instructionAbort : Ec.dataAbort;
    return this.raise(target, ec + (target === el ? 1 : 0), iss);
  }

  /** IRQ, FIQ or SError. */
  asynchronous(target: 1 | 2, kind: VectorKind): Status {
    const { core } = this.pe;
    const syndrome = kind === "serror" ? esr(Ec.sError, 0) : 0;
    return this.enter(target, kind, syndrome, core.pcLo(), core.pcHi());
  }

  // --- Entry ---------------------------------------------------------------------------------

  private enter(target: 1 | 2, kind: VectorKind, syndrome: number, elrLo: number, elrHi: number): Status {
    const { core, el, vm } = this.pe;
    const registers = target === 2 ? EL2 : EL1;
    const leaves = vm && target === 2;
    if (!leaves && this.loopsForever(target, kind, registers.vbar)) {
      core.exit = EXCEPTION_LOOP_EXIT;
      return Status.exitBefore;
    }
    core.set(registers.spsr, readSpsr(core), 0);
    // A branch just made may have left a tag in the pc.
    core.set(registers.elr, elrLo, this.pe.contexts.branchTop(elrHi));
    if (kind === "sync" || kind === "serror") core.set(registers.esr, syndrome, 0);
    const from = target > el ? FROM_LOWER : core.lo(PSTATE.spSel) !== 0 ? WITH_SPX : 0;
    core.set(PSTATE.daif, SPSR.DAIF, 0);
    core.set(PSTATE.ss, 0, 0);
    core.set(PSTATE.il, 0, 0);
    if (target === 1 && (core.lo(EL1.sctlr) & SCTLR.SPAN) === 0) core.set(PSTATE.pan, 1, 0);
    core.clearReservation();
    if (leaves) {
      this.pe.setLevel(2, 1);
      core.exit = TRAP_EXITS[kind];
      return Status.exitBefore;
    }
    this.vector(registers.vbar, from + VECTOR[kind]);
    this.pe.setLevel(target, 1);
    return Status.trap;
  }

  /**
   * An exception of the first instruction of its own handler leads to itself, and only an interrupt that goes to a
   * higher level, or another PE, could end that. True after so many in a row that nothing will.
   */
  private loopsForever(target: 1 | 2, kind: VectorKind, vbar: Field): boolean {
    const { core, el } = this.pe;
    const vector = (core.lo(vbar) & ~0x7ff) | (WITH_SPX + VECTOR.sync);
    const again = target === el && kind === "sync" && core.pcLo() === vector && core.pcHi() === core.hi(vbar);
    this.loops = again && core.lo(PSTATE.spSel) !== 0 ? this.loops + 1 : 0;
    if (this.loops <= LOOP_LIMIT) return false;
    this.loops = 0;
    return true;
  }

  private vector(vbar: Field, offset: number): void {
    const { core } = this.pe;
    core.setPc((core.lo(vbar) & ~0x7ff) | offset, core.hi(vbar));
  }

  // --- Return --------------------------------------------------------------------------------

  eret(): Status {
    const { core, el } = this.pe;
    if (el === 0) return this.undefined();
    this.pe.pmu.retire();
    const registers = el === 2 ? EL2 : EL1;
    this.returnTo(core.lo(registers.spsr), core.lo(registers.elr), core.hi(registers.elr));
    return Status.redispatch;
  }

  /** What ERET does with SPSR_ELx and ELR_ELx of the current level (AArch64.ExceptionReturn). */
  returnTo(spsr: number, elrLo: number, elrHi: number): void {
    const { core } = this.pe;
    const legal = this.legalReturn(spsr);
    const level = legal ? (spsr >>> 2) & 3 : this.pe.el;
    const step = this.pe.debug.step.afterReturn(spsr, level);
    writeFlags(core, spsr);
    core.set(PSTATE.daif, spsr & SPSR.DAIF, 0);
    core.set(PSTATE.pan, (spsr & SPSR.PAN) !== 0 ? 1 : 0, 0);
    core.set(PSTATE.ss, step, 0);
    core.set(PSTATE.il, !legal || (spsr & SPSR.IL) !== 0 ? 1 : 0, 0);
    core.clearReservation();
    core.set(eventRegister, 1, 0);
    const selection = legal ? spsr & 1 : core.lo(PSTATE.spSel);
    this.pe.setLevel(level, selection);
    core.setPc(elrLo, this.pe.contexts.branchTop(elrHi));
  }

  private legalReturn(spsr: number): boolean {
    const { core, el } = this.pe;
    const level = (spsr >>> 2) & 3;
    // AArch32, the reserved bit, a higher level, EL0 with a stack pointer of its own.
    if ((spsr & (SPSR.AARCH32 | 2)) !== 0 || level > el || level === 3) return false;
    if (level === 0 && (spsr & 1) !== 0) return false;
    return level !== 1 || (core.lo(EL2.hcr) & HCR.TGE) === 0;
  }
}
