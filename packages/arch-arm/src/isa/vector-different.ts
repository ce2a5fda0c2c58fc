import type { Value } from "@hypercraft/engine";
import { polynomialProduct } from "./vector-arithmetic.js";
import { ARRANGEMENTS, type Sizes } from "./vector-forms.js";
import { arrangedLanes, scalarLane } from "./vector-lanes.js";
import { setVector, vector, vectorInstructions } from "./vector-lifter.js";
import {
  doublingProduct,
  type Long,
  longAccumulated,
  longDifference,
  longProduct,
  longSum,
} from "./vector-long.js";

// Advanced SIMD three different, and scalar three different: operands and results have lanes of different sizes.

const insn = vectorInstructions("AdvSIMD");

type Row = readonly [name: string, u: number, opcode: string, operation: Long, sizes: Sizes, scalar?: Sizes];

const signs = (name: string, opcode: string, operation: (signed: boolean) => Long): readonly Row[] => [
  [`s${name}`, 0, opcode, operation(true), "bhs"],
  [`u${name}`, 1, opcode, operation(false), "bhs"],
];

const LONG: readonly Row[] = [
  ...signs("addl", "0000", (signed) => longSum(signed, "add")),
  ...signs("subl", "0010", (signed) => longSum(signed, "sub")),
  ...signs("abal", "0101", (signed) => longAccumulated(longDifference(signed), "add")),
  ...signs("abdl", "0111", longDifference),
  ...signs("mlal", "1000", (signed) => longAccumulated(longProduct(signed), "add")),
  ["sqdmlal", 0, "1001", longAccumulated(doublingProduct, "saturating add"), "hs", "hs"],
  ...signs("mlsl", "1010", (signed) => longAccumulated(longProduct(signed), "sub")),
  ["sqdmlsl", 0, "1011", longAccumulated(doublingProduct, "saturating sub"), "hs", "hs"],
  ...signs("mull", "1100", longProduct),
  ["sqdmull", 0, "1101", doublingProduct, "hs", "hs"],
  [
    "pmull",
    0,
    "1110",
    (l, x, y, half) =>
      polynomialProduct(l.wider, l.extended(x, half, false), l.extended(y, half, false), l.bits),
    "b",
  ],
];

const long = LONG.flatMap(([name, u, opcode, operation, sizes, scalars]) => [
  insn(
    `0 q:1 ${u} 01110 vsize:2 1 vm:5 ${opcode} 00 vn:5 vd:5`,
    `${name}{second} doubledD, vn, vm`,
    (b, o) => {
      const [x, y, d] = [vector(b, o.vn), vector(b, o.vm), vector(b, o.vd)];
      setVector(b, o.vd, operation(arrangedLanes(b, o.vsize, o.q), x, y, o.q, d));
    },
    { name: `${name}.v`, where: ARRANGEMENTS[sizes].vector },
  ),
  ...(scalars === undefined
    ? []
    : [
        insn(
          `01 ${u} 11110 vsize:2 1 vm:5 ${opcode} 00 vn:5 vd:5`,
          `${name} longScalarD, scalarN, scalarM`,
          (b, o) => {
            const l = scalarLane(b, o.vsize);
            l.wider.set(o.vd, operation(l, vector(b, o.vn), vector(b, o.vm), 0, vector(b, o.vd)));
          },
          { name: `${name}.scalar.v`, where: ARRANGEMENTS[scalars].scalar },
        ),
      ]),
]);

/** Only the second operand is narrow. */
const wide = (["add", "sub"] as const).flatMap((how, opcode) =>
  (["s", "u"] as const).map((sign, u) =>
    insn(
      `0 q:1 ${u} 01110 vsize:2 1 vm:5 00${opcode}1 00 vn:5 vd:5`,
      `${sign}${how}w{second} doubledD, doubledN, vm`,
      (b, o) => {
        const l = arrangedLanes(b, o.vsize, o.q);
        const y = l.extended(vector(b, o.vm), o.q, sign === "s");
        setVector(b, o.vd, l.wider.op(how, vector(b, o.vn), y));
      },
      { name: `${sign}${how}w.v`, where: "vsize != 3" },
    ),
  ),
);

/** The upper halves of sums, cut off or rounded. */
const narrow = (["add", "sub"] as const).flatMap((how, opcode) =>
  ["", "r"].map((rounds, u) =>
    insn(
      `0 q:1 ${u} 01110 vsize:2 1 vm:5 01${opcode}0 00 vn:5 vd:5`,
      `${rounds}${how}hn{second} vd, doubledN, doubledM`,
      (b, o) => {
        const l = arrangedLanes(b, o.vsize, o.q);
        const { wider } = l;
        const sum: Value = wider.op(how, vector(b, o.vn), vector(b, o.vm));
        const half = 2 ** (l.bits - 1);
        const rounded = rounds === "" ? sum : wider.add(sum, wider.constant(half | 0, 0));
        l.setNarrow(o.vd, o.q, wider.shr(rounded, l.bits, false));
      },
      { name: `${rounds}${how}hn.v`, where: "vsize != 3" },
    ),
  ),
);

export const vectorDifferent = [...long, ...wide, ...narrow];
