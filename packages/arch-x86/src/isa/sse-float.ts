import type { SoftName, Value } from "@hypercraft/engine";
import type { X86Declaration } from "./declaration.js";
import {
  type Float,
  type FloatSteps,
  type FloatUnit,
  floats,
  laneCount,
  laneOf,
  makeLanes,
  maskOf,
  readScalar,
  writeScalar,
} from "./float-unit.js";
import type { X86Builder } from "./lifter.js";
import { combine } from "./packed-integer.js";
import { read, simd, write } from "./vector-lifter.js";

// Arithmetic and comparisons of SSE's floating-point numbers, packed and scalar: SDM volume 1, 11.4 and 11.5.

type Binary = (unit: FloatUnit, f: Float, x: Value, y: Value) => Value;

const operation =
  (name: string): Binary =>
  (unit, f, x, y) =>
    unit.op(f, name, x, y);
/** Of the second operand alone. */
const unary =
  (name: string): Binary =>
  (unit, f, _, y) =>
    unit.op(f, name, y);

type Pair = readonly [Value, Value];

const readPair = (b: X86Builder): Pair => [read(b, 0), read(b, 1)];
const writeFirst = (b: X86Builder, value: Value): void => write(b, 0, value);

/** All lanes. */
const packed = (f: Float, binary: Binary): FloatSteps<Pair, Value> => ({
  read: readPair,
  compute: (unit, [x, y]) =>
    makeLanes(unit.b, f, laneCount(f), (i) =>
      binary(unit, f, laneOf(unit.b, f, x, i), laneOf(unit.b, f, y, i)),
    ),
  write: writeFirst,
});

/** The lowest lane; the others stay. */
const scalar = (f: Float, binary: Binary): FloatSteps<Pair, Value> => ({
  read: (b) => [readScalar(b, f, 0), readScalar(b, f, 1)],
  compute: (unit, [x, y]) => binary(unit, f, x, y),
  write: (b, value) => writeScalar(b, f, value),
});

/** Neighbours of the first operand, and then of the second. */
const horizontal = (f: Float, name: "add" | "sub"): FloatSteps<Pair, Value> => ({
  read: readPair,
  compute: (unit, [x, y]) => {
    const count = laneCount(f);
    const lane = (i: number) => laneOf(unit.b, f, i < count ? x : y, i % count);
    return makeLanes(unit.b, f, count, (i) => unit.op(f, name, lane(2 * i), lane(2 * i + 1)));
  },
  write: writeFirst,
});

/** Even lanes are subtracted, odd ones added. */
const alternating = (f: Float): FloatSteps<Pair, Value> => ({
  read: readPair,
  compute: (unit, [x, y]) =>
    makeLanes(unit.b, f, laneCount(f), (i) =>
      unit.op(f, i % 2 === 0 ? "sub" : "add", laneOf(unit.b, f, x, i), laneOf(unit.b, f, y, i)),
    ),
  write: writeFirst,
});

/** Predicates 0 to 3; 4 to 7 are their opposites. */
const PREDICATES = ["eq", "lt", "le", "unordered"] as const;

/** All ones where the predicate in the immediate holds. */
const compared: Binary = (unit, f, x, y) => {
  const { b } = unit;
  const holds = unit.op(f, PREDICATES[b.immediate & 3] as string, x, y);
  return maskOf(b, f, (b.immediate & 4) === 0 ? holds : b.i32.eqz(holds));
};

/** The sum of chosen products, to chosen lanes. */
const dotProduct = (f: Float): FloatSteps<Pair, Value> => ({
  read: readPair,
  compute: (unit, [x, y]) => {
    const { b } = unit;
    const count = laneCount(f);
    const zero = f === "f64" ? b.i64.const(0) : b.i32.const(0);
    const chosen = (bit: number) => ((b.immediate >> bit) & 1) !== 0;
    const product = (i: number) =>
      chosen(4 + i) ? unit.op(f, "mul", laneOf(b, f, x, i), laneOf(b, f, y, i)) : zero;
    const products = Array.from({ length: count }, (_, i) => product(i));
    let sums = products;
    while (sums.length > 1) {
      // Products and sums fault one after the other.
      unit.end();
      unit.begin();
      const from: readonly Value[] = sums;
      sums = Array.from({ length: from.length / 2 }, (_, i) =>
        unit.op(f, "add", from[2 * i] as Value, from[2 * i + 1] as Value),
      );
    }
    return makeLanes(b, f, count, (i) => (chosen(i) ? (sums[0] as Value) : zero));
  },
  write: writeFirst,
});

/** Rounded as the immediate says, or MXCSR; bit 3 keeps quiet about lost bits. */
const roundedToIntegral: Binary = (unit, f, _, y) => {
  const { b } = unit;
  const exact = b.i32.const((b.immediate & 8) === 0 ? 1 : 0);
  const control = (b.immediate & 4) === 0 ? b.immediate & 3 : b.mode.rounding;
  return unit.rounded(control, f, "roundToIntegral", y, exact);
};

const ordered = (f: Float, name: "order" | "orderSignaling"): FloatSteps<Pair, Value> => ({
  read: (b) => [readScalar(b, f, 0), readScalar(b, f, 1)],
  compute: (unit, [x, y]) => unit.op(f, name, x, y),
  write: (b, order) => b.flags.ordered(order),
});

const sse = floats("SSE");
const sse2 = floats("SSE2");
const sse3 = floats("SSE3");
const sse41 = floats("SSE4.1");

/** Packed and scalar, single and double. */
const inAllForms = (name: string, opcode: string, binary: Binary, tail = "") => [
  sse(`${name}ps Vps, Wps${tail}`, `NP 0F ${opcode} /r`, packed("f32", binary)),
  sse2(`${name}pd Vpd, Wpd${tail}`, `66 0F ${opcode} /r`, packed("f64", binary)),
  sse(`${name}ss Vss, Wss${tail}`, `F3 0F ${opcode} /r`, scalar("f32", binary)),
  sse2(`${name}sd Vsd, Wsd${tail}`, `F2 0F ${opcode} /r`, scalar("f64", binary)),
];

const LOGIC = [
  ["and", "54"],
  ["andn", "55"],
  ["or", "56"],
  ["xor", "57"],
] as const;

const logic = LOGIC.flatMap(([name, opcode]) => {
  const lift = combine(3, (l, x, y) => (name === "andn" ? l.andNot(y, x) : l[name](x, y)));
  return [
    simd("SSE")(`${name}ps Vps, Wps`, `NP 0F ${opcode} /r`, lift),
    simd("SSE2")(`${name}pd Vpd, Wpd`, `66 0F ${opcode} /r`, lift),
  ];
});

/** Approximations, which raise nothing and do not look at MXCSR. */
const approximations = (
  [
    ["rsqrt", "52", "f32.reciprocalRoot"],
    ["rcp", "53", "f32.reciprocal"],
  ] as const satisfies readonly (readonly [string, string, SoftName])[]
).flatMap(([name, opcode, fn]) => [
  simd("SSE")(`${name}ps Vps, Wps`, `NP 0F ${opcode} /r`, (b) => {
    const y = read(b, 1);
    write(
      b,
      0,
      makeLanes(b, "f32", 4, (i) => b.ir.fp(fn, 0, laneOf(b, "f32", y, i))),
    );
  }),
  simd("SSE")(`${name}ss Vss, Wss`, `F3 0F ${opcode} /r`, (b) =>
    writeScalar(b, "f32", b.ir.fp(fn, 0, readScalar(b, "f32", 1))),
  ),
]);

export const sseFloats: readonly X86Declaration<X86Builder>[] = [
  ...inAllForms("sqrt", "51", unary("sqrt")),
  ...inAllForms("add", "58", operation("add")),
  ...inAllForms("mul", "59", operation("mul")),
  ...inAllForms("sub", "5C", operation("sub")),
  ...inAllForms("min", "5D", operation("minSecond")),
  ...inAllForms("div", "5E", operation("div")),
  ...inAllForms("max", "5F", operation("maxSecond")),
  ...inAllForms("cmp", "C2", compared, ", Ib"),
  sse("ucomiss Vss, Wss", "NP 0F 2E /r", ordered("f32", "order")),
  sse2("ucomisd Vsd, Wsd", "66 0F 2E /r", ordered("f64", "order")),
  sse("comiss Vss, Wss", "NP 0F 2F /r", ordered("f32", "orderSignaling")),
  sse2("comisd Vsd, Wsd", "66 0F 2F /r", ordered("f64", "orderSignaling")),
  sse3("haddpd Vpd, Wpd", "66 0F 7C /r", horizontal("f64", "add")),
  sse3("haddps Vps, Wps", "F2 0F 7C /r", horizontal("f32", "add")),
  sse3("hsubpd Vpd, Wpd", "66 0F 7D /r", horizontal("f64", "sub")),
  sse3("hsubps Vps, Wps", "F2 0F 7D /r", horizontal("f32", "sub")),
  sse3("addsubpd Vpd, Wpd", "66 0F D0 /r", alternating("f64")),
  sse3("addsubps Vps, Wps", "F2 0F D0 /r", alternating("f32")),
  sse41("dpps Vps, Wps, Ib", "66 0F 3A 40 /r", dotProduct("f32")),
  sse41("dppd Vpd, Wpd, Ib", "66 0F 3A 41 /r", dotProduct("f64")),
  sse41("roundps Vps, Wps, Ib", "66 0F 3A 08 /r", packed("f32", roundedToIntegral)),
  sse41("roundpd Vpd, Wpd, Ib", "66 0F 3A 09 /r", packed("f64", roundedToIntegral)),
  sse41("roundss Vss, Wss, Ib", "66 0F 3A 0A /r", scalar("f32", roundedToIntegral)),
  sse41("roundsd Vsd, Wsd, Ib", "66 0F 3A 0B /r", scalar("f64", roundedToIntegral)),
  ...logic,
  ...approximations,
];
