import { wasm } from "@hypercraft/engine";
import type { Frame } from "./frame.js";
import {
  addTo,
  negate,
  newWide,
  setConstant,
  setDifference,
  setWide,
  shiftRight,
  type Wide,
} from "./wide.js";

// Power series of small numbers, and constants: fractions of 128 bits.

const { i32, i64, seq, when } = wasm;
type Expr = wasm.Expr;

const FRACTION = 128n;
/** Bits that constants are computed with. */
export const PRECISE = 160n;

/** A fixed-point number with `PRECISE` fraction bits as one with `bits`, to nearest. */
export const rounded = (value: bigint, bits = FRACTION): bigint =>
  ((value >> (PRECISE - bits - 1n)) + 1n) >> 1n;

/** 1 / n as a fraction. */
export const reciprocal = (n: bigint): bigint => rounded((1n << PRECISE) / n);

export const factorial = (n: number): bigint => (n < 2 ? 1n : BigInt(n) * factorial(n - 1));

/** Numbers are taken apart: k/32 and the rest. */
const STEP_BITS = 5;
export const STEPS = 1 << STEP_BITS;

/**
 * Take the nearest multiple of 1/32 away from a fraction: `step` becomes its number. What is left is `fraction`, or
 * minus that where `negative` becomes 1.
 */
export const takeStep = (fraction: Wide, step: wasm.Local, negative: wasm.Local): Expr =>
  seq(
    step.set(i32.wrap_i64(i64.shr_u(i64.add(i64.shr_u(fraction.high, 63 - STEP_BITS), 1), 1))),
    fraction.high.set(i64.sub(fraction.high, i64.shl(i64.extend_i32_u(step), 64 - STEP_BITS))),
    negative.set(i64.lt_s(fraction.high, 0)),
    when(negative, [negate(fraction)]),
  );

/** How many of the coefficients are added with 128 bits: the others matter too little. */
const EXACT = 2;

/**
 * z (c0 + z (c1 + z (c2 + ...))), where z is `small` divided by 2^`shift`, and all coefficients and sums are less than 1.
 * `alternating`: signs alternate; or else where an expression is not zero.
 */
export function series(
  { f, library }: Pick<Frame, "f" | "library">,
  to: Wide,
  small: Wide,
  shift: number,
  coefficients: readonly bigint[],
  alternating: boolean | Expr,
): Expr {
  const sum = f.local("i64");
  const term = newWide(f);
  const coefficient = newWide(f);
  const choose = (plus: Expr, minus: Expr): Expr =>
    typeof alternating === "boolean" ? (alternating ? minus : plus) : when(alternating, [minus], [plus]);
  const half = (value: bigint) => BigInt.asIntN(64, value >> 64n);
  const last = coefficients.length - 1;
  const short = coefficients.slice(EXACT, last).reverse();
  const exact = coefficients.slice(0, EXACT).reverse();
  const next = i64.shr_u(library.high(small.high, sum), shift);
  return seq(
    sum.set(half(coefficients[last] as bigint)),
    ...short.map((c) => choose(sum.set(i64.add(half(c), next)), sum.set(i64.sub(half(c), next)))),
    setWide(to, sum, i64.const(0)),
    ...exact.map((c) =>
      seq(
        library.multiply(term, to, small),
        shiftRight(term, shift),
        setConstant(coefficient, c),
        choose(
          seq(setWide(to, coefficient.high, coefficient.low), addTo(to, term)),
          setDifference(to, coefficient, term),
        ),
      ),
    ),
    library.multiply(to, to, small),
    shiftRight(to, shift),
  );
}
