import { wasm } from "@hypercraft/engine";
import { X87 } from "../../state.js";
import {
  BIAS,
  EXPONENT,
  exponentOf,
  type Frame,
  giveUpIf,
  isSmaller,
  isZero,
  type Operand,
  SIGN,
  TOP_BIT,
} from "./frame.js";
import { Rounding } from "./rounding.js";
import {
  align,
  divide,
  isZeroWide,
  multiplyWide,
  newWide,
  normalize,
  setDifference,
  type Wide,
} from "./wide.js";

// Sums, products, quotients and square roots of normal numbers and zeros.

const { block, brIf, f64, i32, i64, loop, select, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/** ZE in the status word. */
const ZERO_DIVIDE = 4;
/** What stands for a rest above half and below it. */
const ABOVE_HALF = TOP_BIT + 1n;
/** The largest double below 2^63. */
const LARGEST_63 = 2 ** 63 - 1024;

/** Computes `x op y` into the register at `place`, and ends the function. */
export type Arithmetic = (frame: Frame, x: Operand, y: Operand, place: Local) => Expr;

const bothNormal = (frame: Frame, x: Operand, y: Operand): Expr =>
  i32.and(frame.isNormal(x), frame.isNormal(y));

/** Write a result and end. */
function deliver(frame: Frame, place: Local, word: Expr, significand: Expr, raised: Expr | number): Expr {
  return seq(frame.write(place, word, significand), frame.finish(raised));
}

const infinite = (frame: Frame, place: Local, sign: Expr, raised: number): Expr =>
  deliver(frame, place, i32.or(sign, EXPONENT), i64.const(TOP_BIT), raised);

/** Round and deliver a number that is not zero; `sign` is where registers have it. */
function conclude(frame: Frame, place: Local, sign: Local, exponent: Local, wide: Wide): Expr {
  const rounding = new Rounding(frame);
  return seq(
    rounding.round(wide, exponent, sign),
    deliver(frame, place, i32.or(exponent, sign), wide.high, rounding.raised),
  );
}

/** The sign of a sum that is zero although its terms were not both of that sign. */
const cancelled = (frame: Frame): Expr =>
  i32.shl(i32.eq(i32.and(frame.get32(X87.control), 0xc00), 0x400), 15);

/** x + y, or with signs changed where `negateX` and `negateY` say so. */
export const sum =
  (negateX: boolean, negateY: boolean): Arithmetic =>
  (frame, x, y, place) => {
    const { f } = frame;
    const moved = f.local("i64");
    const [distance, sign, exponent] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const wide = newWide(frame.f);
    const { high, low } = wide;
    const negate = ({ word }: Operand, doIt: boolean) => (doIt ? word.set(i32.xor(word, SIGN)) : seq());
    const exchange = when(isSmaller(x, y), [
      moved.set(x.significand),
      x.significand.set(y.significand),
      y.significand.set(moved),
      distance.set(x.word),
      x.word.set(y.word),
      y.word.set(distance),
    ]);
    const carry = i64.extend_i32_u(i64.lt_u(high, x.significand));
    return seq(
      negate(x, negateX),
      negate(y, negateY),
      when(i32.eqz(bothNormal(frame, x, y)), [
        frame.requireOrdered(x),
        frame.requireOrdered(y),
        when(frame.isInfinite(x), [
          giveUpIf(i32.and(frame.isInfinite(y), i32.ne(x.word, y.word))),
          deliver(frame, place, x.word, x.significand, 0),
        ]),
        when(frame.isInfinite(y), [deliver(frame, place, y.word, y.significand, 0)]),
        when(i64.eqz(i64.or(x.significand, y.significand)), [
          sign.set(select("i32", i32.eq(x.word, y.word), x.word, cancelled(frame))),
          deliver(frame, place, sign, i64.const(0), 0),
        ]),
      ]),
      exchange,
      exponent.set(exponentOf(x)),
      sign.set(i32.and(x.word, SIGN)),
      distance.set(i32.sub(exponent, exponentOf(y))),
      align(frame.f, y.significand, distance, wide),
      when(
        i32.and(i32.xor(x.word, y.word), SIGN),
        [
          low.set(i64.sub(0, low)),
          high.set(i64.sub(i64.sub(x.significand, high), i64.extend_i32_u(i64.ne(low, 0)))),
          when(isZeroWide(wide), [deliver(frame, place, cancelled(frame), i64.const(0), 0)]),
          normalize(f, wide, exponent),
        ],
        [
          high.set(i64.add(high, x.significand)),
          moved.set(carry),
          low.set(
            i64.or(i64.or(i64.shr_u(low, moved), i64.and(low, moved)), i64.shl(i64.and(high, moved), 63)),
          ),
          high.set(i64.or(i64.shr_u(high, moved), i64.shl(moved, 63))),
          exponent.set(i32.add(exponent, i32.wrap_i64(moved))),
        ],
      ),
      conclude(frame, place, sign, exponent, wide),
    );
  };

/** x * y. */
export const product: Arithmetic = (frame, x, y, place) => {
  const { f } = frame;
  const [sign, exponent] = [f.local("i32"), f.local("i32")];
  const wide = newWide(frame.f);
  const { high, low } = wide;
  const by = f.local("i64");
  return seq(
    sign.set(i32.and(i32.xor(x.word, y.word), SIGN)),
    when(i32.eqz(bothNormal(frame, x, y)), [
      frame.requireOrdered(x),
      frame.requireOrdered(y),
      when(i32.or(frame.isInfinite(x), frame.isInfinite(y)), [
        giveUpIf(i32.or(isZero(x), isZero(y))),
        infinite(frame, place, sign, 0),
      ]),
      when(i32.or(isZero(x), isZero(y)), [deliver(frame, place, sign, i64.const(0), 0)]),
    ]),
    multiplyWide(f, x.significand, y.significand, wide),
    by.set(i64.xor(i64.shr_u(high, 63), 1)),
    high.set(i64.or(i64.shl(high, by), i64.and(i64.shr_u(low, 63), by))),
    low.set(i64.shl(low, by)),
    exponent.set(i32.sub(i32.add(exponentOf(x), exponentOf(y)), i32.add(i32.wrap_i64(by), BIAS - 1))),
    conclude(frame, place, sign, exponent, wide),
  );
};

/** What is left behind a quotient or root, as the bits behind it: none, or below, at or above half. */
function restBits(rest: Expr, half: Expr): Expr {
  const above = select("i64", i64.gt_u(rest, half), ABOVE_HALF, 1n);
  return select("i64", i64.eqz(rest), 0n, above);
}

/** x / y. */
export const quotient: Arithmetic = (frame, x, y, place) => {
  const { f } = frame;
  const [sign, exponent] = [f.local("i32"), f.local("i32")];
  const wide = newWide(frame.f);
  const dividend = newWide(f);
  const rest = dividend.high;
  const divisor = y.significand;
  return seq(
    sign.set(i32.and(i32.xor(x.word, y.word), SIGN)),
    when(i32.eqz(bothNormal(frame, x, y)), [
      frame.requireOrdered(x),
      frame.requireOrdered(y),
      when(frame.isInfinite(x), [giveUpIf(frame.isInfinite(y)), infinite(frame, place, sign, 0)]),
      when(isZero(y), [
        giveUpIf(isZero(x)),
        frame.requireMasks(frame.get32(X87.control)),
        infinite(frame, place, sign, ZERO_DIVIDE),
      ]),
      deliver(frame, place, sign, i64.const(0), 0),
    ]),
    exponent.set(i32.add(i32.sub(exponentOf(x), exponentOf(y)), BIAS)),
    // The dividend has 128 bits, of which the upper ones are less than the divisor.
    when(
      i64.lt_u(x.significand, divisor),
      [exponent.set(i32.sub(exponent, 1)), rest.set(x.significand), dividend.low.set(i64.const(0))],
      [rest.set(i64.shr_u(x.significand, 1)), dividend.low.set(i64.shl(x.significand, 63))],
    ),
    divide(f, dividend, divisor, wide.high),
    // The rest is less than the divisor: twice as much may not fit.
    wide.low.set(
      select("i64", i64.eq(rest, i64.sub(divisor, rest)), TOP_BIT, restBits(rest, i64.sub(divisor, rest))),
    ),
    conclude(frame, place, sign, exponent, wide),
  );
};

/** The square root of ST(0). */
export function squareRoot(frame: Frame): Expr {
  const { f } = frame;
  const place = f.local("i32");
  const x = frame.operand();
  const exponent = f.local("i32");
  const [root, change] = [f.local("i64"), f.local("i64")];
  const zero = f.local("i32");
  const [radicand, square, wide] = [newWide(frame.f), newWide(frame.f), newWide(frame.f)];
  const { high, low } = radicand;
  /** What is left of the radicand: `square` becomes it. */
  const subtractSquare = seq(multiplyWide(f, root, root, square), setDifference(square, radicand, square));
  const isNegative = i64.lt_s(square.high, 0);
  /** More is left than twice the root. */
  const isMuch = i32.or(
    i64.gt_s(square.high, 1),
    i32.and(i64.eq(square.high, 1), i64.gt_u(square.low, i64.shl(root, 1))),
  );
  return seq(
    frame.readTop(place, x),
    zero.set(i32.const(0)),
    when(i32.eqz(frame.isNormal(x)), [
      frame.requireUsual(x),
      deliver(frame, place, x.word, x.significand, 0),
    ]),
    giveUpIf(i32.and(x.word, SIGN)),
    exponent.set(x.word),
    // The radicand has 127 or 128 bits, so that its root has 64.
    when(
      i32.and(exponent, 1),
      [high.set(i64.shr_u(x.significand, 1)), low.set(i64.shl(x.significand, 63))],
      [high.set(x.significand), low.set(i64.const(0))],
    ),
    exponent.set(i32.shr_u(i32.add(exponent, BIAS), 1)),
    root.set(
      i64.shl(i64.trunc_f64_s(f64.min(f64.mul(f64.sqrt(f64.convert_i64_u(high)), 2 ** 31), LARGEST_63)), 1),
    ),
    subtractSquare,
    // Newton's step from some 50 bits right to all but the last.
    change.set(
      i64.trunc_f64_s(
        f64.div(
          f64.add(
            f64.mul(f64.convert_i64_s(square.high), 2 ** 63),
            f64.convert_i64_u(i64.shr_u(square.low, 1)),
          ),
          f64.convert_i64_u(root),
        ),
      ),
    ),
    root.set(i64.add(root, change)),
    subtractSquare,
    block((right) => [
      loop((again) => [
        when(isNegative, [root.set(i64.sub(root, 1)), subtractSquare, wasm.br(again)]),
        brIf(right, i32.eqz(isMuch)),
        root.set(i64.add(root, 1)),
        subtractSquare,
        wasm.br(again),
      ]),
    ]),
    wide.high.set(root),
    wide.low.set(select("i64", i64.ne(square.high, 0), ABOVE_HALF, restBits(square.low, root))),
    conclude(frame, place, zero, exponent, wide),
  );
}
