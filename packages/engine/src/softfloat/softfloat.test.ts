import { expect, test } from "vitest";
import { ModuleBuilder } from "../wasm/index.js";
import { emitSoftFloat, ROUNDING, type SoftFloatName } from "./index.js";
import { type Instance, instantiate } from "./testing/harness.js";

// Cases one can look up: the manuals' tables, and results worked out by hand. The exhaustive comparison is in
// reference.test.ts and native.test.ts.

const riscv = instantiate({ nan: "canonical", tininess: "after" });
const x86 = instantiate({ nan: "propagate-x86", tininess: "after" });
const arm = instantiate({ nan: "propagate-arm", tininess: "before" });

const NX = 1;
const UF = 2;
const OF = 4;
const DZ = 8;
const NV = 16;
const DE = 32;

const QNAN = 0x7fc00000n;
const SNAN = 0x7f800001n;
const INFINITY = 0x7f800000n;
const MINUS = 0x80000000n;

const f64 = (v: number): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, v);
  return view.getBigUint64(0);
};
const f32 = (v: number): bigint => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, v);
  return BigInt(view.getUint32(0));
};

type Row = readonly [args: readonly bigint[], bits: bigint, flags: number];

function table(instance: Instance, name: SoftFloatName, rows: readonly Row[], modes = 0): void {
  for (const [args, bits, flags] of rows) {
    const where = `${name}(${args.map((v) => v.toString(16)).join(", ")})`;
    expect({ where, ...instance.run(name, args, 0, modes) }).toEqual({ where, bits, flags });
  }
}

test("class gives the mask of the RISC-V manual's table of fclass", () => {
  const subnormal = 1n;
  const rows: readonly (readonly [bigint, number])[] = [
    [INFINITY | MINUS, 0],
    [f32(-1), 1],
    [subnormal | MINUS, 2],
    [MINUS, 3],
    [0n, 4],
    [subnormal, 5],
    [f32(1), 6],
    [INFINITY, 7],
    [SNAN, 8],
    [QNAN, 9],
  ];
  table(
    riscv,
    "f32.class",
    rows.map(([v, bit]) => [[v], 1n << BigInt(bit), 0]),
  );
});

test("0.1 + 0.2 in every rounding mode", () => {
  const [down, up] = [f64(0.3), f64(0.30000000000000004)];
  const args = [f64(0.1), f64(0.2)];
  const results = Object.entries(ROUNDING).map(([mode, rm]) => [
    mode,
    riscv.run("f64.add", [...args, BigInt(rm)]),
  ]);
  expect(Object.fromEntries(results)).toEqual({
    nearestEven: { bits: up, flags: NX },
    towardZero: { bits: down, flags: NX },
    down: { bits: down, flags: NX },
    up: { bits: up, flags: NX },
    nearestAway: { bits: up, flags: NX },
    odd: { bits: down % 2n === 1n ? down : up, flags: NX },
  });
});

test("an exact zero sum is minus when rounding down", () => {
  for (const [rm, bits] of [
    [0n, 0n],
    [1n, 0n],
    [2n, 1n << 63n],
    [3n, 0n],
    [4n, 0n],
  ] as const) {
    table(riscv, "f64.sub", [[[f64(1.5), f64(1.5), rm], bits, 0]]);
    table(riscv, "f64.fma", [[[f64(1.5), f64(2), f64(-3), rm], bits, 0]]);
    table(riscv, "f32.add", [[[0n, MINUS, rm], rm === 2n ? MINUS : 0n, 0]]);
  }
});

test("division by zero, and what is invalid", () => {
  table(riscv, "f64.div", [
    [[f64(1), f64(0), 0n], f64(Infinity), DZ],
    [[f64(1), f64(-0), 0n], f64(-Infinity), DZ],
    [[f64(Infinity), f64(0), 0n], f64(Infinity), 0],
    [[f64(0), f64(0), 0n], 0x7ff8000000000000n, NV],
  ]);
  table(x86, "f64.div", [[[f64(0), f64(0), 0n], 0xfff8000000000000n, NV]]);
  table(riscv, "f32.sqrt", [
    [[f32(-1), 0n], QNAN, NV],
    [[MINUS, 0n], MINUS, 0],
    [[f32(2), 0n], f32(Math.SQRT2), NX],
  ]);
  table(riscv, "f32.sub", [[[INFINITY, INFINITY, 0n], QNAN, NV]]);
  table(riscv, "f32.mul", [[[INFINITY, 0n, 0n], QNAN, NV]]);
});

test("overflow ends at infinity or at the largest number", () => {
  const largest = 0x7f7fffffn;
  const both = OF | NX;
  table(riscv, "f32.mul", [
    [[largest, f32(2), 0n], INFINITY, both],
    [[largest, f32(2), 1n], largest, both],
    [[largest, f32(2), 2n], largest, both],
    [[largest, f32(2), 3n], INFINITY, both],
    [[largest, f32(2), 4n], INFINITY, both],
    [[largest, f32(-2), 3n], largest | MINUS, both],
  ]);
});

test("tininess: the largest subnormal times 1 + 2^-23 becomes the smallest normal number", () => {
  // (2^-126 - 2^-149) (1 + 2^-23) = 2^-126 - 2^-172: with 24 bits that rounds to 2^-126 before it gets tiny.
  const args = [0x007fffffn, 0x3f800001n, 0n];
  table(riscv, "f32.mul", [[args, 0x00800000n, NX]]);
  table(instantiate({ nan: "canonical", tininess: "before" }), "f32.mul", [[args, 0x00800000n, NX | UF]]);
});

test("fma with an infinite product of zero and a quiet NaN addend is invalid where the policy says so", () => {
  const addend = QNAN | 5n;
  table(riscv, "f32.fma", [[[INFINITY, 0n, addend, 0n], QNAN, NV]]);
  table(x86, "f32.fma", [[[INFINITY, 0n, addend, 0n], addend, 0]]);
  table(arm, "f32.fma", [[[INFINITY, 0n, addend, 0n], QNAN, NV]]);
  table(arm, "f32.fma", [[[INFINITY, 0n, SNAN, 0n], SNAN | QNAN, NV]]);
});

test("NaN operands: canonical, x86's first, Arm's signaling first", () => {
  const quiet = 0xffc00123n;
  const args = [quiet, SNAN, 0n];
  table(riscv, "f32.add", [[args, QNAN, NV]]);
  table(x86, "f32.add", [[args, quiet, NV]]);
  table(arm, "f32.add", [[args, SNAN | QNAN, NV]]);
  table(arm, "f32.add", [[args, QNAN, NV]], 4);
  table(arm, "f32.fma", [[[f32(1), quiet, QNAN | 7n, 0n], QNAN | 7n, 0]]);
  table(x86, "f32.sub", [[[f32(1), quiet, 0n], quiet, 0]]);
});

test("minimum and maximum", () => {
  const one = f32(1);
  table(riscv, "f32.minimumNumber", [
    [[0n, MINUS], MINUS, 0],
    [[QNAN, one], one, 0],
    [[one, SNAN], one, NV],
    [[QNAN, QNAN | 1n], QNAN, 0],
    [[SNAN, QNAN], QNAN, NV],
  ]);
  table(riscv, "f32.maximumNumber", [
    [[0n, MINUS], 0n, 0],
    [[one, f32(2)], f32(2), 0],
  ]);
  table(arm, "f32.minNum", [
    [[QNAN, one], one, 0],
    [[SNAN, one], SNAN | QNAN, NV],
  ]);
  table(arm, "f32.minimum", [
    [[QNAN, one], QNAN, 0],
    [[MINUS, 0n], MINUS, 0],
  ]);
  table(x86, "f32.minSecond", [
    [[0n, MINUS], MINUS, 0],
    [[MINUS, 0n], 0n, 0],
    [[SNAN, one], one, NV],
    [[one, SNAN], SNAN, NV],
  ]);
});

test("comparisons: quiet ones mind signaling NaNs only", () => {
  const one = f32(1);
  table(riscv, "f32.eq", [
    [[0n, MINUS], 1n, 0],
    [[QNAN, QNAN], 0n, 0],
    [[SNAN, one], 0n, NV],
  ]);
  table(riscv, "f32.lt", [
    [[QNAN, one], 0n, NV],
    [[f32(-1), one], 1n, 0],
  ]);
  table(riscv, "f32.leQuiet", [
    [[QNAN, one], 0n, 0],
    [[one, one], 1n, 0],
  ]);
  table(x86, "f32.order", [
    [[f32(-1), one], 0n, 0],
    [[one, one], 1n, 0],
    [[one, f32(-1)], 2n, 0],
    [[QNAN, one], 3n, 0],
  ]);
  table(x86, "f32.orderSignaling", [
    [[QNAN, one], 3n, NV],
    [[1n, one], 0n, DE],
  ]);
});

test("out of range: the RISC-V manual's table of float to integer conversions, x86's indefinite, Arm's zero", () => {
  const max32 = 0x7fffffffn;
  const min32 = 0x80000000n;
  table(riscv, "f64.toI32", [
    [[f64(Infinity), 0n], max32, NV],
    [[f64(-Infinity), 0n], min32, NV],
    [[f64(Number.NaN), 0n], max32, NV],
    [[f64(2147483647.5), 1n], max32, NX],
    [[f64(2147483647.5), 0n], max32, NV],
    [[f64(-2147483648.5), 1n], min32, NX],
  ]);
  table(riscv, "f64.toU32", [
    [[f64(-1), 0n], 0n, NV],
    [[f64(-0.9), 1n], 0n, NX],
    [[f64(Number.NaN), 0n], 0xffffffffn, NV],
    [[f64(4294967295), 0n], 0xffffffffn, 0],
  ]);
  table(riscv, "f64.toI64", [
    [[f64(Number.NaN), 0n], 0x7fffffffffffffffn, NV],
    [[f64(-(2 ** 63)), 0n], 1n << 63n, 0],
  ]);
  table(riscv, "f64.toU64", [
    [[f64(2 ** 64), 0n], (1n << 64n) - 1n, NV],
    [[f64(2 ** 63), 0n], 1n << 63n, 0],
  ]);
  table(x86, "f64.toI32", [
    [[f64(1e10), 0n], min32, NV],
    [[f64(Number.NaN), 0n], min32, NV],
  ]);
  table(arm, "f64.toI32", [
    [[f64(1e10), 0n], max32, NV],
    [[f64(Number.NaN), 0n], 0n, NV],
  ]);
});

test("halves round to even, away, or where the mode points", () => {
  const rows = [
    [0.5, 0, 0, 0, 1, 1, 1],
    [1.5, 2, 1, 1, 2, 2, 1],
    [-2.5, -2, -2, -3, -2, -3, -3],
  ] as const;
  for (const [value, ...results] of rows) {
    results.forEach((result, rm) => {
      table(riscv, "f64.roundToIntegral", [[[f64(value), 1n, BigInt(rm)], f64(result), NX]]);
      table(riscv, "f64.roundToIntegral", [[[f64(value), 0n, BigInt(rm)], f64(result), 0]]);
      table(riscv, "f64.toI64", [[[f64(value), BigInt(rm)], BigInt.asUintN(64, BigInt(result)), NX]]);
    });
  }
});

test("the flush modes: x86 raises both underflow and inexact, Arm underflow, or denormal for an operand", () => {
  const smallest = 0x00800000n;
  const [inputs, results] = [1, 2];
  table(x86, "f32.mul", [[[smallest, f32(0.5), 0n], 0n, UF | NX]], results);
  table(arm, "f32.mul", [[[smallest, f32(0.5), 0n], 0n, UF]], results);
  table(x86, "f32.add", [[[1n, f32(1), 0n], f32(1), 0]], inputs);
  table(arm, "f32.add", [[[1n, f32(1), 0n], f32(1), DE]], inputs);
  table(x86, "f32.add", [[[1n, f32(1), 0n], f32(1), NX | DE]]);
  table(arm, "f32.add", [[[1n, f32(1), 0n], f32(1), NX]]);
});

test("flags accumulate, and what was there stays", () => {
  expect(riscv.run("f64.add", [f64(0.1), f64(0.2), 0n], DZ | NV)).toEqual({
    bits: f64(0.1 + 0.2),
    flags: NX,
  });
});

test("a function is written into the module once, and only when asked for", () => {
  const m = new ModuleBuilder();
  const soft = emitSoftFloat(m, { nan: "canonical", tininess: "after" });
  const empty = m.encode().length;
  const add = soft.get("f64.add");
  expect(soft.get("f64.add")).toBe(add);
  const one = m.encode().length;
  expect(one).toBeGreaterThan(empty);
  expect(one).toBeLessThan(1500);
  expect(() => soft.get("f64.fromF64" as SoftFloatName)).toThrow("no floating-point function f64.fromF64");
  expect(() => soft.get("f128.add" as SoftFloatName)).toThrow("no floating-point function f128.add");
});

test("approximations of x86 raise nothing, and take and give no denormals", () => {
  const least = 0x00800000n;
  const modes = 3;
  for (const some of [0, modes]) {
    const common: Row[] = [
      [[0n], INFINITY, 0],
      [[MINUS], INFINITY | MINUS, 0],
      [[1n | MINUS], INFINITY | MINUS, 0],
      [[SNAN | MINUS], SNAN | MINUS | 0x400000n, 0],
    ];
    table(
      x86,
      "f32.reciprocal",
      [
        ...common,
        [[INFINITY | MINUS], MINUS, 0],
        [[f32(-4)], f32(-0.25), 0],
        [[f32(2 ** 126)], least, 0],
        [[f32(-(2 ** 126) * 1.5)], MINUS, 0],
      ],
      some,
    );
    table(
      x86,
      "f32.reciprocalRoot",
      [...common, [[INFINITY], 0n, 0], [[f32(16)], f32(0.25), 0], [[f32(-1)], QNAN | MINUS, 0]],
      some,
    );
    table(x86, "f64.reciprocalRoot", [[[f64(16)], f64(0.25), 0]], some);
    table(x86, "f64.reciprocal", [[[f64(16)], f64(1 / 16), 0]], some);
  }
});
