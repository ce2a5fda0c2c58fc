import {
  BIAS,
  bitLength,
  type Exact,
  exact,
  type Float80,
  INDEFINITE,
  infinity,
  isNaN80,
  kindOf,
  negated,
  quieted,
  signOf,
  withSign,
  zero,
} from "./number.js";
import { type Environment, Exception } from "./rounding.js";

// The basic arithmetic: SDM volume 2, FADD to FXTRACT, and volume 1, 8.3. Intermediate values are exact.

/** IE, and the indefinite number. */
export function invalid(env: Environment): Float80 {
  env.raise(Exception.invalid);
  return INDEFINITE;
}

/** What operands that are no numbers make of a result; undefined if all are numbers. SDM volume 1, table 4-7. */
export function fromNaN(env: Environment, x: Float80, y: Float80 = x): Float80 | undefined {
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (kx === "unsupported" || ky === "unsupported") return invalid(env);
  if (kx === "signaling" || ky === "signaling") env.raise(Exception.invalid);
  if (!isNaN80(kx)) return isNaN80(ky) ? quieted(y) : undefined;
  if (!isNaN80(ky)) return quieted(x);
  if (kx !== ky) return kx === "quiet" ? x : y;
  if (x.significand !== y.significand) return quieted(x.significand > y.significand ? x : y);
  return quieted(x.sign === 0 ? x : y);
}

/** DE, if there is reason. */
export function noteDenormals(env: Environment, ...operands: readonly Float80[]): void {
  if (operands.some((x) => kindOf(x) === "denormal")) env.raise(Exception.denormal);
}

/** Where one number lies this much higher, the other only decides about rounding. */
const FAR = 140;

/** x + y, and the sign of a zero where neither has one. */
export function add(env: Environment, x: Float80, y: Float80): Float80 {
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (kx === "infinity" && ky === "infinity" && x.sign !== y.sign) return invalid(env);
  noteDenormals(env, x, y);
  if (kx === "infinity") return x;
  if (ky === "infinity") return y;
  if (kx === "zero" && ky === "zero") return x.sign === y.sign ? x : zero(env.rounding === 1 ? 1 : 0);
  const { m, q } = addExact(x, y);
  if (m === 0n) return zero(env.rounding === 1 ? 1 : 0);
  return m < 0n ? env.result(1, { m: -m, q }) : env.result(0, { m, q });
}

/** A signed sum. */
function addExact(x: Float80, y: Float80): Exact {
  const [ex, ey] = [exact(x), exact(y)];
  const [mx, my] = [x.sign === 1 ? -ex.m : ex.m, y.sign === 1 ? -ey.m : ey.m];
  if (ex.m === 0n) return { m: my, q: ey.q };
  if (ey.m === 0n) return { m: mx, q: ex.q };
  const distance = ex.q - ey.q;
  if (Math.abs(distance) > FAR) {
    const [m, q, small] = distance > 0 ? [mx, ex.q, my] : [my, ey.q, mx];
    return { m: (m << 70n) + (small > 0n ? 1n : -1n), q: q - 70 };
  }
  if (distance >= 0) return { m: (mx << BigInt(distance)) + my, q: ey.q };
  return { m: mx + (my << BigInt(-distance)), q: ex.q };
}

/** x - y. */
export function subtract(env: Environment, x: Float80, y: Float80): Float80 {
  // The sign of a NaN stays.
  return isNaN80(kindOf(y)) || isNaN80(kindOf(x)) ? add(env, x, y) : add(env, x, negated(y));
}

export function multiply(env: Environment, x: Float80, y: Float80): Float80 {
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return nan;
  const kinds = [kindOf(x), kindOf(y)];
  const sign = signOf(x, y);
  if (kinds.includes("infinity") && kinds.includes("zero")) return invalid(env);
  noteDenormals(env, x, y);
  if (kinds.includes("infinity")) return infinity(sign);
  const [ex, ey] = [exact(x), exact(y)];
  return env.result(sign, { m: ex.m * ey.m, q: ex.q + ey.q });
}

/** x / y of magnitudes that are not zero, with the lowest bit for what is left. */
export function quotient(x: Exact, y: Exact, bits = 68): Exact {
  const shift = Math.max(0, bits + bitLength(y.m) - bitLength(x.m));
  const dividend = x.m << BigInt(shift);
  const whole = dividend / y.m;
  const exactly = whole * y.m === dividend;
  return { m: (whole << 1n) | (exactly ? 0n : 1n), q: x.q - y.q - shift - 1 };
}

/** x / y. */
export function divide(env: Environment, x: Float80, y: Float80): Float80 {
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  const sign = signOf(x, y);
  if (kx === ky && (kx === "infinity" || kx === "zero")) return invalid(env);
  if (kx === "infinity") {
    noteDenormals(env, y);
    return infinity(sign);
  }
  if (ky === "zero") {
    env.raise(Exception.zeroDivide);
    return infinity(sign);
  }
  noteDenormals(env, x, y);
  if (ky === "infinity" || kx === "zero") return zero(sign);
  return env.result(sign, quotient(exact(x), exact(y)));
}

export function squareRoot(env: Environment, x: Float80): Float80 {
  const nan = fromNaN(env, x);
  if (nan !== undefined) return nan;
  const kind = kindOf(x);
  if (kind === "zero") return x;
  if (x.sign === 1) return invalid(env);
  if (kind === "infinity") return x;
  noteDenormals(env, x);
  const { m, q } = exact(x);
  const shift = 72 + (q & 1);
  const radicand = m << BigInt(shift);
  const root = integerRoot(radicand);
  const rest = root * root === radicand ? 0n : 1n;
  return env.result(0, { m: (root << 1n) | rest, q: (q - shift) / 2 - 1 });
}

/** The whole square root. */
export function integerRoot(value: bigint): bigint {
  if (value === 0n) return 0n;
  let x = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (x + value / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** FRNDINT. */
export function roundToInteger(env: Environment, x: Float80): Float80 {
  const nan = fromNaN(env, x);
  if (nan !== undefined) return nan;
  const kind = kindOf(x);
  if (kind === "zero" || kind === "infinity") return x;
  noteDenormals(env, x);
  const { m, q } = exact(x);
  if (q >= 0) return x;
  const { value, inexact, up } = env.cut(x.sign, m, -q);
  if (inexact) env.raise(Exception.precision);
  env.roundedUp = up;
  return wholeNumber(x.sign, value);
}

/** A whole number of at most 64 bits. */
export function wholeNumber(sign: 0 | 1, magnitude: bigint): Float80 {
  if (magnitude === 0n) return zero(sign);
  const bits = bitLength(magnitude);
  return { sign, exponent: BIAS + bits - 1, significand: magnitude << BigInt(64 - bits) };
}

/** FSCALE: x times 2 to the integer part of y. */
export function scale(env: Environment, x: Float80, y: Float80): Float80 {
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (ky === "infinity") {
    if (kx === (y.sign === 0 ? "zero" : "infinity")) return invalid(env);
    noteDenormals(env, x);
    if (kx === "infinity" || kx === "zero") return x;
    return y.sign === 0 ? infinity(x.sign) : zero(x.sign);
  }
  noteDenormals(env, x, y);
  if (kx === "infinity" || kx === "zero") return x;
  const { m, q } = exact(y);
  // Beyond this, all results are alike.
  const magnitude = q >= 0 ? 0x1_0000 : Math.min(Number(q < -80 ? 0n : m >> BigInt(-q)), 0x1_0000);
  const value = exact(x);
  return env.result(x.sign, { m: value.m, q: value.q + (y.sign === 1 ? -magnitude : magnitude) }, 64);
}

/** FXTRACT: the exponent as a number, and the significand. */
export function extract(env: Environment, x: Float80): readonly [exponent: Float80, significand: Float80] {
  const nan = fromNaN(env, x);
  if (nan !== undefined) return [nan, nan];
  switch (kindOf(x)) {
    case "zero":
      env.raise(Exception.zeroDivide);
      return [infinity(1), x];
    case "infinity":
      return [infinity(0), x];
  }
  noteDenormals(env, x);
  const { m, q } = exact(x);
  const exponent = q + 63;
  const number = wholeNumber(exponent < 0 ? 1 : 0, BigInt(Math.abs(exponent)));
  return [number, { sign: x.sign, exponent: BIAS, significand: m }];
}

/** What FPREM and FPREM1 give. */
export interface Remainder {
  readonly value: Float80;
  /** The reduction is done. */
  readonly complete: boolean;
  /** The quotient's low bits, if it is. */
  readonly quotient: number;
}

/** FPREM, and with `nearest` FPREM1: x less a multiple of y. */
export function remainder(env: Environment, x: Float80, y: Float80, nearest: boolean): Remainder {
  const only = (value: Float80): Remainder => ({ value, complete: true, quotient: 0 });
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return only(nan);
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (kx === "infinity" || ky === "zero") return only(invalid(env));
  noteDenormals(env, x, y);
  if (kx === "zero") return only(x);
  if (ky === "infinity") return only(env.result(x.sign, exact(x), 64));
  const [ex, ey] = [exact(x), exact(y)];
  const distance = ex.q - ey.q;
  if (distance < -1) return only(env.result(x.sign, ex, 64));
  if (distance >= 64) {
    // Only part of the way: as many bits of the quotient as the SDM allows.
    const bits = (distance & 31) | 32;
    const rest = (ex.m << BigInt(bits)) % ey.m;
    const value = rest === 0n ? zero(x.sign) : env.result(x.sign, { m: rest, q: ex.q - bits }, 64);
    return { value, complete: false, quotient: 0 };
  }
  const low = Math.min(ex.q, ey.q);
  const [mx, my] = [ex.m << BigInt(ex.q - low), ey.m << BigInt(ey.q - low)];
  let whole = mx / my;
  let rest = mx - whole * my;
  let sign = x.sign;
  if (nearest && (2n * rest > my || (2n * rest === my && (whole & 1n) === 1n))) {
    whole += 1n;
    rest = my - rest;
    sign = sign === 0 ? 1 : 0;
  }
  const value = rest === 0n ? zero(x.sign) : env.result(sign, { m: rest, q: low }, 64);
  return { value, complete: true, quotient: Number(whole & 7n) };
}

/** How x is to y: less -1, equal 0, greater 1. Undefined if that cannot be said. `quiet`: quiet NaNs are not invalid. */
export function compare(env: Environment, x: Float80, y: Float80, quiet: boolean): -1 | 0 | 1 | undefined {
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (kx === "unsupported" || ky === "unsupported" || isNaN80(kx) || isNaN80(ky)) {
    const harmless = (kind: string) => kind !== "unsupported" && kind !== "signaling";
    if (!quiet || !harmless(kx) || !harmless(ky)) env.raise(Exception.invalid);
    return undefined;
  }
  noteDenormals(env, x, y);
  if (kx === "zero" && ky === "zero") return 0;
  if (x.sign !== y.sign) return x.sign === 1 ? -1 : 1;
  const magnitude = compareMagnitudes(x, y);
  return (x.sign === 1 ? -magnitude : magnitude) as -1 | 0 | 1;
}

function compareMagnitudes(x: Float80, y: Float80): number {
  const [ex, ey] = [Math.max(x.exponent, 1), Math.max(y.exponent, 1)];
  if (ex !== ey) return ex < ey ? -1 : 1;
  if (x.significand === y.significand) return 0;
  return x.significand < y.significand ? -1 : 1;
}

export const absolute = (x: Float80): Float80 => withSign(x, 0);
