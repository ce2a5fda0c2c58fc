import { fromNaN, invalid, wholeNumber } from "./arithmetic.js";
import {
  BIAS,
  bitLength,
  exact,
  type Float80,
  INTEGER_BIT,
  isNaN80,
  kindOf,
  MAX_EXPONENT,
  zero,
} from "./number.js";
import { type Environment, Exception, type Format } from "./rounding.js";

// Conversions between memory formats and registers: SDM volume 1, 8.2.

/** A binary interchange format. */
interface Binary extends Format {
  readonly bits: number;
}

export const SINGLE: Binary = { bits: 32, precision: 24, minExponent: -126, maxExponent: 127 };
export const DOUBLE: Binary = { bits: 64, precision: 53, minExponent: -1022, maxExponent: 1023 };

/** A single or double as a register holds it. Raises nothing: a signaling NaN stays one. */
export function widen(bits: bigint, { bits: width, precision, maxExponent, minExponent }: Binary): Float80 {
  const fractionBits = BigInt(precision - 1);
  const sign = (bits >> BigInt(width - 1)) & 1n ? 1 : 0;
  const fraction = bits & ((1n << fractionBits) - 1n);
  const exponent = Number((bits >> fractionBits) & ((1n << BigInt(width - precision)) - 1n));
  const up = BigInt(64 - precision);
  if (exponent > 2 * maxExponent)
    return { sign, exponent: MAX_EXPONENT, significand: INTEGER_BIT | (fraction << up) };
  if (exponent > 0)
    return {
      sign,
      exponent: exponent - maxExponent + BIAS,
      significand: INTEGER_BIT | (fraction << up),
    };
  if (fraction === 0n) return zero(sign);
  const length = bitLength(fraction);
  const unbiased = minExponent - (precision - length);
  return { sign, exponent: unbiased + BIAS, significand: fraction << BigInt(64 - length) };
}

/** Does a single or double have the exponent of denormal ones, and a fraction? */
export function isDenormal(bits: bigint, { bits: width, precision }: Binary): boolean {
  const magnitude = bits & ((1n << BigInt(width - 1)) - 1n);
  return magnitude !== 0n && magnitude >> BigInt(precision - 1) === 0n;
}

/** A register as a single or double: undefined if it must not be stored. */
export function narrow(env: Environment, x: Float80, format: Binary): bigint | undefined {
  const { bits: width, precision, maxExponent, minExponent } = format;
  const fractionBits = BigInt(precision - 1);
  const all = BigInt(2 * maxExponent + 1) << fractionBits;
  const sign = x.sign === 1 ? 1n << BigInt(width - 1) : 0n;
  const kind = kindOf(x);
  const nan = fromNaN(env, x);
  if (nan !== undefined) {
    const fraction = (nan.significand & (INTEGER_BIT - 1n)) >> BigInt(64 - precision);
    // The indefinite number, for unsupported ones, has a sign of its own.
    return (nan.sign === 1 ? 1n << BigInt(width - 1) : 0n) | all | fraction;
  }
  if (kind === "infinity") return sign | all;
  if (kind === "zero") return sign;
  const { m, exponent, infinite } = env.round(x.sign, exact(x), format, false);
  if ((env.flags & ~env.control & (Exception.overflow | Exception.underflow)) !== 0) {
    // Nothing is stored, so nothing is rounded.
    env.flags &= ~Exception.precision;
    env.roundedUp = false;
    return undefined;
  }
  if (infinite) return sign | all;
  const normal = m >> fractionBits !== 0n;
  return sign | (normal ? (BigInt(exponent - minExponent) << fractionBits) + m : m);
}

/** A signed integer of some bits. */
export function fromInteger(bits: bigint, width: number): Float80 {
  const value = BigInt.asIntN(width, bits);
  return value < 0n ? wholeNumber(1, -value) : wholeNumber(0, value);
}

/** The magnitude of a register rounded to an integer, undefined if it is none or larger than `largest` allows. */
function toMagnitude(
  env: Environment,
  x: Float80,
  truncate: boolean,
  fits: (magnitude: bigint) => boolean,
): bigint | undefined {
  const kind = kindOf(x);
  const { m, q } = exact(x);
  if (isNaN80(kind) || kind === "infinity" || kind === "unsupported" || q > 0) {
    invalid(env);
    return undefined;
  }
  const { value, inexact, up } = env.cut(x.sign, m, -q, truncate ? 3 : env.rounding);
  if (!fits(value)) {
    invalid(env);
    return undefined;
  }
  if (inexact) env.raise(Exception.precision);
  env.roundedUp = up;
  return value;
}

/** A register as an integer of some bits; the most negative one if it does not fit. */
export function toInteger(env: Environment, x: Float80, width: number, truncate: boolean): bigint {
  const limit = 1n << BigInt(width - 1);
  const fits = (magnitude: bigint) => (x.sign === 1 ? magnitude <= limit : magnitude < limit);
  const magnitude = toMagnitude(env, x, truncate, fits);
  return BigInt.asUintN(width, magnitude === undefined ? limit : x.sign === 1 ? -magnitude : magnitude);
}

const LARGEST_DECIMAL = 10n ** 18n;
const DECIMAL_SIGN = 1n << 79n;
const DECIMAL_INDEFINITE = 0xffff_c000_0000_0000_0000n;

/** 18 decimal digits and a sign, in 80 bits. */
export function toDecimal(env: Environment, x: Float80): bigint {
  const magnitude = toMagnitude(env, x, false, (value) => value < LARGEST_DECIMAL);
  if (magnitude === undefined) return DECIMAL_INDEFINITE;
  const digits = BigInt(`0x${magnitude.toString(10)}`);
  return x.sign === 1 ? digits | DECIMAL_SIGN : digits;
}

/** The other way. What digits above nine mean is not defined: here, what they would count. */
export function fromDecimal(bits: bigint): Float80 {
  let magnitude = 0n;
  for (let i = 17n; i >= 0n; i--) magnitude = 10n * magnitude + ((bits >> (4n * i)) & 15n);
  return wholeNumber((bits & DECIMAL_SIGN) !== 0n ? 1 : 0, magnitude);
}

/** A register in 80 bits, and the other way. */
export const toExtended = ({ sign, exponent, significand }: Float80): bigint =>
  (BigInt((sign << 15) | exponent) << 64n) | significand;

export function fromExtended(significand: bigint, signAndExponent: number): Float80 {
  return {
    sign: (signAndExponent & 0x8000) !== 0 ? 1 : 0,
    exponent: signAndExponent & 0x7fff,
    significand,
  };
}
