import fc from "fast-check";
import { expect, test } from "vitest";
import { WideSignificand } from "./significand.js";

// Against exact arithmetic.

const EXPONENT = 1000;
/** Words among which ties, carries and zeros are not rare. */
const word = fc.oneof(fc.constantFrom(0, 1, 0x8000_0000, 0xffff_ffff), fc.nat(0xffff_ffff));
const significand = fc
  .tuple(word, word)
  .map(([hi, lo]) => ({ hi: (hi | 0x8000_0000) >>> 0, lo }))
  .map(({ hi, lo }) => ({ hi, lo, value: (BigInt(hi) << 32n) | BigInt(lo) }));
const distance = fc.oneof(fc.nat(3), fc.nat(140));

/** A magnitude m * 2^q rounded to 64 bits, to nearest even. */
function rounded(m: bigint, q: number) {
  const drop = m.toString(2).length - 64;
  if (drop <= 0) return { value: m << BigInt(-drop), exponent: q + drop, inexact: false, up: false };
  const value = m >> BigInt(drop);
  const [rest, half] = [m - (value << BigInt(drop)), 1n << BigInt(drop - 1)];
  const up = rest > half || (rest === half && (value & 1n) === 1n);
  const carried = up && value + 1n === 1n << 64n;
  return {
    value: carried ? 1n << 63n : value + (up ? 1n : 0n),
    exponent: q + drop + (carried ? 1 : 0),
    inexact: rest !== 0n,
    up,
  };
}

function result(wide: WideSignificand) {
  wide.round();
  const { hi, lo, exponent, inexact, roundedUp: up } = wide;
  return { value: (BigInt(hi) << 32n) | BigInt(lo), exponent, inexact, up };
}

test("sums and differences", () => {
  const wide = new WideSignificand();
  fc.assert(
    fc.property(significand, significand, distance, fc.boolean(), (x, y, d, adds) => {
      fc.pre(adds || d > 0 || x.value > y.value);
      wide.set(x.hi, x.lo, EXPONENT);
      if (adds) wide.add(y.hi, y.lo, EXPONENT - d);
      else wide.subtract(y.hi, y.lo, EXPONENT - d);
      const first = x.value << BigInt(d);
      expect(result(wide)).toEqual(rounded(adds ? first + y.value : first - y.value, EXPONENT - d));
    }),
    { numRuns: 5000 },
  );
});

test("nothing is left of a number and itself", () => {
  const wide = new WideSignificand();
  wide.set(0x8000_0001, 5, EXPONENT);
  expect(wide.subtract(0x8000_0001, 5, EXPONENT)).toBe(false);
});

test("products and quotients", () => {
  const wide = new WideSignificand();
  fc.assert(
    fc.property(significand, significand, fc.boolean(), (x, y, multiplied) => {
      wide.exponent = EXPONENT;
      if (multiplied) {
        wide.multiply(x.hi, x.lo, y.hi, y.lo);
        expect(result(wide)).toEqual(rounded(x.value * y.value, EXPONENT - 63));
        return;
      }
      wide.divide(x.hi, x.lo, y.hi, y.lo);
      const quotient = (x.value << 140n) / y.value;
      const exact = quotient * y.value === x.value << 140n;
      expect(result(wide)).toEqual(rounded((quotient << 1n) | (exact ? 0n : 1n), EXPONENT - 78));
    }),
    { numRuns: 5000 },
  );
});

test.each([11, 40])("%i bits less", (count) => {
  const wide = new WideSignificand();
  fc.assert(
    fc.property(significand, (x) => {
      wide.set(x.hi, x.lo, EXPONENT);
      wide.roundAway(count);
      const value = x.value >> BigInt(count);
      const rest = x.value - (value << BigInt(count));
      const half = 1n << BigInt(count - 1);
      const up = rest > half || (rest === half && (value & 1n) === 1n);
      const sum = (value + (up ? 1n : 0n)) << BigInt(count);
      const carried = sum === 1n << 64n;
      const { hi, lo, exponent, inexact, roundedUp } = wide;
      expect({ value: (BigInt(hi) << 32n) | BigInt(lo), exponent, inexact, up: roundedUp }).toEqual({
        value: carried ? 1n << 63n : sum,
        exponent: carried ? EXPONENT + 1 : EXPONENT,
        inexact: rest !== 0n,
        up,
      });
    }),
    { numRuns: 3000 },
  );
});
