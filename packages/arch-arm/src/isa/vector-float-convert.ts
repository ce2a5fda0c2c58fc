import { ROUNDING, type Value } from "@hypercraft/engine";
import {
  compute,
  computeRounded,
  type Float,
  formatOf,
  laneCount,
  laneOf,
  makeLanes,
  readFloat,
  scaledDown,
  scaledUp,
  writeFloat,
} from "./float-lifter.js";
import type { A64Builder } from "./lifter.js";
import { fromHalf, toHalf } from "./scalar-convert.js";
import { setVector, vector, vectorInstructions, zeroVector } from "./vector-lifter.js";

// Advanced SIMD conversions between the precisions, and to and from fixed point.

interface Fields {
  readonly q: number;
  readonly double: number;
  readonly vd: number;
  readonly vn: number;
  readonly immhb: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD", "FP");

// --- Precisions ------------------------------------------------------------------------------------

/** Lanes of half the size in the low half of the register, or (Q = 1) in the high half beside what is there. */
function setHalf(b: A64Builder, q: number, register: number, lanes: Value): void {
  if (q === 0) return setVector(b, register, lanes);
  const { i64x2 } = b.ir;
  setVector(b, register, i64x2.replace_lane(vector(b, register), 1, i64x2.extract_lane(lanes, 0)));
}

const halfLane = (b: A64Builder, x: Value, index: number): Value => b.ir.i16x8.extract_lane_u(x, index);

const widen = insn(
  "0 q:1 0 01110 0 double:1 10000 10111 10 vn:5 vd:5",
  "fcvtl{second} wideD, narrowN",
  (b, o) => {
    const f = formatOf(o.double);
    const x = vector(b, o.vn);
    const count = laneCount(f, 1);
    const lane = (i: number): Value => {
      const at = o.q * count + i;
      if (f === "f32") return fromHalf(b, f, halfLane(b, x, at));
      return compute(b, f, "fromF32", laneOf(b, "f32", x, at));
    };
    setVector(b, o.vd, makeLanes(b, f, count, lane));
  },
  { name: "fcvtl.v" },
);

const narrow = insn(
  "0 q:1 0 01110 0 double:1 10000 10110 10 vn:5 vd:5",
  "fcvtn{second} narrowD, wideN",
  (b, o) => {
    const f = formatOf(o.double);
    const x = vector(b, o.vn);
    let lanes = zeroVector(b);
    for (let i = 0; i < laneCount(f, 1); i++) {
      const value = laneOf(b, f, x, i);
      lanes =
        f === "f32"
          ? b.ir.i16x8.replace_lane(lanes, i, toHalf(b, f, value))
          : b.ir.i32x4.replace_lane(lanes, i, compute(b, "f32", "fromF64", value));
    }
    setHalf(b, o.q, o.vd, lanes);
  },
  { name: "fcvtn.v" },
);

/** To odd: rounding once more, to nearest, is then right. */
const toOdd = (b: A64Builder, x: Value): Value => computeRounded(b, "f32", "fromF64", ROUNDING.odd, x);

const odd = [
  insn(
    "0 q:1 1 01110 01 10000 10110 10 vn:5 vd:5",
    "fcvtxn{second} narrowD, wideN",
    (b, o) => {
      const x = vector(b, o.vn);
      const lanes = makeLanes(b, "f32", 2, (i) => toOdd(b, laneOf(b, "f64", x, i)));
      setHalf(b, o.q, o.vd, lanes);
    },
    { name: "fcvtxn.v" },
  ),
  insn(
    "01 1 11110 01 10000 10110 10 vn:5 vd:5",
    "fcvtxn singleD, doubleN",
    (b, o) => writeFloat(b, "f32", o.vd, toOdd(b, readFloat(b, "f64", o.vn))),
    { name: "fcvtxn.scalar.v" },
  ),
];

// --- Fixed point -----------------------------------------------------------------------------------

type Lane = (b: A64Builder, f: Float, x: Value, fraction: number) => Value;

const kind = (f: Float, sign: string): string => `${sign}${f === "f64" ? 64 : 32}`;
const from =
  (sign: "I" | "U"): Lane =>
  (b, f, x, fraction) =>
    scaledDown(b, f, compute(b, f, `from${kind(f, sign)}`, x), fraction);
const to =
  (sign: "I" | "U"): Lane =>
  (b, f, x, fraction) =>
    computeRounded(b, f, `to${kind(f, sign)}`, ROUNDING.towardZero, scaledUp(b, f, x, fraction));

const FIXED: readonly (readonly [string, 0 | 1, string, Lane])[] = [
  ["scvtf", 0, "11100", from("I")],
  ["ucvtf", 1, "11100", from("U")],
  ["fcvtzs", 0, "11111", to("I")],
  ["fcvtzu", 1, "11111", to("U")],
];

/** The format and the bits of the fraction by immh:immb. */
const fixed = (immhb: number): readonly [Float, number] =>
  immhb >= 64 ? ["f64", 128 - immhb] : ["f32", 64 - immhb];

const fixedPoint = FIXED.flatMap(([name, u, opcode, lane]) => [
  insn(
    `0 q:1 ${u} 011110 immhb:7 ${opcode} 1 vn:5 vd:5`,
    `${name} fixedD, fixedN, fixedBits`,
    (b, o) => {
      const [f, fraction] = fixed(o.immhb);
      const x = vector(b, o.vn);
      setVector(
        b,
        o.vd,
        makeLanes(b, f, laneCount(f, o.q), (i) => lane(b, f, laneOf(b, f, x, i), fraction)),
      );
    },
    { name: `${name}.fixed.vector.v`, where: "fixedLanes == 1" },
  ),
  insn(
    `01 ${u} 111110 immhb:7 ${opcode} 1 vn:5 vd:5`,
    `${name} fixedScalarD, fixedScalarN, fixedBits`,
    (b, o) => {
      const [f, fraction] = fixed(o.immhb);
      writeFloat(b, f, o.vd, lane(b, f, readFloat(b, f, o.vn), fraction));
    },
    { name: `${name}.fixed.simd.v`, where: "fixedLane == 1" },
  ),
]);

export const vectorFloatConvert = [widen, narrow, ...odd, ...fixedPoint];
