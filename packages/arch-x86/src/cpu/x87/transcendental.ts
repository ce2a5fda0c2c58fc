import { compare, fromNaN, invalid, noteDenormals, quotient } from "./arithmetic.js";
import { arctangent, exponentialLessOne, ln2, logarithm, pi, sineAndCosine } from "./fixed-point.js";
import {
  BIAS,
  bitLength,
  type Exact,
  exact,
  type Float80,
  INTEGER_BIT,
  infinity,
  kindOf,
  negated,
  ONE,
  signOf,
  zero,
} from "./number.js";
import { Environment, Exception } from "./rounding.js";

// The transcendental instructions: SDM volume 2, F2XM1 to FYL2XP1, and volume 1, 8.3.6 to 8.3.10. Results are computed
// with far more bits than they have, so that they are rounded correctly but for arguments beyond any test's reach.

/** Fraction bits of what is computed. */
const BITS = 320;
const WIDE = BigInt(BITS);
/** Below 2 to this, what follows the first term of a series only decides about rounding. */
const TINY = -70;

/** A number that is not representable: a little more, or less, than a magnitude. */
const above = ({ m, q }: Exact): Exact => ({ m: (m << 70n) + 1n, q: q - 70 });
const below = ({ m, q }: Exact): Exact => ({ m: (m << 70n) - 1n, q: q - 70 });

/** Exponent of a magnitude's highest bit. */
const exponentOf = ({ m, q }: Exact): number => q + bitLength(m) - 1;

/** Fixed-point with `BITS` fraction bits. */
const fixed = ({ m, q }: Exact): bigint => {
  const up = q + BITS;
  return up >= 0 ? m << BigInt(up) : m >> BigInt(-up);
};
const product = (x: Exact, y: Exact): Exact => ({ m: x.m * y.m, q: x.q + y.q });

/** Deliver a signed fixed-point number, which is never exact. All these are rounded to 64 bits. */
function deliver(env: Environment, value: bigint, q = -BITS): Float80 {
  const [sign, m] = value < 0n ? ([1, -value] as const) : ([0, value] as const);
  return env.result(sign, above({ m, q }), 64);
}

/** F2XM1: 2^x - 1 for x from -1 to 1. */
export function powerLessOne(env: Environment, x: Float80): Float80 {
  const nan = fromNaN(env, x);
  if (nan !== undefined) return nan;
  const kind = kindOf(x);
  if (kind === "zero") return x;
  if (kind === "infinity") return x.sign === 1 ? negated(ONE) : x;
  noteDenormals(env, x);
  const value = exact(x);
  const exponent = exponentOf(value);
  if (exponent >= 0) {
    // 1 gives 1, -1 gives -1/2; what is beyond is not defined.
    if (exponent > 0 || x.significand !== INTEGER_BIT) return x;
    return x.sign === 0 ? x : { ...x, exponent: BIAS - 1 };
  }
  const factor: Exact = { m: ln2(WIDE), q: -BITS };
  if (exponent < TINY) {
    const first = product(value, factor);
    return env.result(x.sign, x.sign === 0 ? above(first) : below(first), 64);
  }
  const magnitude = (fixed(value) * ln2(WIDE)) >> WIDE;
  return deliver(env, exponentialLessOne(x.sign === 1 ? -magnitude : magnitude, WIDE));
}

/** Is x less than (-1), equal to (0) or greater than 1? */
const againstOne = (x: Float80): number => compare(new Environment(0x37f), x, ONE, true) as number;

/** FYL2X: y log2 x. */
export function logarithmTimes(env: Environment, x: Float80, y: Float80): Float80 {
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (kx !== "zero" && x.sign === 1) return invalid(env);
  if (kx === "zero") {
    if (ky === "zero") return invalid(env);
    if (ky !== "infinity") env.raise(Exception.zeroDivide);
    return infinity(y.sign === 0 ? 1 : 0);
  }
  const order = againstOne(x);
  if (kx === "infinity" && ky === "zero") return invalid(env);
  if (ky === "infinity" && order === 0) return invalid(env);
  noteDenormals(env, x, y);
  const sign = order < 0 ? negated(y).sign : y.sign;
  if (kx === "infinity" || ky === "infinity") return infinity(sign);
  if (ky === "zero" || order === 0) return zero(order === 0 ? y.sign : sign);
  return env.result(sign, product(logarithmOf(exact(x)), exact(y)), 64);
}

/** |log2|, a little more unless it is an integer. */
function logarithmOf(value: Exact): Exact {
  const highest = bitLength(value.m) - 1;
  let exponent = value.q + highest;
  // The significand from about 0.7 to 1.4.
  let one = 1n << BigInt(highest);
  if (value.m ** 2n > 2n * one ** 2n) {
    exponent++;
    one <<= 1n;
  }
  if (value.m === one) return { m: BigInt(Math.abs(exponent)), q: 0 };
  const fraction = (logarithm(value.m, one, WIDE) << WIDE) / ln2(WIDE);
  const log = (BigInt(exponent) << WIDE) + fraction;
  return above({ m: log < 0n ? -log : log, q: -BITS });
}

function plusOne({ m, q }: Exact): Exact {
  return q > 0 ? { m: (m << BigInt(q)) + 1n, q: 0 } : { m: m + (1n << BigInt(-q)), q };
}

/** FYL2XP1: y log2 (x + 1), for x from about -0.3 to 0.4. */
export function logarithmOfMore(env: Environment, x: Float80, y: Float80): Float80 {
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  const sign = signOf(x, y);
  if (kx === "infinity") return x.sign === 1 || ky === "zero" ? invalid(env) : infinity(sign);
  if (ky === "infinity" && kx === "zero") return invalid(env);
  noteDenormals(env, x, y);
  if (ky === "infinity") return infinity(sign);
  if (kx === "zero" || ky === "zero") return zero(sign);
  const value = exact(x);
  const exponent = exponentOf(value);
  if (exponent >= 0 && x.sign === 1) return invalid(env);
  if (exponent < TINY) {
    const first = quotient(product(value, exact(y)), { m: ln2(WIDE), q: -BITS }, 160);
    return env.result(sign, x.sign === 0 ? below(first) : above(first), 64);
  }
  const sum = x.sign === 0 ? plusOne(value) : { m: (1n << BigInt(-value.q)) - value.m, q: value.q };
  return env.result(sign, product(logarithmOf(sum), exact(y)), 64);
}

/** The processor's pi: 66 significant bits (SDM volume 1, 8.3.8). */
const PI_66: Exact = { m: 0xc_90fd_aa22_168c_234cn, q: -66 };

/** An angle less the nearest multiple of pi/2: signed, in fixed-point, and the multiple's low bits. */
interface Reduced {
  readonly rest: bigint;
  readonly quadrant: number;
}

/** Arguments whose magnitude is 2^63 or more are left alone. */
const LIMIT = 63;

function reduce(x: Float80): Reduced {
  const value = exact(x);
  const angle = fixed(value);
  // pi/2
  const unit = PI_66.m << BigInt(BITS + PI_66.q - 1);
  const multiple = (2n * angle + unit) / (2n * unit);
  const rest = angle - multiple * unit;
  const low = Number(multiple & 3n);
  return x.sign === 0 ? { rest, quadrant: low } : { rest: -rest, quadrant: (4 - low) & 3 };
}

/** FSIN, FCOS and FPTAN. */
export type TrigonometricFunction = "sine" | "cosine" | "tangent";

/** A trigonometric function; undefined if the argument is too large. */
export function trigonometric(
  env: Environment,
  x: Float80,
  which: TrigonometricFunction,
): Float80 | undefined {
  const nan = fromNaN(env, x);
  if (nan !== undefined) return nan;
  const kind = kindOf(x);
  if (kind === "infinity") return invalid(env);
  if (kind === "zero") return which === "cosine" ? ONE : x;
  const value = exact(x);
  const exponent = exponentOf(value);
  if (exponent >= LIMIT) return undefined;
  noteDenormals(env, x);
  if (exponent < TINY) return ofTiny(env, x, which);
  const { rest, quadrant } = reduce(x);
  const [sine, cosine] = sineAndCosine(rest, WIDE);
  const turned = [sine, cosine, -sine, -cosine] as const;
  const own = turned[quadrant] as bigint;
  const next = turned[(quadrant + 1) & 3] as bigint;
  if (which === "sine") return deliver(env, own);
  if (which === "cosine") return deliver(env, next);
  return deliver(env, (own << WIDE) / next);
}

function ofTiny(env: Environment, x: Float80, which: TrigonometricFunction): Float80 {
  if (which === "cosine") return env.result(0, below(exact(ONE)), 64);
  const value = exact(x);
  return env.result(x.sign, which === "sine" ? below(value) : above(value), 64);
}

/** FPATAN: the angle of the point (x, y). */
export function angleOf(env: Environment, x: Float80, y: Float80): Float80 {
  const nan = fromNaN(env, x, y);
  if (nan !== undefined) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  noteDenormals(env, x, y);
  /** So many quarters of pi. */
  const quarters = (count: bigint) => deliver(env, signed(y, (count * pi(WIDE)) >> 2n));
  if (ky === "infinity") return quarters(kx === "infinity" ? (x.sign === 1 ? 3n : 1n) : 2n);
  if (ky === "zero" || kx === "infinity") return x.sign === 1 ? quarters(4n) : zero(y.sign);
  if (kx === "zero") return quarters(2n);
  const [ex, ey] = [exact(x), exact(y)];
  const distance = exponentOf(ey) - exponentOf(ex);
  if (distance < TINY && x.sign === 0) return env.result(y.sign, belowRatio(ey, ex), 64);
  const angle = anglePositive(ex, ey, distance);
  return deliver(env, signed(y, x.sign === 1 ? pi(WIDE) - angle : angle));
}

const signed = (y: Float80, value: bigint): bigint => (y.sign === 1 ? -value : value);

/** A little less than a ratio. */
const belowRatio = (x: Exact, y: Exact): Exact => below(quotient(x, y, 140));

/** arctan of y / x, both positive. */
function anglePositive(x: Exact, y: Exact, distance: number): bigint {
  // Where one is far smaller, that is nearly the whole of it.
  if (distance < -BITS) return 0n;
  if (distance > BITS) return pi(WIDE) >> 1n;
  const low = Math.min(x.q, y.q);
  const [mx, my] = [x.m << BigInt(x.q - low), y.m << BigInt(y.q - low)];
  return my <= mx
    ? arctangent((my << WIDE) / mx, WIDE)
    : (pi(WIDE) >> 1n) - arctangent((mx << WIDE) / my, WIDE);
}
