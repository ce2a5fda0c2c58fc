import { gather, type Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { accumulated, type Binary, doublingHigh, multiply } from "./vector-arithmetic.js";
import { arrangedLanes, type Lanes, scalarLane } from "./vector-lanes.js";
import { setVector, vector, vectorInstructions } from "./vector-lifter.js";
import { doublingProduct, type Long, longAccumulated, longProduct } from "./vector-long.js";
import { elementOf } from "./vector-operands.js";

// Advanced SIMD vector by element, and scalar by element: the second operand is one lane of a register, for all lanes of
// the first. Halfwords and words.

interface Fields {
  readonly q: number;
  readonly vsize: number;
  readonly vn: number;
  readonly vd: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD");
const WHERE = "vsize != 0, vsize != 3";

/** All lanes the one that the encoding names. */
function element(b: A64Builder, size: number): Value {
  const { register, index } = elementOf(b.bits);
  const bytes = Array.from({ length: 16 }, (_, i) => (index << size) + (i % (1 << size)));
  return gather(b, [vector(b, register)], bytes);
}

/** Both encodings of a subject: texts and lifts for a vector and for a scalar, if there is one. */
function declare(
  [name, u, opcode, scalar]: readonly [name: string, u: number, opcode: string, scalar: boolean],
  texts: { readonly vector: string; readonly scalar: string },
  lift: (l: Lanes, o: Fields, half: number) => void,
) {
  const rest = `vsize:2 elementRm:6 ${opcode} elementHigh:1 0 vn:5 vd:5`;
  return [
    insn(
      `0 q:1 ${u} 01111 ${rest}`,
      `${name}${texts.vector}, elementM`,
      (b, o) => lift(arrangedLanes(b, o.vsize, o.q), o, o.q),
      { name: `${name}.element.v`, where: WHERE },
    ),
    ...(scalar
      ? [
          insn(
            `01 ${u} 11111 ${rest}`,
            `${name} ${texts.scalar}, elementM`,
            (b, o) => lift(scalarLane(b, o.vsize), o, 0),
            { name: `${name}.element.scalar.v`, where: WHERE },
          ),
        ]
      : []),
  ];
}

/** The last: there is a scalar form. */
const SAME: readonly (readonly [string, number, string, boolean, Binary])[] = [
  ["mla", 1, "0000", false, accumulated(multiply, "add")],
  ["mls", 1, "0100", false, accumulated(multiply, "sub")],
  ["mul", 0, "1000", false, multiply],
  ["sqdmulh", 0, "1100", true, doublingHigh(false)],
  ["sqrdmulh", 0, "1101", true, doublingHigh(true)],
];

const same = SAME.flatMap(([name, u, opcode, scalar, operation]) =>
  declare([name, u, opcode, scalar], { vector: " vd, vn", scalar: "scalarD, scalarN" }, (l, o) => {
    const { b } = l;
    l.set(o.vd, operation(l, vector(b, o.vn), element(b, l.size), vector(b, o.vd)));
  }),
);

const LONG: readonly (readonly [string, number, string, boolean, Long])[] = [
  ["smlal", 0, "0010", false, longAccumulated(longProduct(true), "add")],
  ["umlal", 1, "0010", false, longAccumulated(longProduct(false), "add")],
  ["sqdmlal", 0, "0011", true, longAccumulated(doublingProduct, "saturating add")],
  ["smlsl", 0, "0110", false, longAccumulated(longProduct(true), "sub")],
  ["umlsl", 1, "0110", false, longAccumulated(longProduct(false), "sub")],
  ["sqdmlsl", 0, "0111", true, longAccumulated(doublingProduct, "saturating sub")],
  ["smull", 0, "1010", false, longProduct(true)],
  ["umull", 1, "1010", false, longProduct(false)],
  ["sqdmull", 0, "1011", true, doublingProduct],
];

const long = LONG.flatMap(([name, u, opcode, scalar, operation]) =>
  declare(
    [name, u, opcode, scalar],
    { vector: "{second} doubledD, vn", scalar: "longScalarD, scalarN" },
    (l, o, half) => {
      const { b } = l;
      const value = operation(l, vector(b, o.vn), element(b, l.size), half, vector(b, o.vd));
      setVector(b, o.vd, l.wider.cut(value));
    },
  ),
);

export const vectorElement = [...same, ...long];
