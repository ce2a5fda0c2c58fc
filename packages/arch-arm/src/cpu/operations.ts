import { Access, newTranslation, Status } from "@hypercraft/engine";
import { Need, Rights } from "./access.js";
import { HCR, SCTLR } from "./control-bits.js";
import { EL1, EL2 } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { Fsc } from "./syndrome.js";
import { crmOf, crnOf, op1Of, op2Of, registerNumber } from "./system-register.js";
import { Rule } from "./system-registers.js";
import { TlbMaintenance } from "./tlb-maintenance.js";

/** Bytes that DC ZVA zeroes. */
const ZERO_BLOCK = 64;
const sys = (op1: number, crm: number, op2: number): number => registerNumber(1, op1, 7, crm, op2);
const IC_IALLUIS = sys(0, 1, 0);
const IC_IALLU = sys(0, 5, 0);
const IC_IVAU = sys(3, 5, 1);
const DC_IVAC = sys(0, 6, 1);
const DC_ISW = sys(0, 6, 2);
const DC_CSW = sys(0, 10, 2);
const DC_CISW = sys(0, 14, 2);
const DC_ZVA = sys(3, 4, 1);
const DC_CVAC = sys(3, 10, 1);
const DC_CVAU = sys(3, 11, 1);
const DC_CIVAC = sys(3, 14, 1);
const PAR_FAULT = 1;
const PAR_RES1 = 1 << 11;
const PAR_PTW = 1 << 8;
const PAR_STAGE2 = 1 << 9;

/** SYS instructions: cache maintenance, TLBI and AT. Caches are coherent, so cache maintenance only checks rights. */
export class Operations {
  private readonly pe: ArmPe;
  private readonly at = newTranslation();

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  execute(number: number, lo: number, hi: number): Status {
    const { registers } = this.pe;
    const rule = this.rule(number);
    if (rule !== Rule.allowed) return registers.refuse(rule, number, false);
    if (crnOf(number) === 8) {
      this.pe.tlb.execute(number, lo, hi);
      return Status.next;
    }
    if (crmOf(number) === 8) return this.addressTranslation(number, lo, hi);
    switch (number) {
      case DC_ZVA:
        return this.zero(lo, hi);
      case DC_IVAC:
      case DC_CVAC:
      case DC_CVAU:
      case DC_CIVAC:
        return this.cache(number === DC_IVAC ? Need.write : Need.maintenance, lo, hi);
      default:
        return Status.next;
    }
  }

  // --- Rights --------------------------------------------------------------------------------

  private rule(number: number): Rule {
    const { core, el } = this.pe;
    const hcr = el === 2 ? 0 : core.lo(EL2.hcr);
    const trap = (bit: number): Rule => ((hcr & bit) !== 0 ? Rule.trapEl2 : Rule.allowed);
    const op1 = op1Of(number);
    if (crnOf(number) === 11 || crnOf(number) === 15)
      return el === 1 && (hcr & HCR.TIDCP) !== 0 ? Rule.trapEl2 : Rule.undefined;
    if (crnOf(number) === 8) {
      if (!TlbMaintenance.exists(number) || el < (op1 === 4 ? 2 : 1)) return Rule.undefined;
      return trap(HCR.TTLB);
    }
    if (crnOf(number) !== 7) return Rule.undefined;
    if (crmOf(number) === 8) return this.translationRule(number);
    if (el === 0 && op1 !== 3) return Rule.undefined;
    switch (number) {
      case IC_IALLUIS:
      case IC_IALLU:
        return trap(HCR.TPU);
      case DC_ISW:
      case DC_CSW:
      case DC_CISW:
        return trap(HCR.TSW);
      case DC_IVAC:
        return trap(HCR.TPC);
      case DC_CVAC:
      case DC_CIVAC:
        return this.userMaintenance(hcr & HCR.TPC);
      case IC_IVAU:
      case DC_CVAU:
        return this.userMaintenance(hcr & HCR.TPU);
      case DC_ZVA:
        return this.zeroRule();
      default:
        return Rule.undefined;
    }
  }

  /** SCTLR_EL1.UCI lets EL0 maintain caches; EL2 may trap it even so. */
  private userMaintenance(trapped: number): Rule {
    const { core, el } = this.pe;
    if (el === 0 && (core.lo(EL1.sctlr) & SCTLR.UCI) === 0) return Rule.trapEl1;
    return trapped !== 0 ? Rule.trapEl2 : Rule.allowed;
  }

  /** DC ZVA: SCTLR_EL1.DZE, HCR_EL2.TDZ. */
  zeroRule(): Rule {
    const { core, el } = this.pe;
    if (el === 2) return Rule.allowed;
    if (el === 0 && (core.lo(EL1.sctlr) & SCTLR.DZE) === 0) return Rule.trapEl1;
    return (core.lo(EL2.hcr) & HCR.TDZ) !== 0 ? Rule.trapEl2 : Rule.allowed;
  }

  private translationRule(number: number): Rule {
    const { el } = this.pe;
    const op2 = op2Of(number);
    if (op1Of(number) === 0) return el >= 1 && op2 < 4 ? Rule.allowed : Rule.undefined;
    if (op1Of(number) !== 4 || op2 === 2 || op2 === 3) return Rule.undefined;
    return el === 2 ? Rule.allowed : Rule.undefined;
  }

  // --- Data cache ----------------------------------------------------------------------------

  private cache(need: Need, lo: number, hi: number): Status {
    const { contexts, mmu, exceptions, debug, el } = this.pe;
    // PAN is for loads and stores.
    if (!mmu.translate(contexts.regime, el === 0 ? Rights.user : 0, need, lo, hi, false, this.at))
      return exceptions.translationFault(need, lo, hi, true);
    // To a watchpoint, only what may throw data away is an access.
    return need === Need.write ? debug.access(need, lo, hi, 1, el, this.at, true) : Status.next;
  }

  private zero(lo: number, hi: number): Status {
    const { core, contexts, mmu, exceptions } = this.pe;
    const { at } = this;
    const start = lo & ~(ZERO_BLOCK - 1);
    // Device memory takes no DC ZVA, as if it were unaligned.
    if (!mmu.translate(contexts.regime, contexts.dataRights, Need.write, lo, hi, true, at))
      return exceptions.translationFault(Need.write, lo, hi);
    const offset = core.ramOffset(at.physical - (lo - start));
    if (offset < 0) return exceptions.simpleAbort(Fsc.external, Need.write, lo, hi);
    core.bytes.fill(0, offset, offset + ZERO_BLOCK);
    core.ramWritten(offset, ZERO_BLOCK);
    return Status.next;
  }

  // --- Address translation -------------------------------------------------------------------

  /** AT: the result, or why there is none, goes to PAR_EL1. */
  private addressTranslation(number: number, lo: number, hi: number): Status {
    const { core, contexts, mmu, exceptions, el } = this.pe;
    const { at } = this;
    const op2 = op2Of(number);
    const write = (op2 & 1) !== 0 ? Access.write : Access.read;
    const both = op1Of(number) === 4 && op2 >= 4;
    const level = op1Of(number) === 4 && op2 < 2 ? 2 : (op2 & 2) !== 0 ? 0 : 1;
    const r = contexts.regimeOf(level);
    const rights = level === 0 ? Rights.user : 0;
    const ok = both
      ? mmu.translate(r, rights, write, lo, hi, false, at)
      : mmu.translateFirst(r, rights, write, lo, hi, at);
    const { fault } = mmu;
    if (!ok) {
      const external = (fault.code & 0x3c) === Fsc.externalOnWalk;
      // A table of the first stage that the second does not let EL1 see is EL2's business.
      if (external || (fault.stage2 && fault.s1ptw && el === 1))
        return exceptions.translationFault(write, lo, hi, true);
      const stages = (fault.stage2 ? PAR_STAGE2 : 0) | (fault.s1ptw ? PAR_PTW : 0);
      core.set(EL1.par, PAR_FAULT | PAR_RES1 | stages | (fault.code << 1), 0);
      return Status.next;
    }
    const page = Math.floor(at.physical / 4096);
    const { attributes, shareability } = mmu.attributes(level === 2 ? EL2.mair : EL1.mair, both);
    core.set(
      EL1.par,
      ((page % 0x10_0000) << 12) | PAR_RES1 | (shareability << 7),
      (attributes << 24) | Math.floor(page / 0x10_0000),
    );
    return Status.next;
  }
}
