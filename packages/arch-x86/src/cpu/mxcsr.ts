import type { CoreApi } from "@hypercraft/engine";
import { PACKED } from "./mode.js";
import { MXCSR, x86Layout } from "./state.js";

// MXCSR: its exception flags are the engine's floating-point flags in another order.

/** By bit of MXCSR: IE, DE, ZE, OE, UE and PE in the engine's numbering. */
const ENGINE_FLAGS = [16, 32, 8, 4, 2, 1] as const;
const EXCEPTION_FLAGS = 0x3f;

/** Flags in the engine's numbering from those in the order of MXCSR's low bits. */
export const engineFlagsOf = (bits: number): number =>
  ENGINE_FLAGS.reduce((flags, flag, i) => flags | ((bits >> i) & 1 ? flag : 0), 0);

/** MXCSR as instructions see it. */
export function readMxcsr(core: Pick<CoreApi, "lo">): number {
  const raised = core.lo(x86Layout.fpFlags);
  const flags = ENGINE_FLAGS.reduce((bits, flag, i) => bits | ((raised & flag) !== 0 ? 1 << i : 0), 0);
  return core.lo(MXCSR) | flags;
}

/** Take a value over; bits 31:16 must be clear. */
export function writeMxcsr(core: Pick<CoreApi, "set">, value: number): void {
  core.set(MXCSR, value & ~EXCEPTION_FLAGS, 0);
  core.set(x86Layout.fpFlags, engineFlagsOf(value), 0);
}

const DENORMALS_ARE_ZERO = 1 << 6;
const FLUSH_TO_ZERO = 1 << 15;
const MASKS = 0x1f80;
const OVERFLOW_MASK = 1 << 10;
const UNDERFLOW_MASK = 1 << 11;

/** What MXCSR contributes to the mode of code, packed. Tiny results are only flushed while underflow is masked. */
export function packedSimdMode(core: Pick<CoreApi, "lo">): number {
  const value = core.lo(MXCSR);
  const flushed = (value & (FLUSH_TO_ZERO | UNDERFLOW_MASK)) === (FLUSH_TO_ZERO | UNDERFLOW_MASK);
  return (
    (((value >> 13) & 3) << PACKED.rounding) |
    (flushed ? PACKED.flushToZero : 0) |
    ((value & DENORMALS_ARE_ZERO) !== 0 ? PACKED.denormalsAreZero : 0) |
    ((value & MASKS) !== MASKS ? PACKED.unmasked : 0) |
    ((value & OVERFLOW_MASK) === 0 ? PACKED.trapOverflow : 0) |
    ((value & UNDERFLOW_MASK) === 0 ? PACKED.trapUnderflow : 0)
  );
}
