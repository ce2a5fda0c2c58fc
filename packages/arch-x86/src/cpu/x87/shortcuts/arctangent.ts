import { wasm } from "@hypercraft/engine";
import { arctangent, pi } from "../fixed-point.js";
import { BIAS, exponentOf, type Frame, giveUpIf, isSmaller, SIGN } from "./frame.js";
import { PRECISE, reciprocal, rounded, series } from "./series.js";
import { deliverRounded } from "./transcendental.js";
import {
  addTo,
  copy,
  isZeroWide,
  negate,
  newWide,
  normalize,
  setConstant,
  setDifference,
  setWide,
  shiftLeft,
  shiftRight,
  shiftRightBy,
  type Wide,
} from "./wide.js";

// FPATAN. Of the two numbers, t is the smaller divided by the larger. For c = k/32 near t,
// arctan t = arctan c + arctan ((t - c) / (1 + t c)), and arctan u = u (1 - u^2/3 + u^4/5 - ...).

const { f64, i32, i64, seq, when } = wasm;
type Expr = wasm.Expr;

const STEPS = 32;
/** Fraction bits of angles up to pi. */
const ANGLE_BITS = 126n;
/** u is given as a fraction that is so many bits larger. */
const SHIFT = 6;
/** Numbers whose exponents are further apart are left to the helper. */
const FAR = 40;

/** 1/3, 1/5, 1/7 ... */
const COEFFICIENTS = () => Array.from({ length: 6 }, (_, i) => reciprocal(BigInt(2 * i + 3)));

function arctangentOf(k: number): bigint {
  if (k === STEPS) return rounded(pi(PRECISE) >> 2n, ANGLE_BITS);
  return rounded(arctangent((BigInt(k) << PRECISE) / BigInt(STEPS), PRECISE), ANGLE_BITS);
}

/** ST(1) becomes the angle of the point (ST(0), ST(1)), and the stack is popped. */
export function angleOfPoint(frame: Frame): Expr {
  const { f, library } = frame;
  const known = library.table("arctangent", () =>
    Array.from({ length: STEPS + 1 }, (_, k) => arctangentOf(k)),
  );
  const [x, y] = [frame.operand(), frame.operand()];
  const [top, place, sign] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const [swapped, distance, step] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const [exponent, divisorExponent, negative] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const [lesser, greater, numerator, denominator, u, square, sum, term, angle] = Array.from(
    { length: 9 },
    () => newWide(f),
  ) as [Wide, Wide, Wide, Wide, Wide, Wide, Wide, Wide, Wide];
  const wideStep = i64.extend_i32_u(step);
  /** u of the two numbers themselves. */
  const ofRatio = seq(
    setWide(numerator, i64.shr_u(lesser.high, 1), i64.shl(lesser.high, 63)),
    setWide(denominator, greater.high, i64.const(0)),
    library.divide(u, numerator, denominator),
    exponent.set(i32.sub(BIAS, distance)),
    normalize(f, u, exponent),
  );
  /** u by c: 32 t - k and 32 + k t, times the larger number. */
  const ofDifference = seq(
    shiftRightBy(lesser, i64.extend_i32_u(distance)),
    shiftRight(lesser, 7),
    shiftRight(greater, 7),
    library.multiplyByWord(term, greater, wideStep),
    library.multiplyByWord(denominator, lesser, wideStep),
    shiftLeft(lesser, 5),
    shiftLeft(greater, 5),
    setDifference(numerator, lesser, term),
    addTo(denominator, greater),
    negative.set(i64.lt_s(numerator.high, 0)),
    when(negative, [negate(numerator)]),
    exponent.set(i32.const(BIAS)),
    setWide(u, i64.const(0), i64.const(0)),
    when(i32.eqz(isZeroWide(numerator)), [
      divisorExponent.set(i32.const(0)),
      normalize(f, numerator, exponent),
      normalize(f, denominator, divisorExponent),
      exponent.set(i32.sub(exponent, divisorExponent)),
      shiftRight(numerator, 1),
      library.divide(u, numerator, denominator),
      normalize(f, u, exponent),
    ]),
  );
  return seq(
    frame.readTop(top, x),
    frame.readUsed(1, place, y),
    giveUpIf(i32.eqz(i32.and(frame.isNormal(x), frame.isNormal(y)))),
    sign.set(i32.and(y.word, SIGN)),
    swapped.set(isSmaller(x, y)),
    distance.set(i32.sub(exponentOf(x), exponentOf(y))),
    setWide(lesser, y.significand, i64.const(0)),
    setWide(greater, x.significand, i64.const(0)),
    when(swapped, [
      distance.set(i32.sub(0, distance)),
      lesser.high.set(x.significand),
      greater.high.set(y.significand),
    ]),
    giveUpIf(i32.ge_u(distance, FAR)),
    step.set(
      i32.wrap_i64(
        i64.trunc_f64_s(
          f64.add(
            f64.div(
              f64.convert_i64_u(i64.shr_u(lesser.high, i64.extend_i32_u(distance))),
              f64.mul(f64.convert_i64_u(greater.high), 1 / STEPS),
            ),
            0.5,
          ),
        ),
      ),
    ),
    negative.set(i32.const(0)),
    when(step, [ofDifference], [ofRatio]),
    // The series of u, which is a fraction of 2 to its exponent.
    copy(term, u),
    shiftRightBy(term, i64.extend_i32_u(i32.sub(BIAS - 1 - SHIFT, exponent))),
    library.multiply(square, term, term),
    series(frame, sum, square, 2 * SHIFT, COEFFICIENTS(), true),
    library.multiply(sum, sum, u),
    setDifference(angle, u, sum),
    when(i32.or(i32.or(step, swapped), i32.and(x.word, SIGN)), [
      copy(term, angle),
      shiftRightBy(term, i64.extend_i32_u(i32.sub(BIAS + 1, exponent))),
      known(angle, step),
      when(negative, [setDifference(angle, angle, term)], [addTo(angle, term)]),
      when(swapped, [
        setConstant(term, rounded(pi(PRECISE) >> 1n, ANGLE_BITS)),
        setDifference(angle, term, angle),
      ]),
      when(i32.and(x.word, SIGN), [
        setConstant(term, rounded(pi(PRECISE), ANGLE_BITS)),
        setDifference(angle, term, angle),
      ]),
      exponent.set(i32.const(BIAS + 127 - Number(ANGLE_BITS))),
    ]),
    normalize(f, angle, exponent),
    deliverRounded(frame, place, sign, exponent, angle),
  );
}
