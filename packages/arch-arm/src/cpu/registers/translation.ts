import {
  CPTR,
  HCR,
  HCR_MASK_HI,
  HCR_MASK_LO,
  SCTLR_EL1_MASK,
  SCTLR_EL1_RES1,
  SCTLR_EL2_MASK,
  SCTLR_EL2_RES1,
} from "../control-bits.js";
import { EL1, EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { system } from "../state.js";
import { registerNumber } from "../system-register.js";
import { type Check, Rule } from "../system-registers.js";

/** IPS, AS, TBI0, TBI1; hardware does not update tables. */
const TCR_EL1_HI = 0x77;
const TCR_EL2_RES1 = (1 << 31) | (1 << 23);
const VTCR_RES1 = 1 << 31;
const VTCR_MASK = 0x0007_ffff;
/** VMIDs have 8 bits. */
const VTTBR_HI = 0x00ff_ffff;
const CPACR_MASK = 3 << 20;
const MDCR_MASK = 0xfff;
const VECTOR_MASK = ~0x7ff;

/** Control of EL1 and EL2, translation, and the syndromes of exceptions. */
export function defineControl(pe: ArmPe): void {
  const { core, registers, contexts } = pe;
  const el1 = (crn: number, crm: number, op2: number): number => registerNumber(3, 0, crn, crm, op2);
  const el2 = (crn: number, crm: number, op2: number): number => registerNumber(3, 4, crn, crm, op2);
  /** HCR_EL2.TVM and TRVM: the registers of virtual memory. */
  const memory: Check = (read) =>
    (core.lo(EL2.hcr) & (read ? HCR.TRVM : HCR.TVM)) !== 0 ? Rule.trapEl2 : Rule.allowed;
  // What translation depends on is part of the context keys, so nothing has to be dropped.
  const guestBase = (): void => contexts.changed(false, true);
  const guestTables = (): void => contexts.changed(false, false);
  const tables = (): void => contexts.changed(true, false);
  const guestControl = (): void => {
    pe.modeBits.refresh();
    guestTables();
  };

  registers.storage(el1(1, 0, 0), "SCTLR_EL1", EL1.sctlr, {
    maskLo: SCTLR_EL1_MASK,
    maskHi: 0,
    ones: SCTLR_EL1_RES1,
    check: memory,
    changed: guestControl,
  });
  registers.storage(el1(1, 0, 1), "ACTLR_EL1", system("ACTLR_EL1"), {
    maskLo: 0,
    maskHi: 0,
    check: () => ((core.lo(EL2.hcr) & HCR.TACR) !== 0 ? Rule.trapEl2 : Rule.allowed),
  });
  registers.storage(el1(1, 0, 2), "CPACR_EL1", EL1.cpacr, {
    maskLo: CPACR_MASK,
    maskHi: 0,
    check: () => ((core.lo(EL2.cptr) & CPTR.TCPAC) !== 0 ? Rule.trapEl2 : Rule.allowed),
    changed: () => pe.modeBits.refresh(),
  });
  registers.storage(el1(2, 0, 0), "TTBR0_EL1", EL1.ttbr0, { maskLo: ~1, check: memory, changed: guestBase });
  registers.storage(el1(2, 0, 1), "TTBR1_EL1", EL1.ttbr1, { maskLo: ~1, check: memory, changed: guestBase });
  registers.storage(el1(2, 0, 2), "TCR_EL1", EL1.tcr, {
    maskLo: 0xffff_ffbf | 0,
    maskHi: TCR_EL1_HI,
    check: memory,
    changed: guestTables,
  });
  registers.storage(el1(10, 2, 0), "MAIR_EL1", EL1.mair, { check: memory, changed: guestTables });
  registers.storage(el1(10, 3, 0), "AMAIR_EL1", system("AMAIR_EL1"), { maskLo: 0, maskHi: 0, check: memory });
  registers.storage(el1(5, 1, 0), "AFSR0_EL1", system("AFSR0_EL1"), { maskLo: 0, maskHi: 0, check: memory });
  registers.storage(el1(5, 1, 1), "AFSR1_EL1", system("AFSR1_EL1"), { maskLo: 0, maskHi: 0, check: memory });
  registers.storage(el1(5, 2, 0), "ESR_EL1", EL1.esr, { maskHi: 0, check: memory });
  registers.storage(el1(6, 0, 0), "FAR_EL1", EL1.far, { check: memory });
  registers.storage(el1(7, 4, 0), "PAR_EL1", EL1.par);
  registers.storage(el1(12, 0, 0), "VBAR_EL1", EL1.vbar, { maskLo: VECTOR_MASK });
  registers.define(el1(12, 1, 0), "ISR_EL1", {
    read: () => registers.set(pe.interrupts.status, 0),
    write: undefined,
  });
  registers.storage(el1(13, 0, 1), "CONTEXTIDR_EL1", system("CONTEXTIDR_EL1"), { maskHi: 0, check: memory });
  registers.storage(el1(13, 0, 4), "TPIDR_EL1", system("TPIDR_EL1"));
  const user = system("TPIDR_EL0");
  registers.storage(registerNumber(3, 3, 13, 0, 2), "TPIDR_EL0", user);
  const readOnly = system("TPIDRRO_EL0");
  registers.define(registerNumber(3, 3, 13, 0, 3), "TPIDRRO_EL0", {
    read: () => registers.set(core.lo(readOnly), core.hi(readOnly)),
    write: (lo, hi) => core.set(readOnly, lo, hi),
    writeLevel: 1,
  });

  registers.storage(el2(1, 0, 0), "SCTLR_EL2", EL2.sctlr, {
    maskLo: SCTLR_EL2_MASK,
    maskHi: 0,
    ones: SCTLR_EL2_RES1,
    changed: () => {
      pe.modeBits.refresh();
      tables();
    },
  });
  registers.storage(el2(1, 0, 1), "ACTLR_EL2", system("ACTLR_EL2"), { maskLo: 0, maskHi: 0 });
  registers.storage(el2(1, 1, 0), "HCR_EL2", EL2.hcr, {
    maskLo: HCR_MASK_LO,
    maskHi: HCR_MASK_HI,
    ones: HCR.RW,
    changed: () => {
      guestControl();
      pe.interrupts.refresh();
    },
  });
  registers.define(el2(1, 1, 1), "MDCR_EL2", {
    read: () => registers.set(core.lo(EL2.mdcr), 0),
    write: (lo) => {
      pe.pmu.sync();
      core.set(EL2.mdcr, lo & MDCR_MASK, 0);
      pe.pmu.changed();
    },
  });
  registers.storage(el2(1, 1, 2), "CPTR_EL2", EL2.cptr, {
    maskLo: CPTR.TCPAC | CPTR.TFP,
    maskHi: 0,
    ones: CPTR.RES1 & ~CPTR.TFP,
    changed: () => pe.modeBits.refresh(),
  });
  // Its traps are AArch32's.
  registers.storage(el2(1, 1, 3), "HSTR_EL2", system("HSTR_EL2"), { maskLo: 0, maskHi: 0 });
  registers.storage(el2(1, 1, 7), "HACR_EL2", system("HACR_EL2"), { maskLo: 0, maskHi: 0 });
  registers.storage(el2(2, 0, 0), "TTBR0_EL2", EL2.ttbr0, {
    maskLo: ~1,
    maskHi: 0xffff,
    changed: () => contexts.changed(true, true),
  });
  registers.storage(el2(2, 0, 2), "TCR_EL2", EL2.tcr, {
    maskLo: 0x0017_ff3f,
    maskHi: 0,
    ones: TCR_EL2_RES1,
    changed: tables,
  });
  registers.storage(el2(2, 1, 0), "VTTBR_EL2", EL2.vttbr, {
    maskLo: ~1,
    maskHi: VTTBR_HI,
    changed: guestTables,
  });
  registers.storage(el2(2, 1, 2), "VTCR_EL2", EL2.vtcr, {
    maskLo: VTCR_MASK,
    maskHi: 0,
    ones: VTCR_RES1,
    changed: guestTables,
  });
  registers.storage(el2(10, 2, 0), "MAIR_EL2", EL2.mair, { changed: tables });
  registers.storage(el2(10, 3, 0), "AMAIR_EL2", system("AMAIR_EL2"), { maskLo: 0, maskHi: 0 });
  registers.storage(el2(5, 1, 0), "AFSR0_EL2", system("AFSR0_EL2"), { maskLo: 0, maskHi: 0 });
  registers.storage(el2(5, 1, 1), "AFSR1_EL2", system("AFSR1_EL2"), { maskLo: 0, maskHi: 0 });
  registers.storage(el2(5, 2, 0), "ESR_EL2", EL2.esr, { maskHi: 0 });
  registers.storage(el2(6, 0, 0), "FAR_EL2", EL2.far);
  registers.storage(el2(6, 0, 4), "HPFAR_EL2", EL2.hpfar, { maskLo: ~15, maskHi: 0xff });
  registers.storage(el2(12, 0, 0), "VBAR_EL2", EL2.vbar, { maskLo: VECTOR_MASK });
  registers.constant(el2(12, 0, 1), "RVBAR_EL2", 0);
  registers.storage(el2(13, 0, 2), "TPIDR_EL2", system("TPIDR_EL2"));
}
