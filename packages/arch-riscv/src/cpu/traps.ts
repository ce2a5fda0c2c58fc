import { type Field, Status } from "@hypercraft/engine";
import { Fault, type Need } from "./access.js";
import { ADDRESS_CAUSES, Cause } from "./causes.js";
import { TRAP_EXIT } from "./exit.js";
import type { RiscvHart } from "./hart.js";
import { H, M, S, VS, X } from "./state.js";
import {
  GVA_HI,
  HSTATUS,
  MIE,
  MPIE,
  MPP,
  MPP_SHIFT,
  MPRV,
  MPV_HI,
  SIE,
  SPIE,
  SPP,
  TSR,
} from "./status-bits.js";
import { accessBase, transformInstruction } from "./trap-instruction.js";

const INTERRUPT_HI = 1 << 31;
/** Instead of a value for mtinst or htinst: transform the instruction, if the trap goes where it is wanted. */
const TRANSFORM = -1;
/** Identical traps in a row, each at the first instruction of its own handler, that make a loop without end. */
const LOOP_LIMIT = 10_000;
const LOOP = "every trap leads to the same trap";

// Exceptions by `Need`: fetch, load, or store/AMO.
const FETCH = 0;
const LOAD = 1;
const STORE = 2;
const KIND = [LOAD, STORE, STORE, FETCH, LOAD, STORE] as const;
const PAGE_CAUSES = [Cause.fetchPage, Cause.loadPage, Cause.storePage];
const ACCESS_CAUSES = [Cause.fetchAccess, Cause.loadAccess, Cause.storeAccess];
const GUEST_CAUSES = [Cause.fetchGuestPage, Cause.loadGuestPage, Cause.storeGuestPage];
const MISALIGNED_CAUSES = [Cause.fetchMisaligned, Cause.loadMisaligned, Cause.storeMisaligned];

/**
 * Trap entry into M, HS and VS, and MRET and SRET (machine chapter; hypervisor chapter, "Trap Entry" and
 * "Trap Return").
 */
export class Traps {
  private readonly hart: RiscvHart;
  private loops = 0;

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  // --- Raising -------------------------------------------------------------------------------

  /** An exception of the current instruction. */
  raise(cause: number, lo: number, hi: number): Status {
    const address = cause < 32 && (ADDRESS_CAUSES & (1 << cause)) !== 0;
    return this.exception(cause, lo, hi, address && this.hart.v !== 0, 0, 0, 0);
  }

  /** Illegal-instruction exception; the trap value is the instruction. */
  illegal(): Status {
    return this.raise(Cause.illegalInstruction, this.hart.instructionBits(), 0);
  }

  /** Virtual-instruction exception; the trap value is the instruction. */
  virtualInstruction(): Status {
    return this.raise(Cause.virtualInstruction, this.hart.instructionBits(), 0);
  }

  /** Illegal (2) or virtual instruction (22). */
  refuse(cause: number): Status {
    return cause === Cause.virtualInstruction ? this.virtualInstruction() : this.illegal();
  }

  /** A translation failed. `guest`: the address is a guest's virtual one. */
  memoryFault(fault: Fault, need: Need, lo: number, hi: number, guest: boolean): Status {
    const kind = KIND[need] as number;
    if (fault !== Fault.guestPage) {
      const causes = fault === Fault.page ? PAGE_CAUSES : ACCESS_CAUSES;
      return this.exception(causes[kind] as number, lo, hi, guest, 0, 0, kind === FETCH ? 0 : TRANSFORM);
    }
    // The guest-physical address, two bits to the right.
    const { faultPage, faultOffset, faultPseudo } = this.hart.mmu.gStage;
    const gpaLo = ((faultPage % 0x40_0000) * 1024 + (faultOffset >>> 2)) | 0;
    const gpaHi = Math.floor(faultPage / 0x40_0000) | 0;
    const instruction = faultPseudo === 0 && kind !== FETCH ? TRANSFORM : faultPseudo;
    return this.exception(GUEST_CAUSES[kind] as number, lo, hi, guest, gpaLo, gpaHi, instruction);
  }

  /** An access that must be aligned is not. */
  misaligned(need: Need, lo: number, hi: number, guest: boolean): Status {
    const cause = MISALIGNED_CAUSES[KIND[need] as number] as number;
    return this.exception(cause, lo, hi, guest, 0, 0, TRANSFORM);
  }

  private exception(
    cause: number,
    lo: number,
    hi: number,
    gva: boolean,
    gpaLo: number,
    gpaHi: number,
    instruction: number,
  ): Status {
    const { core, priv, v, vm, counters } = this.hart;
    const bit = 1 << cause;
    if (priv === 3 || (core.lo(M.edeleg) & bit) === 0) {
      if (vm) return this.fatal("trap into M-mode, where there is none", cause, false, lo, hi);
      if (this.loopsForever(priv === 3, M.tvec)) return this.fatal(LOOP, cause, false, lo, hi);
      counters.trapped();
      this.enterM(cause, 0, lo, hi, gva, gpaLo, gpaHi, this.transform(instruction, lo));
      return Status.trap;
    }
    if (v !== 0 && (core.lo(H.edeleg) & bit) !== 0) {
      if (this.loopsForever(priv === 1, VS.tvec)) return this.fatal(LOOP, cause, false, lo, hi);
      counters.trapped();
      this.enterVS(cause, 0, lo, hi);
      return Status.trap;
    }
    if (!vm) {
      if (this.loopsForever(v === 0 && priv === 1, S.tvec)) return this.fatal(LOOP, cause, false, lo, hi);
      counters.trapped();
    }
    return this.enterHS(cause, 0, lo, hi, gva, gpaLo, gpaHi, this.transform(instruction, lo));
  }

  /** Take the interrupt that `Interrupts` has found deliverable. */
  interrupt(): Status {
    const { core, interrupts } = this.hart;
    const irq = interrupts.highest();
    const bit = 1 << irq;
    this.loops = 0;
    if ((core.lo(M.ideleg) & bit) === 0) {
      if (this.hart.vm) return this.fatal("interrupt for M-mode, where there is none", irq, true, 0, 0);
      this.enterM(irq, INTERRUPT_HI, 0, 0, false, 0, 0, 0);
      return Status.trap;
    }
    if ((core.lo(H.ideleg) & bit) === 0) return this.enterHS(irq, INTERRUPT_HI, 0, 0, false, 0, 0, 0);
    // A VS-level interrupt is a supervisor-level one to the guest.
    this.enterVS(irq - 1, INTERRUPT_HI, 0, 0);
    return Status.trap;
  }

  // --- Entry ---------------------------------------------------------------------------------

  private enterM(
    cause: number,
    causeHi: number,
    lo: number,
    hi: number,
    gva: boolean,
    gpaLo: number,
    gpaHi: number,
    instruction: number,
  ): void {
    const { core, priv, v, status, features } = this.hart;
    const old = core.lo(M.status);
    const pie = (old & MIE) !== 0 ? MPIE : 0;
    core.set(M.epc, core.pcLo(), core.pcHi());
    core.set(M.cause, cause, causeHi);
    core.set(M.tval, lo, hi);
    if (features.h) {
      core.set(M.tval2, gpaLo, gpaHi);
      core.set(M.tinst, instruction, 0);
    }
    const hypervisor = (v !== 0 ? MPV_HI : 0) | (gva ? GVA_HI : 0);
    status.storeMstatus((old & ~(MIE | MPIE | MPP)) | pie | (priv << MPP_SHIFT), hypervisor);
    this.vector(core.lo(M.tvec), core.hi(M.tvec), cause, causeHi);
    this.hart.setMode(3, 0);
  }

  private enterHS(
    cause: number,
    causeHi: number,
    lo: number,
    hi: number,
    gva: boolean,
    gpaLo: number,
    gpaHi: number,
    instruction: number,
  ): Status {
    const { core, priv, v, status, features, vm } = this.hart;
    const old = core.lo(M.status);
    const pie = (old & SIE) !== 0 ? SPIE : 0;
    core.set(S.epc, core.pcLo(), core.pcHi());
    core.set(S.cause, cause, causeHi);
    core.set(S.tval, lo, hi);
    if (features.h) {
      core.set(H.tval, gpaLo, gpaHi);
      core.set(H.tinst, instruction, 0);
      let hstatus = core.lo(H.status) & ~(HSTATUS.SPV | HSTATUS.GVA);
      if (gva) hstatus |= HSTATUS.GVA;
      // SPVP keeps its value when no guest was left.
      if (v !== 0) hstatus = (hstatus & ~HSTATUS.SPVP) | HSTATUS.SPV | (priv === 1 ? HSTATUS.SPVP : 0);
      core.set(H.status, hstatus, core.hi(H.status));
    }
    status.storeMstatus((old & ~(SIE | SPIE | SPP)) | pie | (priv === 1 ? SPP : 0), core.hi(M.status));
    if (!vm) this.vector(core.lo(S.tvec), core.hi(S.tvec), cause, causeHi);
    this.hart.setMode(1, 0);
    if (!vm) return Status.trap;
    core.exit = TRAP_EXIT;
    return Status.exitBefore;
  }

  private enterVS(cause: number, causeHi: number, lo: number, hi: number): void {
    const { core, priv, status } = this.hart;
    const old = core.lo(VS.status);
    const pie = (old & SIE) !== 0 ? SPIE : 0;
    core.set(VS.epc, core.pcLo(), core.pcHi());
    core.set(VS.cause, cause, causeHi);
    core.set(VS.tval, lo, hi);
    status.storeVsstatus((old & ~(SIE | SPIE | SPP)) | pie | (priv === 1 ? SPP : 0));
    this.vector(core.lo(VS.tvec), core.hi(VS.tvec), cause, causeHi);
    this.hart.setMode(1, 1);
  }

  /** Go to a trap vector; interrupts have one each in vectored mode. */
  private vector(lo: number, hi: number, cause: number, causeHi: number): void {
    const offset = causeHi !== 0 && (lo & 1) !== 0 ? cause * 4 : 0;
    const low = (lo & ~3) + offset;
    this.hart.core.setPc(low | 0, low >= 0 && (lo & ~3) < 0 ? (hi + 1) | 0 : hi);
  }

  private fatal(reason: string, cause: number, interrupt: boolean, lo: number, hi: number): Status {
    const { core } = this.hart;
    const wide = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    const pc = wide(core.pcLo(), core.pcHi());
    core.exit = { kind: "fatal", reason, cause, interrupt, pc, value: wide(lo, hi) };
    this.loops = 0;
    return Status.exitBefore;
  }

  /**
   * A trap at the first instruction of its own handler leads to itself, and only an interrupt of a higher
   * level could end that. True after so many in a row that nothing will.
   */
  private loopsForever(sameMode: boolean, tvec: Field): boolean {
    const { core } = this.hart;
    const again = sameMode && core.pcLo() === (core.lo(tvec) & ~3) && core.pcHi() === core.hi(tvec);
    this.loops = again ? this.loops + 1 : 0;
    return this.loops > LOOP_LIMIT;
  }

  /** The value for mtinst or htinst: given, or the transformed instruction of an explicit access. */
  private transform(instruction: number, lo: number): number {
    if (instruction !== TRANSFORM || !this.hart.features.h) return Math.max(instruction, 0);
    const bits = this.hart.instructionBits();
    // Zero is always allowed, and sends the handler to the instruction itself. The transformed form of a
    // compressed access ends in 01, which hypervisors in the field (hcHyper) take for a 16-bit instruction.
    if ((bits & 3) !== 3) return 0;
    return transformInstruction(bits, this.addressOffset(bits, lo));
  }

  /** Distance of a faulting address from the access's own, which only a page crossing makes nonzero. */
  private addressOffset(bits: number, lo: number): number {
    if ((lo & 0xfff) !== 0) return 0;
    const { register, immediate } = accessBase(bits);
    const distance = (lo - (this.hart.core.lo(X[register]!) + immediate)) | 0;
    return distance > 0 && distance < 8 ? distance : 0;
  }

  // --- Return --------------------------------------------------------------------------------

  mret(): Status {
    const { core, priv, status, features } = this.hart;
    if (priv !== 3) return this.illegal();
    const old = core.lo(M.status);
    const mpp = (old & MPP) >>> MPP_SHIFT;
    const mpv = features.h && mpp !== 3 && (core.hi(M.status) & MPV_HI) !== 0 ? 1 : 0;
    let value = (old & ~(MIE | MPP)) | MPIE;
    if ((old & MPIE) !== 0) value |= MIE;
    if (mpp !== 3) value &= ~MPRV;
    core.setPc(core.lo(M.epc), core.hi(M.epc));
    status.storeMstatus(value, core.hi(M.status) & ~MPV_HI);
    this.hart.setMode(mpp, mpv);
    return Status.redispatch;
  }

  sret(): Status {
    const { core, priv, v } = this.hart;
    if (v !== 0) {
      if (priv === 0 || (core.lo(H.status) & HSTATUS.VTSR) !== 0) return this.virtualInstruction();
      this.returnInGuest();
      return Status.redispatch;
    }
    if (priv === 0) return this.illegal();
    if (priv === 1 && (core.lo(M.status) & TSR) !== 0) return this.illegal();
    core.setPc(core.lo(S.epc), core.hi(S.epc));
    this.returnFromHost();
    return Status.redispatch;
  }

  /** What SRET does at V=0 except for the pc. */
  returnFromHost(): void {
    const { core, status, features } = this.hart;
    const old = core.lo(M.status);
    const priv = (old & SPP) !== 0 ? 1 : 0;
    const hstatus = core.lo(H.status);
    const v = features.h && (hstatus & HSTATUS.SPV) !== 0 ? 1 : 0;
    core.set(H.status, hstatus & ~HSTATUS.SPV, core.hi(H.status));
    let value = (old & ~(SIE | SPP | MPRV)) | SPIE;
    if ((old & SPIE) !== 0) value |= SIE;
    status.storeMstatus(value, core.hi(M.status));
    this.hart.setMode(priv, v);
  }

  private returnInGuest(): void {
    const { core, status } = this.hart;
    const old = core.lo(VS.status);
    let value = (old & ~(SIE | SPP)) | SPIE;
    if ((old & SPIE) !== 0) value |= SIE;
    core.setPc(core.lo(VS.epc), core.hi(VS.epc));
    status.storeVsstatus(value);
    this.hart.setMode((old & SPP) !== 0 ? 1 : 0, 1);
  }
}
