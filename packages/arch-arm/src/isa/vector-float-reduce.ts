import type { Value } from "@hypercraft/engine";
import { compute, type Float, formatOf, laneOf, writeFloat } from "./float-lifter.js";
import type { A64Builder } from "./lifter.js";
import { vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD floating point that leaves one number: across four lanes, and of a pair (scalar pairwise).

interface Fields {
  readonly double: number;
  readonly vn: number;
  readonly vd: number;
  readonly fd: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD", "FP");

/** Halves first, then their results: the order tells which NaN is handed on. */
function reduced(b: A64Builder, f: Float, operation: string, lanes: readonly Value[]): Value {
  const [first] = lanes;
  if (lanes.length === 1) return first as Value;
  const half = lanes.length / 2;
  const [low, high] = [lanes.slice(0, half), lanes.slice(half)].map((part) =>
    reduced(b, f, operation, part),
  ) as [Value, Value];
  return compute(b, f, operation, low, high);
}

const lanesOf = (b: A64Builder, f: Float, index: number, count: number): readonly Value[] => {
  const x = vector(b, index);
  return Array.from({ length: count }, (_, i) => laneOf(b, f, x, i));
};

const EXTREMES = [
  ["fmaxnm", 0, "01100", "maxNum"],
  ["fmax", 0, "01111", "maximum"],
  ["fminnm", 1, "01100", "minNum"],
  ["fmin", 1, "01111", "minimum"],
] as const;

const across = EXTREMES.map(([name, a, opcode, operation]) =>
  insn(
    `0 1 1 01110 ${a} 0 11000 ${opcode} 10 vn:5 vd:5`,
    `${name}v singleD, fourSingles`,
    (b, o) => writeFloat(b, "f32", o.vd, reduced(b, "f32", operation, lanesOf(b, "f32", o.vn, 4))),
    { name: `${name}v.v` },
  ),
);

const pairs = [...EXTREMES, ["fadd", 0, "01101", "add"] as const].map(([name, a, opcode, operation]) =>
  insn(
    `01 1 11110 ${a} double:1 11000 ${opcode} 10 vn:5 fd:5`,
    `${name}p fd, floatPair`,
    (b, o) => {
      const f = formatOf(o.double);
      writeFloat(b, f, o.fd, reduced(b, f, operation, lanesOf(b, f, o.vn, 2)));
    },
    { name: `${name}p.scalar.v` },
  ),
);

export const vectorFloatReduce = [...across, ...pairs];
