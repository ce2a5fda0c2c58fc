import type { Value } from "@hypercraft/engine";
import {
  addSigned,
  addUnsigned,
  leadingSigns,
  leadingZeros,
  reversed,
  reversedBits,
  saturatingAbs,
  saturatingNegate,
  type Unary,
} from "./vector-arithmetic.js";
import { reciprocalEstimate, reciprocalRootEstimate } from "./vector-estimates.js";
import { ARRANGEMENTS, type Sizes } from "./vector-forms.js";
import { arrangedLanes, type Lanes, scalarLane } from "./vector-lanes.js";
import { setVector, type VectorFields, vector, vectorInstructions } from "./vector-lifter.js";
import { type Saturation, saturatedForNarrow } from "./vector-shifting.js";

// Advanced SIMD two-register miscellaneous, and scalar two-register miscellaneous.

const insn = vectorInstructions("AdvSIMD");

/** A comparison with zero. */
const zeroed =
  (name: string): Unary =>
  (l, x) =>
    l.op(name, x, l.zero);
const plain =
  (name: string): Unary =>
  (l, x) =>
    l.op(name, x);
const turned =
  (container: number): Unary =>
  (l, x) =>
    reversed(l, x, container);

const pairSums =
  (signed: boolean): Unary =>
  (l, x) =>
    l.pairSums(x, signed);
const morePairSums =
  (signed: boolean): Unary =>
  (l, x, d) =>
    l.wider.add(d, l.pairSums(x, signed));

type Row = readonly [text: string, u: 0 | 1, opcode: string, operation: Unary, vector: Sizes, scalar?: Sizes];

const UNARY: readonly Row[] = [
  ["rev64 vd, vn", 0, "00000", turned(8), "bhs"],
  ["rev32 vd, vn", 1, "00000", turned(4), "bh"],
  ["rev16 vd, vn", 0, "00001", turned(2), "b"],
  ["saddlp pairedD, vn", 0, "00010", pairSums(true), "bhs"],
  ["uaddlp pairedD, vn", 1, "00010", pairSums(false), "bhs"],
  ["suqadd vd, vn", 0, "00011", addUnsigned, "bhsd", "bhsd"],
  ["usqadd vd, vn", 1, "00011", addSigned, "bhsd", "bhsd"],
  ["cls vd, vn", 0, "00100", leadingSigns, "bhs"],
  ["clz vd, vn", 1, "00100", leadingZeros, "bhs"],
  ["cnt vd, vn", 0, "00101", plain("popcnt"), "b"],
  ["sadalp pairedD, vn", 0, "00110", morePairSums(true), "bhs"],
  ["uadalp pairedD, vn", 1, "00110", morePairSums(false), "bhs"],
  ["sqabs vd, vn", 0, "00111", saturatingAbs, "bhsd", "bhsd"],
  ["sqneg vd, vn", 1, "00111", saturatingNegate, "bhsd", "bhsd"],
  ["cmgt vd, vn, #0", 0, "01000", zeroed("gt_s"), "bhsd", "d"],
  ["cmeq vd, vn, #0", 0, "01001", zeroed("eq"), "bhsd", "d"],
  ["cmlt vd, vn, #0", 0, "01010", zeroed("lt_s"), "bhsd", "d"],
  ["cmge vd, vn, #0", 1, "01000", zeroed("ge_s"), "bhsd", "d"],
  ["cmle vd, vn, #0", 1, "01001", zeroed("le_s"), "bhsd", "d"],
  ["abs vd, vn", 0, "01011", plain("abs"), "bhsd", "d"],
  ["neg vd, vn", 1, "01011", plain("neg"), "bhsd", "d"],
];

function lift(operation: Unary, l: Lanes, o: VectorFields): void {
  l.set(o.vd, operation(l, vector(l.b, o.vn), vector(l.b, o.vd)));
}

const nameOf = (text: string): string => `${text.split(" ")[0]}${text.endsWith("#0") ? ".zero" : ""}`;

const unary = UNARY.flatMap(([text, u, opcode, operation, vectors, scalars]) => [
  insn(
    `0 q:1 ${u} 01110 vsize:2 10000 ${opcode} 10 vn:5 vd:5`,
    text,
    (b, o) => lift(operation, arrangedLanes(b, o.vsize, o.q), o),
    { name: `${nameOf(text)}.v`, where: ARRANGEMENTS[vectors].vector },
  ),
  ...(scalars === undefined
    ? []
    : [
        insn(
          `01 ${u} 11110 vsize:2 10000 ${opcode} 10 vn:5 vd:5`,
          text.replace("vd, vn", "scalarD, scalarN"),
          (b, o) => lift(operation, scalarLane(b, o.vsize), o),
          { name: `${nameOf(text)}.scalar.v`, where: ARRANGEMENTS[scalars].scalar },
        ),
      ]),
]);

/** Those whose field for the size says something else: text, U, that field, opcode, size of the lanes. */
const FIXED: readonly (readonly [string, number, string, string, Unary, number])[] = [
  ["mvn bytesD, bytesN", 1, "00", "00101", (l, x) => l.not(x), 0],
  ["rbit bytesD, bytesN", 1, "01", "00101", reversedBits, 0],
  ["urecpe vd, vn", 0, "10", "11100", reciprocalEstimate, 2],
  ["ursqrte vd, vn", 1, "10", "11100", reciprocalRootEstimate, 2],
];

const fixed = FIXED.map(([text, u, size, opcode, operation, lanes]) =>
  insn(
    `0 q:1 ${u} 01110 ${size} 10000 ${opcode} 10 vn:5 vd:5`,
    text,
    (b, o) => lift(operation, arrangedLanes(b, lanes, o.q), o),
    { name: `${nameOf(text)}.v` },
  ),
);

/** Mnemonic, U, opcode, saturation if any; those that saturate are scalar too. */
const NARROWING: readonly (readonly [string, number, string, Saturation?])[] = [
  ["xtn", 0, "10010"],
  ["sqxtun", 1, "10010", "signed to unsigned"],
  ["sqxtn", 0, "10100", "signed"],
  ["uqxtn", 1, "10100", "unsigned"],
];

const narrowing = NARROWING.flatMap(([name, u, opcode, saturation]) => {
  const narrow = (l: Lanes, o: VectorFields, q: number): void => {
    const x: Value = vector(l.b, o.vn);
    l.setNarrow(o.vd, q, saturation === undefined ? x : saturatedForNarrow(l, x, saturation));
  };
  return [
    insn(
      `0 q:1 ${u} 01110 vsize:2 10000 ${opcode} 10 vn:5 vd:5`,
      `${name}{second} vd, doubledN`,
      (b, o) => narrow(arrangedLanes(b, o.vsize, o.q), o, o.q),
      { name: `${name}.v`, where: "vsize != 3" },
    ),
    ...(saturation === undefined
      ? []
      : [
          insn(
            `01 ${u} 11110 vsize:2 10000 ${opcode} 10 vn:5 vd:5`,
            `${name} scalarD, longScalarN`,
            (b, o) => narrow(scalarLane(b, o.vsize), o, 0),
            { name: `${name}.scalar.v`, where: "vsize != 3" },
          ),
        ]),
  ];
});

/** Shifts by the size of a lane, which the other instructions that widen have no encoding for. */
const shll = insn(
  "0 q:1 1 01110 vsize:2 10000 10011 10 vn:5 vd:5",
  "shll{second} doubledD, vn, laneBits",
  (b, o) => {
    const l = arrangedLanes(b, o.vsize, o.q);
    setVector(b, o.vd, l.wider.shl(l.extended(vector(b, o.vn), o.q, false), l.bits));
  },
  { name: "shll.v", where: "vsize != 3" },
);

export const vectorUnary = [...unary, ...fixed, ...narrowing, shll];
