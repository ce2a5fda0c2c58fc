import { integerRoot } from "./arithmetic.js";

// Elementary functions of fixed-point numbers: bigints with some fraction bits. What they give is wrong by a few units
// of the last place; callers take a hundred more than they need.

/** Series of odd powers: sum of x^(2i+1) / (2i+1), with alternating signs if asked. */
function oddPowers(x: bigint, bits: bigint, alternating: boolean): bigint {
  const square = (x * x) >> bits;
  let power = x;
  let sum = x;
  for (let i = 3n; power !== 0n && power !== -1n; i += 2n) {
    power = (power * square) >> bits;
    const negative = alternating && (i & 2n) !== 0n;
    sum += negative ? -(power / i) : power / i;
  }
  return sum;
}

/** The constants, computed at their first use. */
const constants = new Map<string, bigint>();
function constant(name: string, bits: bigint, make: (bits: bigint) => bigint): bigint {
  const key = `${name} ${bits}`;
  let value = constants.get(key);
  if (value === undefined) {
    value = make(bits + 32n) >> 32n;
    constants.set(key, value);
  }
  return value;
}

/** ln 2 = 2 artanh 1/3. */
export const ln2 = (bits: bigint): bigint =>
  constant("ln2", bits, (b) => 2n * oddPowers((1n << b) / 3n, b, false));

/** pi = 16 arctan 1/5 - 4 arctan 1/239 (Machin). */
export const pi = (bits: bigint): bigint =>
  constant("pi", bits, (b) => {
    const one = 1n << b;
    return 16n * oddPowers(one / 5n, b, true) - 4n * oddPowers(one / 239n, b, true);
  });

/** e^x - 1 for x from -1 to 1. */
export function exponentialLessOne(x: bigint, bits: bigint): bigint {
  let term = x;
  let sum = x;
  for (let i = 2n; term !== 0n && term !== -1n; i++) {
    term = ((term * x) >> bits) / i;
    sum += term;
  }
  return sum;
}

/** ln of a ratio of two numbers that are within a factor of two of each other. */
export function logarithm(numerator: bigint, denominator: bigint, bits: bigint): bigint {
  const z = ((numerator - denominator) << bits) / (numerator + denominator);
  return 2n * oddPowers(z, bits, false);
}

/** Sine and cosine of x from -1 to 1. */
export function sineAndCosine(x: bigint, bits: bigint): readonly [sine: bigint, cosine: bigint] {
  const one = 1n << bits;
  const sums = [one, x, 0n, 0n];
  let term = x;
  for (let i = 2n; term !== 0n && term !== -1n; i++) {
    term = ((term * x) >> bits) / i;
    sums[Number(i & 3n)] = (sums[Number(i & 3n)] as bigint) + term;
  }
  const [s0, s1, s2, s3] = sums as [bigint, bigint, bigint, bigint];
  return [s1 - s3, s0 - s2];
}

/** arctan x for x from 0 to 1. */
export function arctangent(x: bigint, bits: bigint): bigint {
  const one = 1n << bits;
  let reduced = x;
  // arctan x = 2 arctan (x / (1 + sqrt(1 + x^2))), twice.
  for (let i = 0; i < 2; i++) {
    const root = integerRoot((one << bits) + reduced * reduced);
    reduced = (reduced << bits) / (one + root);
  }
  return 4n * oddPowers(reduced, bits, true);
}
