import type { CoreApi } from "@hypercraft/engine";
import { CPTR, HCR, SCTLR, SCTLR_EL1_RES1, SCTLR_EL2_RES1, SPSR } from "./control-bits.js";
import { EL1, EL2, inputLines, TIMER } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { EVENT_COUNTERS } from "./pmu.js";
import { resetDebug } from "./registers/debug.js";
import { resetIdentification } from "./registers/identification.js";
import { armLayout, FLAGS, PSTATE } from "./state.js";

/**
 * The state after a reset: the highest level with its MMU off and everything masked. What the manual
 * leaves UNKNOWN is zero. Interrupt inputs keep their levels, as they belong to others.
 */
export function resetState(pe: ArmPe, pc: bigint): void {
  const { core, timers } = pe;
  const lines = core.lo(inputLines);
  for (const field of armLayout.fields.values()) core.setBig(field, 0n);
  core.set(inputLines, lines, 0);
  core.setBig(armLayout.pc, pc);
  core.set(FLAGS.z, 1, 0);
  core.set(PSTATE.currentEl, 2, 0);
  core.set(PSTATE.spSel, 1, 0);
  core.set(PSTATE.daif, SPSR.DAIF, 0);
  translationOff(core);
  core.set(EL2.hcr, HCR.RW, 0);
  core.set(EL2.cptr, CPTR.RES1 & ~CPTR.TFP, 0);
  core.set(EL2.cnthctl, 3, 0);
  core.set(TIMER.frequency, timers.frequency, 0);
  resetIdentification(pe);
  resetDebug(pe);
  core.set(EL2.mdcr, EVENT_COUNTERS, 0);
  core.clearReservation();
}

/** SCTLR_EL1 and SCTLR_EL2 as reset has them. */
function translationOff(core: CoreApi): void {
  core.set(EL1.sctlr, SCTLR_EL1_RES1 | SCTLR.SPAN | SCTLR.nTWI | SCTLR.nTWE, 0);
  core.set(EL2.sctlr, SCTLR_EL2_RES1, 0);
}

/**
 * Go on at `pc` as after a power-down that something kept interrupts and timers alive in: at the level of a reset with
 * everything masked and translation off. What software restores by itself is as it was.
 */
export function resumeAfterPowerDown(pe: ArmPe, pc: bigint): void {
  const { core, vm } = pe;
  translationOff(core);
  if (!vm) core.set(EL2.hcr, HCR.RW, 0);
  core.set(PSTATE.daif, SPSR.DAIF, 0);
  core.set(PSTATE.il, 0, 0);
  core.clearReservation();
  core.setBig(armLayout.pc, pc);
  pe.contexts.refresh();
  pe.setLevel(vm ? 1 : 2, 1);
}
