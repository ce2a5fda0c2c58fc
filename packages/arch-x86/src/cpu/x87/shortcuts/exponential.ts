import { wasm } from "@hypercraft/engine";
import { exponentialLessOne, ln2 } from "../fixed-point.js";
import { BIAS, exponentOf, type Frame, giveUpIf, SIGN } from "./frame.js";
import { factorial, PRECISE, reciprocal, rounded, STEPS, series, takeStep } from "./series.js";
import { deliverRounded } from "./transcendental.js";
import { addTo, copy, newWide, normalize, setDifference, setWide, shiftLeft, shiftRightBy } from "./wide.js";

// F2XM1: with x = k/32 + f, 2^x - 1 = (2^(k/32) - 1) + 2^(k/32) (2^f - 1), and 2^f - 1 = y (1 + y/2 + y^2/6 + ...) for
// y = f ln 2.

const { i32, i64, seq, when } = wasm;

/** Below 2 to this, k is 0. */
const SMALL = -6;
/** y is given as a fraction that is so many bits larger. */
const SHIFT = 6;

/** 1/2, 1/6, 1/24 ... */
const COEFFICIENTS = () => Array.from({ length: 11 }, (_, i) => reciprocal(factorial(i + 2)));
const powerLessOne = (k: number): bigint =>
  k === STEPS ? 1n << PRECISE : exponentialLessOne((ln2(PRECISE) * BigInt(k)) / BigInt(STEPS), PRECISE);

/** ST(0) becomes 2 to its power, less 1. */
export function exponentialOfTwo(frame: Frame): wasm.Expr {
  const { f, library } = frame;
  const LN2 = rounded(ln2(PRECISE));
  const all = Array.from({ length: 2 * STEPS + 1 }, (_, i) => powerLessOne(i - STEPS));
  // Fractions of 2: the powers by half.
  const known = library.table("power-less-one", () =>
    all.map((value) => rounded(value < 0n ? -value : value, 127n)),
  );
  const powers = library.table("power", () =>
    all.map((value) => rounded((value + (1n << PRECISE)) >> 1n, 127n)),
  );
  const place = f.local("i32");
  const x = frame.operand();
  const [fraction, y, small, sum, term, result] = [
    newWide(f),
    newWide(f),
    newWide(f),
    newWide(f),
    newWide(f),
    newWide(f),
  ];
  const [exponent, sign, step, index, negative] = [
    f.local("i32"),
    f.local("i32"),
    f.local("i32"),
    f.local("i32"),
    f.local("i32"),
  ];
  const behind = i64.extend_i32_u(i32.sub(BIAS - 1, exponent));
  /** `y` (2^f - 1) / y by the series, in `sum`; `small` is y times 2^SHIFT. */
  const grow = seq(
    series(frame, sum, small, SHIFT, COEFFICIENTS(), i32.ne(negative, 0)),
    library.multiply(term, sum, y),
    when(negative, [setDifference(sum, y, term)], [copy(sum, y), addTo(sum, term)]),
  );
  return seq(
    frame.readTop(place, x),
    giveUpIf(i32.eqz(frame.isNormal(x))),
    exponent.set(exponentOf(x)),
    giveUpIf(i32.ge_u(exponent, BIAS)),
    sign.set(i32.and(x.word, SIGN)),
    when(
      i32.lt_u(exponent, BIAS + SMALL),
      [
        // Here y is normalised but for one bit, so that nothing is lost however small it is.
        negative.set(sign),
        setWide(fraction, x.significand, i64.const(0)),
        library.multiplyBy(y, fraction, LN2),
        copy(small, y),
        giveUpIf(i64.ge_u(behind, 128 + SHIFT - 1)),
        shiftRightBy(small, i64.sub(behind, SHIFT)),
        grow,
        copy(result, sum),
      ],
      [
        setWide(fraction, x.significand, i64.const(0)),
        shiftRightBy(fraction, behind),
        takeStep(fraction, step, negative),
        negative.set(i32.xor(negative, i32.shr_u(sign, 15))),
        library.multiplyBy(y, fraction, LN2),
        copy(small, y),
        shiftLeft(small, SHIFT),
        grow,
        index.set(wasm.select("i32", sign, i32.sub(STEPS, step), i32.add(step, STEPS))),
        powers(y, index),
        library.multiply(term, sum, y),
        shiftLeft(term, 1),
        known(y, index),
        // Of the power less 1 and what is left, the former is the larger and has the sign of x.
        when(
          i32.eq(negative, i32.shr_u(sign, 15)),
          [copy(result, y), addTo(result, term)],
          [setDifference(result, y, term)],
        ),
        exponent.set(i32.const(BIAS)),
      ],
    ),
    normalize(f, result, exponent),
    deliverRounded(frame, place, sign, exponent, result),
  );
}
