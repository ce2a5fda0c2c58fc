import { wasm } from "@hypercraft/engine";
import { ln2, logarithm } from "../fixed-point.js";
import { BIAS, exponentOf, type Frame, giveUpIf, SIGN, TOP_BIT } from "./frame.js";
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

// FYL2X and FYL2XP1. A number v from 0.75 to 1.5 is near 256/C for a C of nine bits: v C/256 = 1 + z, which is exact, and
// log2 v = log2(256/C) + log2(1 + z), where log2(1 + z) = z (1 - z/2 + z^2/3 - ...) / ln 2.

const { i32, i64, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/** v is in units of 2^-6, from 44 to 95. */
const [FIRST, LAST] = [44, 95];
const UNIT_SHIFT = 6;
/** Around 1, z is v - 1. */
const AROUND_ONE = [63, 64];
/** Fraction bits of v. */
const V_BITS = 120;
/** Fraction bits of a sum with the exponent. */
const SUM_BITS = 112n;
/** z is given as a fraction that is so many bits larger. */
const SHIFT = 6;

const multiplier = (unit: number): number =>
  AROUND_ONE.includes(unit) ? 256 : Math.round((256 * 128) / (2 * unit + 1));
const MULTIPLIERS = Array.from({ length: LAST - FIRST + 1 }, (_, i) => multiplier(FIRST + i));

/** log2(256 / C), two's complement. */
function logarithmOf(c: number): bigint {
  const natural = logarithm(256n, BigInt(c), PRECISE);
  return BigInt.asUintN(128, rounded((natural << PRECISE) / ln2(PRECISE), SUM_BITS));
}

/** 1/2, 1/3, 1/4 ... */
const COEFFICIENTS = () => Array.from({ length: 12 }, (_, i) => reciprocal(BigInt(i + 2)));

/** ST(1) becomes itself times log2 of what `prepare` makes of ST(0), and the stack is popped. */
function timesLogarithm(
  frame: Frame,
  x: ReturnType<Frame["operand"]>,
  prepare: (to: Logarithm) => Expr,
): Expr {
  const { f } = frame;
  const y = frame.operand();
  const [top, place, sign] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const log = new Logarithm(frame);
  const factor = newWide(f);
  return seq(
    frame.readTop(top, x),
    frame.readUsed(1, place, y),
    giveUpIf(i32.eqz(i32.and(frame.isNormal(x), frame.isNormal(y)))),
    prepare(log),
    sign.set(i32.and(i32.xor(y.word, i32.shl(log.negative, 15)), SIGN)),
    setWide(factor, y.significand, i64.const(0)),
    frame.library.multiply(log.result, log.result, factor),
    log.exponent.set(i32.add(log.exponent, i32.sub(exponentOf(y), BIAS - 1))),
    normalize(f, log.result, log.exponent),
    deliverRounded(frame, place, sign, log.exponent, log.result),
  );
}

/** A logarithm as it is computed. */
class Logarithm {
  /** Normalised, its exponent and whether it is negative. */
  readonly result: Wide;
  readonly exponent: Local;
  readonly negative: Local;
  private readonly frame: Frame;
  private readonly z: Wide;
  private readonly small: Wide;
  private readonly term: Wide;
  private readonly zNegative: Local;

  constructor(frame: Frame) {
    const { f } = frame;
    this.frame = frame;
    this.result = newWide(f);
    this.exponent = f.local("i32");
    this.negative = f.local("i32");
    this.z = newWide(f);
    this.small = newWide(f);
    this.term = newWide(f);
    this.zNegative = f.local("i32");
  }

  /** `result` = z log2(1 + z) / z / 2, for z a fraction at any scale, and `small` its value times 2^SHIFT. */
  private ofSmall(): Expr {
    const { frame, z, small, term, result, zNegative } = this;
    const { library } = frame;
    const halfOfReciprocal = rounded((1n << (2n * PRECISE - 1n)) / ln2(PRECISE));
    return seq(
      series(frame, result, small, SHIFT, COEFFICIENTS(), i32.eqz(zNegative)),
      library.multiply(term, result, z),
      when(zNegative, [copy(result, z), addTo(result, term)], [setDifference(result, z, term)]),
      library.multiplyBy(result, result, halfOfReciprocal),
    );
  }

  /** Of 1 + x, for |x| below 2^-6, whose significand, exponent and sign are given. */
  nearOne(significand: Expr, exponent: Expr, negative: Expr): Expr {
    const { frame, z, small, result, zNegative } = this;
    const behind = i64.extend_i32_u(i32.sub(BIAS - 1, this.exponent));
    return seq(
      zNegative.set(negative),
      this.exponent.set(exponent),
      // Half of it, lest a sum overflows.
      setWide(small, significand, i64.const(0)),
      setWide(z, i64.shr_u(small.high, 1), i64.shl(small.high, 63)),
      giveUpIf(i64.ge_u(i64.sub(behind, SHIFT), 127)),
      shiftRightBy(small, i64.sub(behind, SHIFT)),
      this.ofSmall(),
      // Twice half of it, and half of the reciprocal.
      this.exponent.set(i32.add(this.exponent, 2)),
      this.negative.set(zNegative),
      normalize(frame.f, result, this.exponent),
    );
  }

  /** Of v times 2^`power`; `v` has V_BITS fraction bits. It must not be 1. */
  of(v: Wide, power: Local): Expr {
    const { frame, z, small, term, result, zNegative, exponent } = this;
    const { f, library } = frame;
    const multipliers = library.table("multiplier", () => MULTIPLIERS.map(BigInt));
    const known = library.table("logarithm", () => MULTIPLIERS.map(logarithmOf));
    const [unit, by] = [f.local("i32"), newWide(f)];
    const special = i32.and(i32.eqz(power), i64.eq(by.low, 256));
    return seq(
      unit.set(i32.sub(i32.wrap_i64(i64.shr_u(v.high, V_BITS - 64 - UNIT_SHIFT)), FIRST)),
      giveUpIf(i32.gt_u(unit, LAST - FIRST)),
      multipliers(by, unit),
      // The product has 128 fraction bits, and a 1 in front of them or 0 and ones.
      library.multiplyByWord(z, v, by.low),
      zNegative.set(i64.lt_s(z.high, 0)),
      when(zNegative, [negate(z)]),
      when(
        special,
        [
          giveUpIf(isZeroWide(z)),
          exponent.set(i32.const(BIAS - 1)),
          normalize(f, z, exponent),
          small.high.set(z.high),
          this.nearOne(small.high, exponent, zNegative),
        ],
        [
          giveUpIf(i64.ne(i64.shr_u(z.high, 64 - SHIFT), 0)),
          copy(small, z),
          shiftLeft(small, SHIFT),
          this.ofSmall(),
          shiftRight(result, 128 - Number(SUM_BITS) - 1),
          when(zNegative, [negate(result)]),
          known(term, unit),
          addTo(result, term),
          result.high.set(i64.add(result.high, i64.shl(i64.extend_i32_s(power), Number(SUM_BITS) - 64))),
          this.negative.set(i64.lt_s(result.high, 0)),
          when(this.negative, [negate(result)]),
          giveUpIf(isZeroWide(result)),
          exponent.set(i32.const(BIAS + 127 - Number(SUM_BITS))),
          normalize(f, result, exponent),
        ],
      ),
    );
  }
}

/** FYL2X. */
export function logarithmTimes(frame: Frame): Expr {
  const x = frame.operand();
  return timesLogarithm(frame, x, (log) => {
    const v = newWide(frame.f);
    const power = frame.f.local("i32");
    return seq(
      giveUpIf(i32.and(x.word, SIGN)),
      // Of powers of 2, the logarithm is a whole number.
      giveUpIf(i64.eqz(i64.shl(x.significand, 1))),
      power.set(i32.sub(x.word, BIAS)),
      setWide(v, i64.shr_u(x.significand, 7), i64.shl(x.significand, 57)),
      when(i64.ge_u(i64.shl(x.significand, 1), TOP_BIT), [shiftRight(v, 1), power.set(i32.add(power, 1))]),
      log.of(v, power),
    );
  });
}

/** FYL2XP1. */
export function logarithmOfMoreTimes(frame: Frame): Expr {
  const x = frame.operand();
  return timesLogarithm(frame, x, (log) => {
    const { f } = frame;
    const [v, part] = [newWide(f), newWide(f)];
    const power = f.local("i32");
    const exponent = exponentOf(x);
    const behind = i64.extend_i32_u(i32.sub(BIAS + 6, exponent));
    return when(
      i32.lt_u(exponent, BIAS - 6),
      [log.nearOne(x.significand, exponent, i32.shr_u(x.word, 15))],
      [
        giveUpIf(i32.ge_u(exponent, BIAS - 1)),
        setWide(part, x.significand, i64.const(0)),
        shiftRightBy(part, i64.add(behind, 1)),
        setConstant(v, 1n << BigInt(V_BITS)),
        when(i32.and(x.word, SIGN), [setDifference(v, v, part)], [addTo(v, part)]),
        power.set(i32.const(0)),
        log.of(v, power),
      ],
    );
  });
}
