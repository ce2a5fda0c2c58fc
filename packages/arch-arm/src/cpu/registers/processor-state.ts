import type { CoreApi } from "@hypercraft/engine";
import { DAIF, SCTLR, SPSR } from "../control-bits.js";
import { EL1, EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { readSpsr, writeFlags } from "../processor-state.js";
import { armLayout, FPCR, FPSR_QC, PSTATE, SP } from "../state.js";
import { registerNumber } from "../system-register.js";
import { type Check, Rule } from "../system-registers.js";

/** AHP, DN, FZ, RMode; exceptions cannot be trapped. */
const FPCR_MASK = 0x07c0_0000;
const FPSR_QC_BIT = 1 << 27;
/** SPSR bits that AArch64 without AArch32 has. */
const SPSR_MASK = 0xf070_03df | 0;
const FLAGS_MASK = 0xf000_0000 | 0;

/** FPSR's cumulative bits from the engine's numbering: 1 inexact, 2 underflow, 4 overflow, 8 by zero, 16 invalid, 32 input denormal. */
function fpsrOf(flags: number): number {
  return (
    ((flags & 16) >> 4) |
    ((flags & 8) >> 2) |
    (flags & 4) |
    ((flags & 2) << 2) |
    ((flags & 1) << 4) |
    ((flags & 32) << 2)
  );
}

/** The engine's numbering from FPSR. */
function flagsOf(fpsr: number): number {
  return (
    ((fpsr & 1) << 4) |
    ((fpsr & 2) << 2) |
    (fpsr & 4) |
    ((fpsr & 8) >> 2) |
    ((fpsr & 16) >> 4) |
    ((fpsr & 128) >> 2)
  );
}

/** FPSR, which has no field of its own. */
export const readFpsr = (core: CoreApi): number =>
  fpsrOf(core.lo(armLayout.fpFlags)) | (core.lo(FPSR_QC) !== 0 ? FPSR_QC_BIT : 0);

export function writeFpsr(core: CoreApi, fpsr: number): void {
  core.set(armLayout.fpFlags, flagsOf(fpsr), 0);
  core.set(FPSR_QC, (fpsr & FPSR_QC_BIT) !== 0 ? 1 : 0, 0);
}

/** PSTATE's parts as registers, stack pointers, saved states, and the floating-point registers. */
export function defineProcessorState(pe: ArmPe): void {
  const { core, registers } = pe;
  registers.define(registerNumber(3, 3, 4, 2, 0), "NZCV", {
    read: () => registers.set(readSpsr(core) & FLAGS_MASK, 0),
    write: (lo) => writeFlags(core, lo),
  });
  const userMask: Check = () =>
    pe.el === 0 && (core.lo(EL1.sctlr) & SCTLR.UMA) === 0 ? Rule.trapEl1 : Rule.allowed;
  registers.define(registerNumber(3, 3, 4, 2, 1), "DAIF", {
    read: () => registers.set(core.lo(PSTATE.daif), 0),
    write: (lo) => {
      core.set(PSTATE.daif, lo & (DAIF.D | DAIF.A | DAIF.I | DAIF.F), 0);
      pe.interrupts.refresh();
    },
    check: userMask,
  });
  registers.define(registerNumber(3, 0, 4, 2, 2), "CurrentEL", {
    read: () => registers.set(pe.el << 2, 0),
    write: undefined,
  });
  registers.define(registerNumber(3, 0, 4, 2, 0), "SPSel", {
    read: () => registers.set(core.lo(PSTATE.spSel), 0),
    write: (lo) => pe.setLevel(pe.el, lo & 1),
  });
  registers.define(registerNumber(3, 0, 4, 2, 3), "PAN", {
    read: () => registers.set(core.lo(PSTATE.pan) !== 0 ? SPSR.PAN : 0, 0),
    write: (lo) => {
      core.set(PSTATE.pan, (lo & SPSR.PAN) !== 0 ? 1 : 0, 0);
      pe.contexts.modeChanged();
    },
  });
  // UNDEFINED where it is the stack pointer in use.
  registers.define(registerNumber(3, 0, 4, 1, 0), "SP_EL0", {
    read: () => registers.set(core.lo(SP[0]), core.hi(SP[0])),
    write: (lo, hi) => core.set(SP[0], lo, hi),
    check: () => (core.lo(PSTATE.spSel) === 0 ? Rule.undefined : Rule.allowed),
  });
  registers.storage(registerNumber(3, 4, 4, 1, 0), "SP_EL1", SP[1]);
  registers.storage(registerNumber(3, 0, 4, 0, 0), "SPSR_EL1", EL1.spsr, { maskLo: SPSR_MASK, maskHi: 0 });
  registers.storage(registerNumber(3, 0, 4, 0, 1), "ELR_EL1", EL1.elr);
  registers.storage(registerNumber(3, 4, 4, 0, 0), "SPSR_EL2", EL2.spsr, { maskLo: SPSR_MASK, maskHi: 0 });
  registers.storage(registerNumber(3, 4, 4, 0, 1), "ELR_EL2", EL2.elr);
  registers.define(registerNumber(3, 3, 4, 4, 0), "FPCR", {
    read: () => registers.set(core.lo(FPCR), 0),
    write: (lo) => {
      core.set(FPCR, lo & FPCR_MASK, 0);
      pe.modeBits.refresh();
    },
    floatingPoint: true,
  });
  registers.define(registerNumber(3, 3, 4, 4, 1), "FPSR", {
    read: () => registers.set(readFpsr(core), 0),
    write: (lo) => writeFpsr(core, lo),
    floatingPoint: true,
  });
}
