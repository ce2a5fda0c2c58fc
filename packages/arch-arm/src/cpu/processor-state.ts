import type { CoreApi } from "@hypercraft/engine";
import { SPSR } from "./control-bits.js";
import { FLAGS, PSTATE } from "./state.js";

/** PSTATE in the form of SPSR_ELx. */
export function readSpsr(core: CoreApi): number {
  let value = core.lo(PSTATE.daif) & SPSR.DAIF;
  if (core.hi(FLAGS.n) < 0) value |= SPSR.N;
  if (core.lo(FLAGS.z) === 0 && core.hi(FLAGS.z) === 0) value |= SPSR.Z;
  if ((core.lo(FLAGS.c) & 1) !== 0) value |= SPSR.C;
  if (core.hi(FLAGS.v) < 0) value |= SPSR.V;
  if (core.lo(PSTATE.pan) !== 0) value |= SPSR.PAN;
  if (core.lo(PSTATE.ss) !== 0) value |= SPSR.SS;
  if (core.lo(PSTATE.il) !== 0) value |= SPSR.IL;
  return value | (core.lo(PSTATE.currentEl) << 2) | core.lo(PSTATE.spSel);
}

/** N, Z, C and V from bits 31..28. */
export function writeFlags(core: CoreApi, value: number): void {
  core.set(FLAGS.n, 0, value & SPSR.N);
  core.set(FLAGS.z, (value & SPSR.Z) !== 0 ? 0 : 1, 0);
  core.set(FLAGS.c, (value & SPSR.C) !== 0 ? 1 : 0, 0);
  core.set(FLAGS.v, 0, (value & SPSR.V) !== 0 ? SPSR.N : 0);
}
