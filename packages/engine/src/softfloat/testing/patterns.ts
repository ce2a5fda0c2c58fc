import fc from "fast-check";
import type { FormatName } from "../index.js";
import { SHAPES } from "./reference.js";

/** Bit patterns at the ends of every class, and a few plain numbers. */
export function corners(name: FormatName): bigint[] {
  const s = SHAPES[name];
  const f = s.p - 1n;
  const one = s.emax << f;
  const infinity = (2n * s.emax + 1n) << f;
  const quiet = 1n << (f - 1n);
  const positive = [
    0n,
    1n,
    2n,
    (1n << f) - 1n,
    1n << f,
    (1n << f) + 1n,
    2n << f, // to both sides of the smallest normal number
    one - 1n,
    one,
    one + 1n,
    one + (1n << f),
    one + quiet,
    one - (1n << f), // about 1, 2, 1.5, 0.5
    infinity - 1n,
    infinity - (1n << f),
    infinity, // largest, a binade below
    infinity + 1n,
    infinity + quiet - 1n,
    infinity + quiet,
    infinity + quiet + 5n, // signaling and quiet NaNs
    (s.emax + f) << f,
    (s.emax + f + 1n) << f,
    (s.emax + 31n < 2n * s.emax ? s.emax + 31n : s.emax) << f,
    (s.emax + 63n < 2n * s.emax ? s.emax + 63n : s.emax) << f, // 2^31, 2^63
  ];
  return positive.flatMap((v) => [v, v | (1n << (s.width - 1n))]);
}

const bits = (n: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: (1n << n) - 1n });

/** Runs of ones and zeros, few bits set, or all random. */
function fraction(n: bigint): fc.Arbitrary<bigint> {
  const position = fc.integer({ min: 0, max: Number(n) - 1 }).map(BigInt);
  const mask = (1n << n) - 1n;
  return fc.oneof(
    bits(n),
    bits(4n),
    bits(4n).map((low) => mask - low),
    fc.tuple(position, position).map(([a, b]) => ((1n << a) | (1n << b)) & mask),
    fc.tuple(position, position).map(([a, b]) => ((1n << a) - (1n << b)) & mask),
    fc.tuple(bits(n), position).map(([v, keep]) => v & (mask ^ ((1n << keep) - 1n))),
  );
}

/** One operand. */
export function pattern(name: FormatName): fc.Arbitrary<bigint> {
  const s = SHAPES[name];
  const f = s.p - 1n;
  const top = Number(2n * s.emax + 1n);
  const near = (centre: number, span: number) =>
    fc.integer({ min: Math.max(0, centre - span), max: Math.min(top, centre + span) });
  const exponent = fc.oneof(
    fc.integer({ min: 0, max: top }),
    near(Number(s.emax), 70),
    near(0, 3),
    near(top, 3),
    near(Math.floor(Number(s.emax) / 2), 60),
  );
  const composed = fc
    .tuple(fc.boolean(), exponent, fraction(f))
    .map(([negative, e, low]) => (negative ? 1n << (s.width - 1n) : 0n) | (BigInt(e) << f) | low);
  return fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(...corners(name)) },
    { weight: 5, arbitrary: composed },
  );
}

/** Operands that know of each other: equal, opposite, neighbours, or of nearly the same or opposite exponent. */
export function operands(name: FormatName, count: 1 | 2 | 3): fc.Arbitrary<bigint[]> {
  const s = SHAPES[name];
  const f = s.p - 1n;
  const mask = (1n << s.width) - 1n;
  const sign = 1n << (s.width - 1n);
  const free = fc.array(pattern(name), { minLength: count, maxLength: count });
  if (count === 1) return free;
  const related = fc
    .tuple(free, fc.integer({ min: 0, max: 4 }), fc.integer({ min: -60, max: 60 }))
    .map(([v, how, d]) => {
      const last = v[count - 1] as bigint;
      const first = v[0] as bigint;
      const other = [
        () => first ^ sign,
        () => (first ^ sign) + BigInt(d % 3),
        () => (last & (sign | ((1n << f) - 1n))) | ((first + (BigInt(d) << f)) & (sign - (1n << f))),
        // The product (or quotient) lands at the small end of the range.
        () =>
          (last & (sign | ((1n << f) - 1n))) |
          (((s.emax << f) - (first & (sign - 1n)) + (BigInt(d % 5) << f)) & (sign - (1n << f))),
        () => first + BigInt(d),
      ][how] as () => bigint;
      return [...v.slice(0, -1), other() & mask];
    });
  return fc.oneof({ weight: 2, arbitrary: free }, { weight: 1, arbitrary: related });
}
