import { H_INTERRUPTS, MEDELEG_H_MASK, MEDELEG_MASK, S_INTERRUPTS } from "./causes.js";
import { COUNTEREN_MASK } from "./counters.js";
import type { RiscvHart } from "./hart.js";
import {
  H,
  interruptLines,
  M,
  pmpaddr,
  pmpcfg,
  privilege,
  riscvLayout,
  VS,
  virtualization,
} from "./state.js";
import { ENVCFG, HSTATUS, SXL_64_HI, UXL_64_HI } from "./status-bits.js";

/** NAPOT, R, W and X. */
const PMP_EVERYTHING = 0x1f;

/**
 * The state after a reset (machine chapter, "Reset"), which the manual leaves open for the most part: here
 * all else is zero. Interrupt inputs keep their levels, as they belong to others.
 */
export function resetState(hart: RiscvHart, pc: bigint): void {
  const { core, features } = hart;
  const lines = core.lo(interruptLines);
  for (const field of riscvLayout.fields.values()) core.setBig(field, 0n);
  core.set(interruptLines, lines, 0);
  core.setBig(riscvLayout.pc, pc);
  core.set(M.status, 0, UXL_64_HI | SXL_64_HI);
  core.set(privilege, 3, 0);
  core.set(virtualization, 0, 0);
  const adue = features.svadu && features.adueAtReset ? ENVCFG.ADUE_HI : 0;
  core.set(M.envcfg, 0, adue);
  if (features.h) {
    // Hypervisors older than Svadu leave it as it is, and their guests' tables without A and D bits.
    core.set(H.envcfg, 0, adue);
    core.set(M.ideleg, H_INTERRUPTS, 0);
    core.set(H.status, 0, HSTATUS.VSXL_64_HI);
    core.set(VS.status, 0, UXL_64_HI);
  }
  core.clearReservation();
  if (hart.vm) presetFirmware(hart);
}

/**
 * What firmware does before it hands over to a hypervisor: everything is delegated to HS-mode, memory is
 * open, counters and extensions are on.
 */
function presetFirmware({ core, features }: RiscvHart): void {
  core.set(privilege, 1, 0);
  core.set(M.edeleg, MEDELEG_MASK | MEDELEG_H_MASK, 0);
  core.set(M.ideleg, S_INTERRUPTS | H_INTERRUPTS, 0);
  core.set(M.counteren, COUNTEREN_MASK, 0);
  let environment = 0;
  if (features.zicbom) environment |= ENVCFG.CBIE | ENVCFG.CBCFE;
  if (features.zicboz) environment |= ENVCFG.CBZE;
  const timers = features.sstc ? ENVCFG.STCE_HI : 0;
  core.set(M.envcfg, environment, timers | core.hi(M.envcfg));
  core.set(pmpcfg[0]!, PMP_EVERYTHING, 0);
  core.set(pmpaddr[0]!, -1, 0x3f_ffff);
}
