import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FormatName, SoftFloatName, SoftFloatOptions } from "./index.js";
import { type Instance, instantiate } from "./testing/harness.js";
import { corners, operands, pattern } from "./testing/patterns.js";
import { type Outcome, Reference, SHAPES } from "./testing/reference.js";

// Every function against exact arithmetic, in every rounding mode, under three policies, with and without
// inexact accumulated beforehand (the fast paths ask for it), with the flush modes off and on.

const POLICIES: readonly SoftFloatOptions[] = [
  { nan: "canonical", tininess: "after" },
  { nan: "propagate-x86", tininess: "after" },
  { nan: "propagate-arm", tininess: "before" },
];
const INSTANCES = POLICIES.map((options) => ({ options, instance: instantiate(options) }));
const RUNS = Number(process.env.SOFTFLOAT_RUNS ?? 40);
const FORMATS: readonly FormatName[] = ["f16", "f32", "f64"];
const MODES = [0, 1, 2, 3, 4, 5];
const INEXACT = 1;

const hex = (v: bigint) => `0x${v.toString(16)}`;

/** One sample in all rounding modes (if it has any) and all policies. */
function check(
  name: SoftFloatName,
  args: readonly bigint[],
  expected: (reference: Reference, rm: number) => Outcome,
  options: { rounding?: boolean; modes?: number } = {},
): void {
  for (const { options: policy, instance } of INSTANCES) {
    for (const modes of policy.nan === "canonical" ? [0] : [0, 15]) {
      const reference = new Reference(policy, modes);
      for (const rm of options.rounding === false ? [0] : MODES.slice(0, options.modes)) {
        const want = expected(reference, rm);
        const last = options.rounding === false ? [] : [BigInt(rm)];
        for (const before of [0, INEXACT]) {
          const got = instance.run(name, [...args, ...last], before, modes);
          if (got.bits === want.bits && got.flags === (want.flags & ~before)) continue;
          const where = `${name}(${args.map(hex).join(", ")}) rm ${rm} ${policy.nan} modes ${modes} before ${before}`;
          expect.fail(
            `${where}: got ${hex(got.bits)} flags ${got.flags}, want ${hex(want.bits)} flags ${want.flags & ~before}`,
          );
        }
      }
    }
  }
}

const pairs = (format: FormatName) =>
  corners(format).flatMap((a) => corners(format).map((b) => [a, b] as const));

describe.each(FORMATS)("%s", (format) => {
  const s = SHAPES[format];

  test.each(["add", "sub", "mul", "div"] as const)("%s", (operation) => {
    const one = (a: bigint, b: bigint) =>
      check(`${format}.${operation}`, [a, b], (r, rm) => r[operation](s, a, b, rm));
    for (const [a, b] of pairs(format)) one(a, b);
    fc.assert(
      fc.property(operands(format, 2), ([a, b]) => one(a as bigint, b as bigint)),
      { numRuns: RUNS * 10 },
    );
  });

  test("sqrt", () => {
    const one = (a: bigint) => check(`${format}.sqrt`, [a], (r, rm) => r.sqrt(s, a, rm));
    corners(format).forEach(one);
    fc.assert(fc.property(pattern(format), one), { numRuns: RUNS * 5 });
    fc.assert(
      fc.property(pattern(format), (a) => {
        // Squares, and their neighbours.
        const square = new Reference(POLICIES[0] as SoftFloatOptions).mul(s, a, a, 0).bits;
        for (const near of [-1n, 0n, 1n]) one(BigInt.asUintN(Number(s.width), square + near));
      }),
      { numRuns: RUNS },
    );
  });

  test("fma", () => {
    const one = (a: bigint, b: bigint, c: bigint) =>
      check(`${format}.fma`, [a, b, c], (r, rm) => r.fma(s, a, b, c, rm));
    const few = corners(format).filter((_, i) => i % 5 === 0);
    for (const a of few) for (const b of few) for (const c of few) one(a, b, c);
    fc.assert(
      fc.property(operands(format, 3), ([a, b, c]) => one(a as bigint, b as bigint, c as bigint)),
      { numRuns: RUNS * 15 },
    );
    // The addend nearly cancels the product, or lies half a unit beside it.
    fc.assert(
      fc.property(
        operands(format, 2),
        fc.integer({ min: -2, max: 2 }),
        fc.integer({ min: 0, max: 60 }),
        ([a, b], step, down) => {
          const plain = new Reference(POLICIES[0] as SoftFloatOptions);
          const product = plain.mul(s, a as bigint, b as bigint, 0).bits;
          const opposite = product ^ (1n << (s.width - 1n));
          one(a as bigint, b as bigint, BigInt.asUintN(Number(s.width), opposite + BigInt(step)));
          one(
            a as bigint,
            b as bigint,
            BigInt.asUintN(Number(s.width), opposite - (BigInt(down) << (s.p - 1n))),
          );
        },
      ),
      { numRuns: RUNS * 3 },
    );
  });

  test("fma rounds once: the product a hair beside half a unit of the addend", () => {
    const bits = Number(s.p);
    const number = (significand: bigint, exponent: number) => {
      // significand * 2^exponent, exactly.
      const result = new Reference(POLICIES[0] as SoftFloatOptions).fromInteger(s, significand, 0);
      expect(result.flags).toBe(0);
      return result.bits + (BigInt(exponent) << (s.p - 1n));
    };
    const k = fc.integer({ min: Math.ceil(bits / 2), max: bits - 1 });
    const shape = fc.tuple(k, k, fc.boolean(), fc.boolean(), fc.boolean(), fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(shape, ([i, j, up, down, negative, odd]) => {
        // (1 +- 2^-i) (1 +- 2^-j) 2^-p beside an addend of 1 + odd units.
        const a = number((1n << BigInt(i)) + (up ? 1n : -1n), -i);
        const b = number((1n << BigInt(j)) + (down ? 1n : -1n), -j - (format === "f16" ? 0 : bits));
        const units = (1n << (s.p - 1n)) + BigInt(odd);
        const c = number(units, 1 - bits + (format === "f16" ? bits : 0));
        const sign = negative ? 1n << (s.width - 1n) : 0n;
        check(`${format}.fma`, [a, b, c | sign], (r, rm) => r.fma(s, a, b, c | sign, rm));
      }),
      { numRuns: RUNS * 5 },
    );
  });

  test("minima and maxima", () => {
    const names = [
      "minimumNumber",
      "maximumNumber",
      "minNum",
      "maxNum",
      "minimum",
      "maximum",
      "minSecond",
      "maxSecond",
    ] as const;
    for (const name of names) {
      const one = (a: bigint, b: bigint) =>
        check(`${format}.${name}`, [a, b], (r) => r.extreme(s, name, a, b), { rounding: false });
      for (const [a, b] of pairs(format)) one(a, b);
      fc.assert(
        fc.property(operands(format, 2), ([a, b]) => one(a as bigint, b as bigint)),
        { numRuns: RUNS },
      );
    }
  });

  test("comparisons and class", () => {
    const names = [
      "eq",
      "eqSignaling",
      "lt",
      "le",
      "ltQuiet",
      "leQuiet",
      "unordered",
      "order",
      "orderSignaling",
    ] as const;
    for (const name of names) {
      const one = (a: bigint, b: bigint) =>
        check(`${format}.${name}`, [a, b], (r) => r.compare(s, name, a, b), { rounding: false });
      for (const [a, b] of pairs(format)) one(a, b);
      fc.assert(
        fc.property(operands(format, 2), ([a, b]) => one(a as bigint, b as bigint)),
        { numRuns: RUNS },
      );
    }
    const classify = (a: bigint) =>
      check(`${format}.class`, [a], (r) => r.classify(s, a), { rounding: false });
    corners(format).forEach(classify);
    fc.assert(fc.property(pattern(format), classify), { numRuns: RUNS });
  });

  test("to integers", () => {
    for (const [kind, width, signed] of [
      ["I32", 32n, true],
      ["U32", 32n, false],
      ["I64", 64n, true],
      ["U64", 64n, false],
    ] as const) {
      const one = (a: bigint) =>
        check(`${format}.to${kind}`, [a], (r, rm) => r.toInteger(s, a, width, signed, rm));
      corners(format).forEach(one);
      fc.assert(fc.property(pattern(format), one), { numRuns: RUNS * 4 });
    }
    for (const exact of [true, false]) {
      const one = (a: bigint) =>
        check(`${format}.roundToIntegral`, [a, exact ? 1n : 0n], (r, rm) =>
          r.roundToIntegral(s, a, rm, exact),
        );
      corners(format).forEach(one);
      fc.assert(fc.property(pattern(format), one), { numRuns: RUNS * 4 });
    }
  });

  test("from integers", () => {
    for (const [kind, width, signed] of [
      ["I32", 32, true],
      ["U32", 32, false],
      ["I64", 64, true],
      ["U64", 64, false],
    ] as const) {
      const one = (v: bigint) => {
        const value = signed ? BigInt.asIntN(width, v) : BigInt.asUintN(width, v);
        check(`${format}.from${kind}`, [v], (r, rm) => r.fromInteger(s, value, rm));
      };
      const ends = [
        0n,
        1n,
        (1n << BigInt(width - 1)) - 1n,
        1n << BigInt(width - 1),
        (1n << BigInt(width)) - 1n,
      ];
      ends.forEach(one);
      const shifted = fc.tuple(
        fc.bigInt({ min: 0n, max: (1n << BigInt(width)) - 1n }),
        fc.integer({ min: 0, max: width - 1 }),
      );
      fc.assert(
        fc.property(shifted, ([v, by]) => one(v >> BigInt(by))),
        { numRuns: RUNS * 2 },
      );
      fc.assert(
        fc.property(shifted, ([v, by]) => one((v >> BigInt(by)) << BigInt(by))),
        { numRuns: RUNS * 2 },
      );
    }
  });

  test("from the other formats", () => {
    for (const from of FORMATS) {
      if (from === format) continue;
      const name = `${format}.from${from.toUpperCase()}` as SoftFloatName;
      const widens = SHAPES[from].p < s.p;
      const one = (a: bigint) =>
        check(name, [a], (r, rm) => r.resize(SHAPES[from], s, a, rm), { rounding: !widens });
      corners(from).forEach(one);
      fc.assert(fc.property(pattern(from), one), { numRuns: RUNS * 4 });
      // Around every power of two and half way between neighbours of the narrow format.
      if (!widens) {
        const lost = SHAPES[from].p - s.p;
        const ties = fc.tuple(
          pattern(from),
          fc.integer({ min: -1, max: 1 }),
          fc.integer({ min: 0, max: Number(s.p) }),
        );
        fc.assert(
          fc.property(ties, ([v, off, deeper]) => {
            const at = lost + BigInt(deeper);
            const tie = ((v >> at) << at) | (1n << (at - 1n));
            one(BigInt.asUintN(Number(SHAPES[from].width), tie + BigInt(off)));
          }),
          { numRuns: RUNS * 4 },
        );
      }
    }
  });
});

describe.each(["f32", "f64"] as const)("%s", (format) => {
  const s = SHAPES[format];

  test("products and steps for which infinity times zero is a number", () => {
    const one = (a: bigint, b: bigint) => {
      check(`${format}.mulExtended`, [a, b], (r, rm) => r.mulExtended(s, a, b, rm));
      check(`${format}.reciprocalStep`, [a, b], (r, rm) => r.step(s, false, a, b, rm));
      check(`${format}.reciprocalRootStep`, [a, b], (r, rm) => r.step(s, true, a, b, rm));
    };
    for (const [a, b] of pairs(format)) one(a, b);
    fc.assert(
      fc.property(operands(format, 2), ([a, b]) => one(a as bigint, b as bigint)),
      { numRuns: RUNS * 5 },
    );
  });

  test("estimates", () => {
    const one = (a: bigint) => {
      // To nearest with ties away is no mode of FPCR; to odd neither.
      check(`${format}.reciprocalEstimate8`, [a], (r, rm) => r.reciprocalEstimate8(s, a, rm), { modes: 4 });
      check(`${format}.reciprocalRootEstimate8`, [a], (r) => r.reciprocalRootEstimate8(s, a), {
        rounding: false,
      });
      check(`${format}.reciprocalExponent`, [a], (r) => r.reciprocalExponent(s, a), { rounding: false });
    };
    corners(format).forEach(one);
    // All of the tables.
    for (let i = 0n; i < 1024n; i++) one((s.emax << (s.p - 1n)) + (i << (s.p - 10n)));
    fc.assert(fc.property(pattern(format), one), { numRuns: RUNS * 5 });
  });

  test("half precision, in both formats", () => {
    for (const alternative of [0n, 1n]) {
      const narrow = (a: bigint) =>
        check(`${format}.toHalf`, [a, alternative], (r, rm) => r.toHalf(s, a, alternative === 1n, rm));
      corners(format).forEach(narrow);
      fc.assert(fc.property(pattern(format), narrow), { numRuns: RUNS * 5 });
      const near = fc.tuple(
        fc.integer({ min: -27, max: 18 }),
        fc.integer({ min: 0, max: 2 ** 20 }),
        fc.boolean(),
      );
      fc.assert(
        fc.property(near, ([e, low, negative]) => {
          const fraction = BigInt(low) << (s.p - 21n);
          const sign = negative ? 1n << (s.width - 1n) : 0n;
          narrow(sign | ((s.emax + BigInt(e)) << (s.p - 1n)) | (fraction & ((1n << (s.p - 1n)) - 1n)));
        }),
        { numRuns: RUNS * 10 },
      );
      for (let a = 0n; a < 0x10000n; a += 37n)
        check(`${format}.fromHalf`, [a, alternative], (r) => r.fromHalf(s, a, alternative === 1n), {
          rounding: false,
        });
    }
  });
});

test("a policy can be put together from parts", () => {
  const options = {
    nan: "canonical",
    tininess: "before",
    fmaInvalid: false,
    toInteger: "indefinite",
    denormal: "operand",
  } as const;
  const instance: Instance = instantiate(options);
  const nan = 0x7ff8000000000000n;
  expect(instance.run("f64.fma", [0x7ff0000000000000n, 0n, nan, 0n])).toEqual({ bits: nan, flags: 0 });
  expect(instance.run("f64.toI32", [nan, 0n])).toEqual({ bits: 0x80000000n, flags: 16 });
  expect(instance.run("f64.mul", [1n, 0x3ff0000000000000n, 0n])).toEqual({ bits: 1n, flags: 32 });
});
