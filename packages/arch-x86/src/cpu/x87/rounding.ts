import {
  BIAS,
  bitLength,
  type Exact,
  type Float80,
  INTEGER_BIT,
  infinity,
  MAX_EXPONENT,
  zero,
} from "./number.js";

// Rounding and what it raises: SDM volume 1, 4.8.4, 8.1.5 and 8.5.

/** Exceptions where the status word flags them and the control word masks them. */
export const Exception = {
  invalid: 1,
  denormal: 2,
  zeroDivide: 4,
  overflow: 8,
  underflow: 16,
  precision: 32,
  /** Not an exception by itself: an invalid operation was one of the stack. */
  stackFault: 64,
} as const;
const EXCEPTIONS = 0x3f;
/** Found before anything is computed. */
const BEFORE_COMPUTATION = Exception.invalid | Exception.denormal | Exception.zeroDivide;

/** Significant bits by precision control; 1 is reserved. */
const PRECISIONS = [24, 64, 53, 64] as const;
const DOWN = 1;
const UP = 2;
/** What results that are not representable are multiplied or divided by, as a power of two, if that is not masked. */
const ADJUSTMENT = 24576;

/** The numbers of a format: significant bits, and the exponents of 1.xxx numbers. */
export interface Format {
  readonly precision: number;
  readonly minExponent: number;
  readonly maxExponent: number;
}

/** A rounded magnitude: `m` times 2 to the `exponent` - (precision - 1). */
export interface Rounded {
  readonly m: bigint;
  readonly exponent: number;
  readonly infinite: boolean;
}

/** One instruction's arithmetic: the control word in, exceptions and condition codes out. */
export class Environment {
  readonly control: number;
  /** What was raised, as in the status word. */
  flags = 0;
  /** C1 of instructions that round: the last rounding was away from zero. */
  roundedUp = false;

  constructor(control: number) {
    this.control = control;
  }

  raise(flags: number): void {
    this.flags |= flags;
  }

  isUnmasked(flag: number): boolean {
    return (this.control & flag) === 0;
  }

  /** The instruction must not deliver its result. */
  get blocked(): boolean {
    return (this.flags & ~this.control & BEFORE_COMPUTATION) !== 0;
  }

  /** What is to be flagged: nothing of the computation if that was not to take place. */
  get settled(): number {
    return this.blocked ? this.flags & (BEFORE_COMPUTATION | Exception.stackFault) : this.flags;
  }

  /** RC: 0 nearest even, 1 down, 2 up, 3 to zero. */
  get rounding(): number {
    return (this.control >> 10) & 3;
  }

  get precision(): number {
    return PRECISIONS[(this.control >> 8) & 3] as number;
  }

  /** `m` without its `drop` lowest bits. */
  cut(
    sign: 0 | 1,
    m: bigint,
    drop: number,
    rounding = this.rounding,
  ): { value: bigint; inexact: boolean; up: boolean } {
    if (drop <= 0) return { value: m << BigInt(-drop), inexact: false, up: false };
    const bits = BigInt(Math.min(drop, bitLength(m) + 2));
    const value = m >> bits;
    const rest = m - (value << bits);
    if (rest === 0n) return { value, inexact: false, up: false };
    const up =
      rounding === 0 ? aboveHalf(value, rest, 1n << (bits - 1n)) : rounding === (sign === 1 ? DOWN : UP);
    return { value: up ? value + 1n : value, inexact: true, up };
  }

  /**
   * Round a magnitude that is not zero to a format; `m` may have its lowest bit set in place of bits below. With
   * `adjust`, overflow and underflow that are not masked give results with another exponent.
   */
  round(sign: 0 | 1, { m, q }: Exact, format: Format, adjust: boolean): Rounded {
    const { precision, minExponent, maxExponent } = format;
    const drop = bitLength(m) - precision;
    const first = this.cut(sign, m, drop);
    const carry = first.value >> BigInt(precision);
    const value = first.value >> carry;
    let exponent = q + drop + precision - 1 + Number(carry);
    const { inexact, up } = first;
    if (exponent < minExponent) {
      if (adjust && this.isUnmasked(Exception.underflow)) {
        this.raise(Exception.underflow);
        exponent += ADJUSTMENT;
        if (exponent < minExponent) return this.deliver({ m: 0n, exponent, infinite: false }, true, false);
      } else {
        const denormal = this.cut(sign, m, minExponent - (precision - 1) - q);
        // Tiny results count if they are inexact, or if it is not masked.
        if (denormal.inexact || this.isUnmasked(Exception.underflow)) this.raise(Exception.underflow);
        const result = { m: denormal.value, exponent: minExponent, infinite: false };
        return this.deliver(result, denormal.inexact, denormal.up);
      }
    } else if (exponent > maxExponent) {
      this.raise(Exception.overflow);
      const unmasked = this.isUnmasked(Exception.overflow);
      if (adjust && unmasked) exponent -= ADJUSTMENT;
      if (exponent > maxExponent) {
        // If another exponent does not help either, the result is infinite.
        const away =
          (adjust && unmasked) || this.rounding === 0 || this.rounding === (sign === 1 ? DOWN : UP);
        const largest = (1n << BigInt(precision)) - 1n;
        const result = { m: away ? 0n : largest, exponent: maxExponent, infinite: away };
        return this.deliver(result, true, away);
      }
    }
    return this.deliver({ m: value, exponent, infinite: false }, inexact, up);
  }

  private deliver(result: Rounded, inexact: boolean, up: boolean): Rounded {
    if (inexact) this.raise(Exception.precision);
    this.roundedUp = up;
    return result;
  }

  /** Round to a register, by precision control unless told otherwise. Zero stays zero. */
  result(sign: 0 | 1, value: Exact, precision = this.precision): Float80 {
    if (value.m === 0n) return zero(sign);
    const format = { precision, minExponent: 1 - BIAS, maxExponent: BIAS };
    const { m, exponent, infinite } = this.round(sign, value, format, true);
    if (infinite) return infinity(sign);
    const significand = m << BigInt(64 - precision);
    const normal = significand >= INTEGER_BIT;
    return { sign, exponent: normal ? Math.min(exponent + BIAS, MAX_EXPONENT) : 0, significand };
  }
}

function aboveHalf(value: bigint, rest: bigint, half: bigint): boolean {
  return rest > half || (rest === half && (value & 1n) === 1n);
}

/** The exceptions of a status word that are not masked. */
export const unmaskedOf = (status: number, control: number): number => status & ~control & EXCEPTIONS;
