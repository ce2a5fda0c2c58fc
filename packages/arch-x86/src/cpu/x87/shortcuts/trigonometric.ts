import { wasm } from "@hypercraft/engine";
import { sineAndCosine } from "../fixed-point.js";
import { StatusBit } from "../stack.js";
import { BIAS, exponentOf, type Frame, giveUpIf, SIGN, TOP_BIT } from "./frame.js";
import type { Library } from "./library.js";
import { Rounding } from "./rounding.js";
import { factorial, PRECISE, reciprocal, rounded, STEPS, series, takeStep } from "./series.js";
import { roundFully } from "./transcendental.js";
import {
  addTo,
  copy,
  isLessWide,
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

// FSIN, FCOS, FSINCOS and FPTAN: what is left of the angle by multiples of pi/2 (which has 66 bits, SDM volume 1, 8.3.8) is
// k/32 + f, and sines and cosines of k/32 are known.

const { f64, i32, i64, ret, select, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

const { c2: C2 } = StatusBit;

/** Up to a little more than pi/4. */
const LAST = 26;
/** f is given as a fraction that is so many bits larger. */
const SHIFT = 5;
/** Fraction bits of angles that are reduced, and exponents of those that are not, and at least as small. */
const [ANGLE_BITS, LARGEST, SMALLEST] = [96, 30, -32];
const HALF_PI = 0xc_90fd_aa22_168c_234cn << BigInt(ANGLE_BITS - 67);
const TWO_OVER_PI = 2 / Math.PI;
/** What is left by the multiples is not used if it is less than 2^-40: few of its bits are there. */
const TINY = 64 - 40;
/** The function gives up. */
const NO_RESULT = -1;

/** 1/2!, 1/4!, 1/6! ... or 1/3!, 1/5!, 1/7! ... */
const coefficients = (first: number) =>
  Array.from({ length: 6 }, (_, i) => reciprocal(factorial(first + 2 * i)));
const known = (k: number): readonly [sine: bigint, cosine: bigint] =>
  sineAndCosine((BigInt(k) << PRECISE) / BigInt(STEPS), PRECISE);

/** The functions' values of one angle, fractions of 2, in globals. */
interface Values {
  /** Give the angle's quadrant, with bit 2 set if what is left is negative, or NO_RESULT. */
  readonly compute: wasm.FunctionBuilder;
  readonly sine: readonly wasm.Global[];
  readonly cosine: readonly wasm.Global[];
}

const made = new WeakMap<Library, Values>();

function valuesOf(library: Library): Values {
  let values = made.get(library);
  if (values === undefined) {
    values = writeValues(library);
    made.set(library, values);
  }
  return values;
}

/** Sine and cosine of what is left of an angle by its significand and exponent. */
function writeValues(library: Library): Values {
  const { module } = library;
  const f = module.func("sine-and-cosine", ["i64", "i32"], "i32");
  const [significand, exponent] = [f.arg(0), f.arg(1)];
  const [sine, cosine] = [
    [module.global("i64"), module.global("i64")],
    [module.global("i64"), module.global("i64")],
  ] as const;
  const all = Array.from({ length: LAST }, (_, k) => known(k));
  const sines = library.table("sine", () => all.map(([value]) => rounded(value, 127n)));
  const cosines = library.table("cosine", () => all.map(([, value]) => rounded(value, 127n)));
  const [rest, multiple, small, square, sum, term, ofSine, ofCosine, lost] = Array.from({ length: 9 }, () =>
    newWide(f),
  ) as [Wide, Wide, Wide, Wide, Wide, Wide, Wide, Wide, Wide];
  const [count, quadrant, step, negative] = [f.local("i64"), f.local("i32"), f.local("i32"), f.local("i32")];
  const noResultIf = (condition: Expr) => when(condition, [ret(i32.const(NO_RESULT))]);
  const by = (from: number) => i64.extend_i32_u(i32.sub(from, exponent));
  const reduce = seq(
    shiftRightBy(rest, by(BIAS + 127 - ANGLE_BITS)),
    count.set(
      i64.trunc_f64_s(
        f64.add(f64.mul(f64.convert_i64_u(rest.high), TWO_OVER_PI / 2 ** (ANGLE_BITS - 64)), 0.5),
      ),
    ),
    setConstant(multiple, HALF_PI),
    library.multiplyByWord(multiple, multiple, count),
    setDifference(rest, rest, multiple),
    negative.set(i64.lt_s(rest.high, 0)),
    when(negative, [negate(rest)]),
    // Of two multiples it has to be the nearer one: they are none of the true pi.
    setConstant(term, HALF_PI),
    setDifference(term, term, rest),
    when(isLessWide(term, rest), [
      copy(rest, term),
      count.set(select("i64", negative, i64.sub(count, 1), i64.add(count, 1))),
      negative.set(i32.eqz(negative)),
    ]),
    quadrant.set(i32.or(i32.and(i32.wrap_i64(count), 3), i32.shl(negative, 2))),
    shiftLeft(rest, 128 - ANGLE_BITS),
    noResultIf(i64.eqz(i64.shr_u(rest.high, TINY))),
  );
  /** `to` = `from` (1 - (1 - cos f)) + or - `other` sin f. */
  const combine = (to: readonly wasm.Global[], from: Wide, other: Wide, minus: Expr): Expr =>
    seq(
      library.multiply(term, from, lost),
      setDifference(sum, from, term),
      library.multiply(term, other, small),
      when(minus, [setDifference(sum, sum, term)], [addTo(sum, term)]),
      (to[0] as wasm.Global).set(sum.high),
      (to[1] as wasm.Global).set(sum.low),
    );
  f.body(
    noResultIf(i32.gt_u(i32.sub(exponent, BIAS + SMALLEST), LARGEST - SMALLEST)),
    setWide(rest, significand, i64.const(0)),
    when(i32.lt_u(exponent, BIAS - 1), [shiftRightBy(rest, by(BIAS - 1))], [reduce]),
    takeStep(rest, step, negative),
    noResultIf(i32.ge_u(step, LAST)),
    copy(small, rest),
    shiftLeft(small, SHIFT),
    library.multiply(square, small, small),
    // 1 - cos f, and then sin f in `small`.
    series({ f, library }, lost, square, 2 * SHIFT, coefficients(2), true),
    series({ f, library }, sum, square, 2 * SHIFT, coefficients(3), true),
    library.multiply(sum, sum, rest),
    setDifference(small, rest, sum),
    sines(ofSine, step),
    cosines(ofCosine, step),
    combine(sine, ofSine, ofCosine, negative),
    combine(cosine, ofCosine, ofSine, i32.eqz(negative)),
    quadrant,
  );
  return { compute: f, sine, cosine };
}

/** ST(0), and the functions of it. */
class Angle {
  readonly place: Local;
  private readonly frame: Frame;
  private readonly values: Values;
  private readonly x: ReturnType<Frame["operand"]>;
  private readonly found: Local;

  constructor(frame: Frame) {
    this.frame = frame;
    this.values = valuesOf(frame.library);
    this.place = frame.f.local("i32");
    this.x = frame.operand();
    this.found = frame.f.local("i32");
  }

  read(): Expr {
    const { frame, place, x, found, values } = this;
    return seq(
      frame.readTop(place, x),
      giveUpIf(i32.eqz(frame.isNormal(x))),
      found.set(values.compute.call(x.significand, exponentOf(x))),
      giveUpIf(i32.eq(found, NO_RESULT)),
      frame.status.set(i32.and(frame.status, ~C2)),
    );
  }

  /** Bring the sine (`turned` 0) or the cosine (1), with sign and exponent, normalised. */
  take(result: Wide, sign: Local, exponent: Local, turned: 0 | 1): Expr {
    const { frame, x, found, values } = this;
    const quadrant = i32.add(i32.and(found, 3), turned);
    const isCosine = i32.and(quadrant, 1);
    const [sineHigh, sineLow] = values.sine as [wasm.Global, wasm.Global];
    const [cosineHigh, cosineLow] = values.cosine as [wasm.Global, wasm.Global];
    const ofRest = select("i32", isCosine, i32.const(0), i32.shr_u(found, 2));
    const bit = i32.xor(i32.and(ofRest, 1), i32.and(i32.shr_u(quadrant, 1), 1));
    const own = turned === 0 ? i32.and(x.word, SIGN) : i32.const(0);
    return seq(
      when(isCosine, [setWide(result, cosineHigh, cosineLow)], [setWide(result, sineHigh, sineLow)]),
      sign.set(i32.xor(i32.shl(bit, 15), own)),
      exponent.set(i32.const(BIAS)),
      normalize(frame.f, result, exponent),
    );
  }
}

/** A result that is rounded. */
class Result {
  readonly wide: Wide;
  readonly sign: Local;
  readonly exponent: Local;
  readonly rounding: Rounding;

  constructor(frame: Frame) {
    this.wide = newWide(frame.f);
    this.sign = frame.f.local("i32");
    this.exponent = frame.f.local("i32");
    this.rounding = new Rounding(frame);
  }

  take(angle: Angle, turned: 0 | 1): Expr {
    return angle.take(this.wide, this.sign, this.exponent, turned);
  }

  round(): Expr {
    return roundFully(this.rounding, this.sign, this.exponent, this.wide);
  }

  get word(): Expr {
    return i32.or(this.exponent, this.sign);
  }
}

/** FSIN and FCOS. */
const oneOf =
  (turned: 0 | 1) =>
  (frame: Frame): Expr => {
    const angle = new Angle(frame);
    const result = new Result(frame);
    return seq(
      angle.read(),
      result.take(angle, turned),
      result.round(),
      frame.write(angle.place, result.word, result.wide.high),
      frame.finish(result.rounding.raised),
    );
  };
export const sine = oneOf(0);
export const cosine = oneOf(1);

const requireRoom = (frame: Frame): Expr => giveUpIf(i32.eqz(frame.isEmpty(frame.place(7))));

/** FSINCOS. */
export function both(frame: Frame): Expr {
  const angle = new Angle(frame);
  const [ofSine, ofCosine] = [new Result(frame), new Result(frame)];
  return seq(
    requireRoom(frame),
    angle.read(),
    ofSine.take(angle, 0),
    ofSine.round(),
    ofCosine.take(angle, 1),
    ofCosine.round(),
    frame.write(angle.place, ofSine.word, ofSine.wide.high),
    frame.push(ofCosine.word, ofCosine.wide.high, ofCosine.rounding.raised),
  );
}

/** FPTAN, which pushes a 1. */
export function tangent(frame: Frame): Expr {
  const { f, library } = frame;
  const angle = new Angle(frame);
  const [result, divisor] = [new Result(frame), new Result(frame)];
  return seq(
    requireRoom(frame),
    angle.read(),
    result.take(angle, 0),
    divisor.take(angle, 1),
    shiftRight(result.wide, 1),
    library.divide(result.wide, result.wide, divisor.wide),
    result.sign.set(i32.xor(result.sign, divisor.sign)),
    result.exponent.set(i32.add(i32.sub(result.exponent, divisor.exponent), BIAS)),
    normalize(f, result.wide, result.exponent),
    result.round(),
    frame.write(angle.place, result.word, result.wide.high),
    frame.push(i32.const(BIAS), i64.const(TOP_BIT), result.rounding.raised),
  );
}
