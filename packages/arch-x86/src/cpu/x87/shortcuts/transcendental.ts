import { wasm } from "@hypercraft/engine";
import { type Frame, giveUpIf } from "./frame.js";
import { Rounding } from "./rounding.js";
import type { Wide } from "./wide.js";

// What transcendental instructions have in common. Their results are never exact, and are computed with some 80 bits:
// where those do not tell how to round, the helper computes again with more. So all results are rounded correctly.

const { i32, i64, seq } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/** How far from the truth results may be, in the unit of the lower half. */
const MARGIN = 1n << 52n;
const BELOW_TOP = (1n << 63n) - 1n;

/** Round a normalised result to 64 bits, whatever precision control says; gives up where that is not certain. */
export function roundFully(rounding: Rounding, sign: Local, exponent: Local, wide: Wide): Expr {
  return seq(
    giveUpIf(i64.lt_u(i64.and(i64.add(wide.low, MARGIN), BELOW_TOP), 2n * MARGIN)),
    rounding.round(wide, exponent, sign, true),
  );
}

/** The same, into the register at `place`; the function ends. */
export function deliverRounded(frame: Frame, place: Local, sign: Local, exponent: Local, wide: Wide): Expr {
  const rounding = new Rounding(frame);
  return seq(
    roundFully(rounding, sign, exponent, wide),
    frame.write(place, i32.or(exponent, sign), wide.high),
    frame.finish(rounding.raised),
  );
}
