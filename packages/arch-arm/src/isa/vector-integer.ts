import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import {
  accumulated,
  type Binary,
  difference,
  doublingHigh,
  halvingAdd,
  halvingSubtract,
  multiply,
  polynomialProduct,
  roundingHalvingAdd,
  saturatingAdd,
  saturatingSubtract,
} from "./vector-arithmetic.js";
import { ARRANGEMENTS, type Sizes } from "./vector-forms.js";
import { arrangedLanes, type Lanes, scalarLane } from "./vector-lanes.js";
import { setArranged, type VectorFields, vector, vectorInstructions } from "./vector-lifter.js";
import { byRegister } from "./vector-shifting.js";

// Advanced SIMD three same, and scalar three same: Arm ARM, C4.1 "Data Processing -- Scalar Floating-Point and Advanced
// SIMD".

const insn = vectorInstructions("AdvSIMD");

const plain =
  (name: string): Binary =>
  (l, x, y) =>
    l.op(name, x, y);

const greater =
  (relation: "gt" | "ge", signed: boolean): Binary =>
  (l, x, y) =>
    l.compare(relation, x, y, signed);

const tested: Binary = (l, x, y) => l.op("ne", l.and(x, y), l.zero);

/** Lanes of both operands, neighbours of each combined. With 64-bit vectors the operands' low halves are joined first. */
const pairwise =
  (name: string): Binary =>
  (l, x, y) => {
    if (l.width === 128) return l.op(name, l.alternate(x, y, 0), l.alternate(x, y, 1));
    const { i64x2 } = l.b.ir;
    const joined = i64x2.replace_lane(x, 1, i64x2.extract_lane(y, 0));
    return l.op(name, l.alternate(joined, joined, 0), l.alternate(joined, joined, 1));
  };

type Row = readonly [
  name: string,
  u: 0 | 1,
  opcode: string,
  operation: Binary,
  vector: Sizes,
  scalar?: Sizes,
];

/** Both signs of an operation: signed if U = 0. */
const signs = (
  name: string,
  opcode: string,
  operation: (signed: boolean) => Binary,
  ...sizes: [Sizes, Sizes?]
): readonly Row[] => [
  [`s${name}`, 0, opcode, operation(true), ...sizes],
  [`u${name}`, 1, opcode, operation(false), ...sizes],
];

const SAME: readonly Row[] = [
  ...signs("hadd", "00000", halvingAdd, "bhs"),
  ...signs("qadd", "00001", saturatingAdd, "bhsd", "bhsd"),
  ...signs("rhadd", "00010", roundingHalvingAdd, "bhs"),
  ...signs("hsub", "00100", halvingSubtract, "bhs"),
  ...signs("qsub", "00101", saturatingSubtract, "bhsd", "bhsd"),
  ["cmgt", 0, "00110", greater("gt", true), "bhsd", "d"],
  ["cmhi", 1, "00110", greater("gt", false), "bhsd", "d"],
  ["cmge", 0, "00111", greater("ge", true), "bhsd", "d"],
  ["cmhs", 1, "00111", greater("ge", false), "bhsd", "d"],
  ...signs("shl", "01000", (signed) => byRegister(signed, false, false), "bhsd", "d"),
  ...signs("qshl", "01001", (signed) => byRegister(signed, false, true), "bhsd", "bhsd"),
  ...signs("rshl", "01010", (signed) => byRegister(signed, true, false), "bhsd", "d"),
  ...signs("qrshl", "01011", (signed) => byRegister(signed, true, true), "bhsd", "bhsd"),
  ...signs("max", "01100", (signed) => plain(signed ? "max_s" : "max_u"), "bhs"),
  ...signs("min", "01101", (signed) => plain(signed ? "min_s" : "min_u"), "bhs"),
  ...signs("abd", "01110", difference, "bhs"),
  ...signs("aba", "01111", (signed) => accumulated(difference(signed), "add"), "bhs"),
  ["add", 0, "10000", plain("add"), "bhsd", "d"],
  ["sub", 1, "10000", plain("sub"), "bhsd", "d"],
  ["cmtst", 0, "10001", tested, "bhsd", "d"],
  ["cmeq", 1, "10001", plain("eq"), "bhsd", "d"],
  ["mla", 0, "10010", accumulated(multiply, "add"), "bhs"],
  ["mls", 1, "10010", accumulated(multiply, "sub"), "bhs"],
  ["mul", 0, "10011", multiply, "bhs"],
  ["pmul", 1, "10011", (l, x, y) => polynomialProduct(l, x, y, 8), "b"],
  ...signs("maxp", "10100", (signed) => pairwise(signed ? "max_s" : "max_u"), "bhs"),
  ...signs("minp", "10101", (signed) => pairwise(signed ? "min_s" : "min_u"), "bhs"),
  ["sqdmulh", 0, "10110", doublingHigh(false), "hs", "hs"],
  ["sqrdmulh", 1, "10110", doublingHigh(true), "hs", "hs"],
  ["addp", 0, "10111", pairwise("add"), "bhsd"],
];

function lift(operation: Binary, l: Lanes, o: VectorFields): void {
  const { b } = l;
  l.set(o.vd, operation(l, vector(b, o.vn), vector(b, o.vm), vector(b, o.vd)));
}

const same = SAME.flatMap(([name, u, opcode, operation, vectors, scalars]) => [
  insn(
    `0 q:1 ${u} 01110 vsize:2 1 vm:5 ${opcode} 1 vn:5 vd:5`,
    `${name} vd, vn, vm`,
    (b, o) => lift(operation, arrangedLanes(b, o.vsize, o.q), o),
    { name: `${name}.v`, where: ARRANGEMENTS[vectors].vector },
  ),
  ...(scalars === undefined
    ? []
    : [
        insn(
          `01 ${u} 11110 vsize:2 1 vm:5 ${opcode} 1 vn:5 vd:5`,
          `${name} scalarD, scalarN, scalarM`,
          (b, o) => lift(operation, scalarLane(b, o.vsize), o),
          { name: `${name}.scalar.v`, where: ARRANGEMENTS[scalars].scalar },
        ),
      ]),
]);

type Logic = (b: A64Builder, d: Value, x: Value, y: Value) => Value;
const LOGIC: readonly (readonly [string, 0 | 1, string, Logic])[] = [
  ["and", 0, "00", (b, _, x, y) => b.ir.v128.and(x, y)],
  ["bic", 0, "01", (b, _, x, y) => b.ir.v128.andnot(x, y)],
  ["orr", 0, "10", (b, _, x, y) => b.ir.v128.or(x, y)],
  ["orn", 0, "11", (b, _, x, y) => b.ir.v128.or(x, b.ir.v128.not(y))],
  ["eor", 1, "00", (b, _, x, y) => b.ir.v128.xor(x, y)],
  ["bsl", 1, "01", (b, d, x, y) => b.ir.v128.bitselect(x, y, d)],
  ["bit", 1, "10", (b, d, x, y) => b.ir.v128.bitselect(x, d, y)],
  ["bif", 1, "11", (b, d, x, y) => b.ir.v128.bitselect(d, x, y)],
];

const logic = LOGIC.map(([name, u, size, operation]) =>
  insn(
    `0 q:1 ${u} 01110 ${size} 1 vm:5 00011 1 vn:5 vd:5`,
    `${name} bytesD, bytesN, bytesM`,
    (b, o) => setArranged(b, o.q, o.vd, operation(b, vector(b, o.vd), vector(b, o.vn), vector(b, o.vm))),
    {
      name: `${name}.v`,
      ...(name === "orr" ? { aliases: [["mov bytesD, bytesN", "sameSources == 1"]] } : {}),
    },
  ),
);

export const vectorInteger = [...same, ...logic];
