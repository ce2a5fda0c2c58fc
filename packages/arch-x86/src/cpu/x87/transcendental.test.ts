import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { exact, type Float80 } from "./number.js";
import { Environment } from "./rounding.js";
import { angleOf, logarithmOfMore, logarithmTimes, powerLessOne, trigonometric } from "./transcendental.js";

// How far results are from the true ones, which are computed by other formulas and with twice the bits. The host's
// results, and reduced arguments, are in isa/x87-transcendental.test.ts.

const BITS = 900n;
const ONE = 1n << BITS;
const COUNT = 150;
/** Everything masked, rounding to nearest, 64 bits. */
const CONTROL = 0x37f;

const times = (x: bigint, y: bigint): bigint => (x * y) >> BITS;
const over = (x: bigint, y: bigint): bigint => (x << BITS) / y;

/** e^x as (e^(x / 2^64))^(2^64). */
function exponential(x: bigint): bigint {
  const small = x >> 64n;
  let term = ONE;
  let sum = ONE;
  for (let i = 1n; term !== 0n && term !== -1n; i++) {
    term = times(term, small) / i;
    sum += term;
  }
  for (let i = 0; i < 64; i++) sum = times(sum, sum);
  return sum;
}

/** ln x: Halley's iteration on e^y = x. */
function naturalLogarithm(x: bigint): bigint {
  let y = BigInt(Math.round(Math.log(Number(x >> (BITS - 60n)) / 2 ** 60) * 2 ** 50)) << (BITS - 50n);
  for (let i = 0; i < 4; i++) {
    const power = exponential(y);
    y += over(2n * (x - power), x + power);
  }
  return y;
}

/** sin x = 3 sin (x/3) - 4 sin^3 (x/3), 40 times. */
function sine(x: bigint): bigint {
  let small = x;
  for (let i = 0; i < 40; i++) small /= 3n;
  let result = series(small);
  for (let i = 0; i < 40; i++) result = 3n * result - 4n * times(times(result, result), result);
  return result;
}

/** sin x for very small x. */
function series(x: bigint): bigint {
  let term = x;
  let sum = x;
  const square = times(x, x);
  for (let i = 2n; term !== 0n && term !== -1n; i += 2n) {
    term = -times(term, square) / (i * (i + 1n));
    sum += term;
  }
  return sum;
}

function squareRoot(x: bigint): bigint {
  let y = ONE;
  for (let i = 0; i < 30; i++) y = (y + over(x, y)) / 2n;
  return y;
}

const cosine = (x: bigint): bigint => squareRoot(ONE - times(sine(x), sine(x)));

/** Euler's series: sum of 2^2n (n!)^2 / (2n+1)! x^(2n+1) / (1 + x^2)^(n+1). */
function arctangent(x: bigint): bigint {
  const square = times(x, x);
  const factor = over(square, ONE + square);
  let term = over(x, ONE + square);
  let sum = term;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = (times(term, factor) * 2n * n) / (2n * n + 1n);
    sum += term;
  }
  return sum;
}

const fixed = (x: Float80): bigint => {
  const { m, q } = exact(x);
  const magnitude = q + Number(BITS) >= 0 ? m << BigInt(q + Number(BITS)) : m >> BigInt(-q - Number(BITS));
  return x.sign === 1 ? -magnitude : magnitude;
};

/** Thousandths of units in the last place between a result and the true value. */
function error(result: Float80, truth: bigint): number {
  const { q } = exact(result);
  const difference = fixed(result) - truth;
  const unit = BITS + BigInt(q);
  return Number(((difference < 0n ? -difference : difference) * 1000n) >> unit);
}

/** A number whose exponent is from `low` to `high`. */
function number(prng: Prng, low: number, high: number, signed = true): Float80 {
  const exponent = 16383 + low + prng.below(high - low + 1);
  const significand = (prng.bits64() >> BigInt(prng.oneIn(3) ? prng.below(60) : 0)) | 1n;
  let normal = significand;
  while (normal < 1n << 63n) normal <<= 1n;
  return { sign: signed && prng.oneIn(2) ? 1 : 0, exponent, significand: normal };
}

function worst(make: (prng: Prng) => number): number {
  const prng = new Prng(7);
  let found = 0;
  for (let i = 0; i < COUNT; i++) found = Math.max(found, make(prng));
  return found;
}

/** Half a unit at most, and of so many numbers some are near it. */
function expectRounded(found: number): void {
  expect(found).toBeLessThanOrEqual(500);
  expect(found).toBeGreaterThan(450);
}

const env = () => new Environment(CONTROL);
const LN2 = naturalLogarithm(2n * ONE);

describe("transcendental instructions are rounded correctly", () => {
  test("F2XM1", () => {
    const found = worst((prng) => {
      const x = number(prng, -80, -1);
      return error(powerLessOne(env(), x), exponential(times(fixed(x), LN2)) - ONE);
    });
    expectRounded(found);
  });

  test("FYL2X", () => {
    const found = worst((prng) => {
      const [x, y] = [number(prng, -30, 30, false), number(prng, -20, 20)];
      const result = logarithmTimes(env(), x, y);
      return error(result, over(times(fixed(y), naturalLogarithm(fixed(x))), LN2));
    });
    expectRounded(found);
  });

  test("FYL2X near 1", () => {
    const found = worst((prng) => {
      const x: Float80 = { sign: 0, exponent: 16383, significand: (1n << 63n) + (prng.bits64() >> 20n) + 1n };
      const y = number(prng, -20, 20);
      return error(logarithmTimes(env(), x, y), over(times(fixed(y), naturalLogarithm(fixed(x))), LN2));
    });
    expectRounded(found);
  });

  test("FYL2XP1", () => {
    const found = worst((prng) => {
      const [x, y] = [number(prng, -90, -2), number(prng, -20, 20)];
      const truth = over(times(fixed(y), naturalLogarithm(ONE + fixed(x))), LN2);
      return error(logarithmOfMore(env(), x, y), truth);
    });
    expectRounded(found);
  });

  test("FYL2XP1 beyond its domain", () => {
    const found = worst((prng) => {
      const [x, y] = [number(prng, 1, 90, false), number(prng, -20, 20)];
      const truth = over(times(fixed(y), naturalLogarithm(ONE + fixed(x))), LN2);
      return error(logarithmOfMore(env(), x, y), truth);
    });
    expectRounded(found);
  });

  test("FSIN, FCOS and FPTAN below a quarter of pi", () => {
    const found = worst((prng) => {
      const x = number(prng, -90, -1);
      const angle = fixed(x);
      if (angle > (785n * ONE) / 1000n || angle < (-785n * ONE) / 1000n) return 0;
      const [s, c] = [sine(angle), cosine(angle)];
      const results = (["sine", "cosine", "tangent"] as const).map(
        (which) => trigonometric(env(), x, which) as Float80,
      );
      const truths = [s, c, over(s, c)];
      return Math.max(...results.map((result, i) => error(result, truths[i] as bigint)));
    });
    expectRounded(found);
  });

  test("FPATAN", () => {
    const found = worst((prng) => {
      const [x, y] = [number(prng, -40, 40, false), number(prng, -40, 40)];
      const ratio = over(fixed(y), fixed(x));
      // Beyond 1, by the reciprocal.
      const right = 2n * arctangent(ONE);
      const large = ratio > ONE || ratio < -ONE;
      const part = arctangent(large ? over(fixed(x), fixed(y)) : ratio);
      const truth = large ? (ratio > 0n ? right : -right) - part : part;
      return error(angleOf(env(), x, y), truth);
    });
    expectRounded(found);
  });
});
