import type { CoreApi } from "@hypercraft/engine";
import { engineFlagsOf } from "./mxcsr.js";
import { MXCSR, x86Layout } from "./state.js";

// SIMD floating-point exceptions that are not masked: SDM volume 1, 11.5.

const DIVIDE_BY_ZERO = 8;
const INVALID = 16;
const DENORMAL = 32;
/** Found before anything is computed; if one of them is to be reported, the others are not looked for. */
const BEFORE_COMPUTATION = INVALID | DENORMAL | DIVIDE_BY_ZERO;

/**
 * An instruction has raised flags; they become part of MXCSR's. `before`: the flags that were set already. True if it is
 * to end in #XM (or, without CR4.OSXMMEXCPT, #UD), writing nothing.
 */
export function settleSimdExceptions(core: Pick<CoreApi, "lo" | "set">, before: number): boolean {
  const unmasked = engineFlagsOf(~(core.lo(MXCSR) >> 7));
  let raised = core.lo(x86Layout.fpFlags);
  if ((raised & BEFORE_COMPUTATION & unmasked) !== 0) raised &= BEFORE_COMPUTATION;
  core.set(x86Layout.fpFlags, before | raised, 0);
  return (raised & unmasked) !== 0;
}
