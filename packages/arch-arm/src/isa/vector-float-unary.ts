import { ROUNDING, type Value } from "@hypercraft/engine";
import {
  compute,
  computeRounded,
  type Float,
  formatOf,
  laneCount,
  laneOf,
  makeLanes,
  maskOf,
  readFloat,
  writeFloat,
  zero,
} from "./float-lifter.js";
import type { A64Builder } from "./lifter.js";
import { integral } from "./scalar-float.js";
import { setArranged, setVector, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD floating point with one source (two-register miscellaneous): signs, roots, rounding, conversion to and from
// integers, comparison with zero, estimates.

interface Fields {
  readonly q: number;
  readonly double: number;
  readonly fvd: number;
  readonly fvn: number;
  readonly fd: number;
  readonly fn: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD", "FP");

type Lane = (b: A64Builder, f: Float, x: Value) => Value;

const plain =
  (name: string): Lane =>
  (b, f, x) =>
    compute(b, f, name, x);

const integer = (f: Float, sign: "I" | "U"): string => `${sign}${f === "f64" ? 64 : 32}`;
const to =
  (sign: "I" | "U", rounding: number): Lane =>
  (b, f, x) =>
    computeRounded(b, f, `to${integer(f, sign)}`, rounding, x);
const from =
  (sign: "I" | "U"): Lane =>
  (b, f, x) =>
    compute(b, f, `from${integer(f, sign)}`, x);

/** x beside zero. */
const below =
  (name: "eq" | "le" | "lt"): Lane =>
  (b, f, x) =>
    maskOf(b, f, compute(b, f, name, x, zero(b, f)));
const above =
  (name: "le" | "lt"): Lane =>
  (b, f, x) =>
    maskOf(b, f, compute(b, f, name, zero(b, f), x));

type Row = readonly [text: string, u: 0 | 1, a: 0 | 1, opcode: string, Lane];

/** With a scalar form. */
const BOTH: readonly Row[] = [
  ["fcvtns", 0, 0, "11010", to("I", ROUNDING.nearestEven)],
  ["fcvtms", 0, 0, "11011", to("I", ROUNDING.down)],
  ["fcvtas", 0, 0, "11100", to("I", ROUNDING.nearestAway)],
  ["scvtf", 0, 0, "11101", from("I")],
  ["fcvtps", 0, 1, "11010", to("I", ROUNDING.up)],
  ["fcvtzs", 0, 1, "11011", to("I", ROUNDING.towardZero)],
  ["fcvtnu", 1, 0, "11010", to("U", ROUNDING.nearestEven)],
  ["fcvtmu", 1, 0, "11011", to("U", ROUNDING.down)],
  ["fcvtau", 1, 0, "11100", to("U", ROUNDING.nearestAway)],
  ["ucvtf", 1, 0, "11101", from("U")],
  ["fcvtpu", 1, 1, "11010", to("U", ROUNDING.up)],
  ["fcvtzu", 1, 1, "11011", to("U", ROUNDING.towardZero)],
  ["fcmgt #0.0", 0, 1, "01100", above("lt")],
  ["fcmeq #0.0", 0, 1, "01101", below("eq")],
  ["fcmlt #0.0", 0, 1, "01110", below("lt")],
  ["fcmge #0.0", 1, 1, "01100", above("le")],
  ["fcmle #0.0", 1, 1, "01101", below("le")],
  ["frecpe", 0, 1, "11101", plain("reciprocalEstimate8")],
  ["frsqrte", 1, 1, "11101", plain("reciprocalRootEstimate8")],
];

const VECTOR_ONLY: readonly Row[] = [
  ["frintn", 0, 0, "11000", integral(ROUNDING.nearestEven)],
  ["frintm", 0, 0, "11001", integral(ROUNDING.down)],
  ["frintp", 0, 1, "11000", integral(ROUNDING.up)],
  ["frintz", 0, 1, "11001", integral(ROUNDING.towardZero)],
  ["frinta", 1, 0, "11000", integral(ROUNDING.nearestAway)],
  ["frintx", 1, 0, "11001", integral(undefined, true)],
  ["frinti", 1, 1, "11001", integral()],
  ["fsqrt", 1, 1, "11111", plain("sqrt")],
];

const SCALAR_ONLY: readonly Row[] = [["frecpx", 0, 1, "11111", plain("reciprocalExponent")]];

/** Mnemonic, the rest of the text, and the end of the name. */
function texts(text: string): readonly [string, string, string] {
  const [name = "", operand] = text.split(" ");
  return operand === undefined ? [name, "", ""] : [name, `, ${operand}`, ".zero"];
}

const vectors = [...BOTH, ...VECTOR_ONLY].map(([text, u, a, opcode, lane]) => {
  const [name, rest, suffix] = texts(text);
  return insn(
    `0 q:1 ${u} 01110 ${a} double:1 10000 ${opcode} 10 fvn:5 fvd:5`,
    `${name} fvd, fvn${rest}`,
    (b, o) => {
      const f = formatOf(o.double);
      const x = vector(b, o.fvn);
      setVector(
        b,
        o.fvd,
        makeLanes(b, f, laneCount(f, o.q), (i) => lane(b, f, laneOf(b, f, x, i))),
      );
    },
    { name: `${name}${suffix}.vector.v`, where: "floatShape == 1" },
  );
});

const scalars = [...BOTH, ...SCALAR_ONLY].map(([text, u, a, opcode, lane]) => {
  const [name, rest, suffix] = texts(text);
  return insn(
    `01 ${u} 11110 ${a} double:1 10000 ${opcode} 10 fn:5 fd:5`,
    `${name} fd, fn${rest}`,
    (b, o) => {
      const f = formatOf(o.double);
      writeFloat(b, f, o.fd, lane(b, f, readFloat(b, f, o.fn)));
    },
    { name: `${name}${suffix}.simd.v` },
  );
});

const signs = (["fabs", "fneg"] as const).map((name, u) =>
  insn(
    `0 q:1 ${u} 01110 1 double:1 10000 01111 10 fvn:5 fvd:5`,
    `${name} fvd, fvn`,
    (b, o) => {
      const { v128 } = b.ir;
      const top = 1 << 31;
      const sign = o.double === 1 ? v128.const(0, top, 0, top) : v128.const(top, top, top, top);
      const x = vector(b, o.fvn);
      setArranged(b, o.q, o.fvd, name === "fabs" ? v128.andnot(x, sign) : v128.xor(x, sign));
    },
    { name: `${name}.vector.v`, where: "floatShape == 1" },
  ),
);

export const vectorFloatUnary = [...vectors, ...scalars, ...signs];
