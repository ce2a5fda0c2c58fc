import { ROUNDING, type Value } from "@hypercraft/engine";
import {
  compute,
  computeRounded,
  type Float,
  formatOf,
  negated,
  number,
  readFloat,
  writeFloat,
} from "./float-lifter.js";
import { expandImmediate } from "./float-operands.js";
import type { A64Builder } from "./lifter.js";
import { vectorInstructions } from "./vector-lifter.js";

// Scalar floating-point data processing: arithmetic, minima and maxima, rounding to integral values, immediates. (FMOV of
// registers, FABS, FNEG and FCSEL move bits: vector-copy.ts.)

interface Fields {
  readonly double: number;
  readonly fd: number;
  readonly fn: number;
  readonly fm: number;
  readonly fa: number;
  readonly imm8: number;
}

const insn = vectorInstructions<Fields>("FP");

const TWO = [
  ["fmul", "0000", "mul"],
  ["fdiv", "0001", "div"],
  ["fadd", "0010", "add"],
  ["fsub", "0011", "sub"],
  ["fmax", "0100", "maximum"],
  ["fmin", "0101", "minimum"],
  ["fmaxnm", "0110", "maxNum"],
  ["fminnm", "0111", "minNum"],
  ["fnmul", "1000", "mul"],
] as const;

const two = TWO.map(([name, opcode, operation]) =>
  insn(
    `000111100 double:1 1 fm:5 ${opcode} 10 fn:5 fd:5`,
    `${name} fd, fn, fm`,
    (b, o) => {
      const f = formatOf(o.double);
      const value = compute(b, f, operation, readFloat(b, f, o.fn), readFloat(b, f, o.fm));
      writeFloat(b, f, o.fd, name === "fnmul" ? negated(b, f, value) : value);
    },
    { name: `${name}.scalar.v` },
  ),
);

type Unary = (b: A64Builder, f: Float, x: Value) => Value;

/** Rounded to an integral value: by a mode, or by FPCR's; FRINTX raises inexact. */
export const integral =
  (rounding?: number, exact = false): Unary =>
  (b, f, x) => {
    const args = [x, b.i32.const(exact ? 1 : 0)];
    if (rounding === undefined) return compute(b, f, "roundToIntegral", ...args);
    return computeRounded(b, f, "roundToIntegral", rounding, ...args);
  };

const ONE: readonly (readonly [string, string, Unary])[] = [
  ["fsqrt", "000011", (b, f, x) => compute(b, f, "sqrt", x)],
  ["frintn", "001000", integral(ROUNDING.nearestEven)],
  ["frintp", "001001", integral(ROUNDING.up)],
  ["frintm", "001010", integral(ROUNDING.down)],
  ["frintz", "001011", integral(ROUNDING.towardZero)],
  ["frinta", "001100", integral(ROUNDING.nearestAway)],
  ["frintx", "001110", integral(undefined, true)],
  ["frinti", "001111", integral()],
];

const one = ONE.map(([name, opcode, operation]) =>
  insn(
    `000111100 double:1 1 ${opcode} 10000 fn:5 fd:5`,
    `${name} fd, fn`,
    (b, o) => {
      const f = formatOf(o.double);
      writeFloat(b, f, o.fd, operation(b, f, readFloat(b, f, o.fn)));
    },
    { name: `${name}.scalar.v` },
  ),
);

// The product is negated when exactly one of both bits is set, the addend when the first is.
const THREE = [
  ["fmadd", "0", "0"],
  ["fmsub", "0", "1"],
  ["fnmadd", "1", "0"],
  ["fnmsub", "1", "1"],
] as const;

const three = THREE.map(([name, addend, minus]) =>
  insn(
    `000111110 double:1 ${addend} fm:5 ${minus} fa:5 fn:5 fd:5`,
    `${name} fd, fn, fm, fa`,
    (b, o) => {
      const f = formatOf(o.double);
      const [x, z] = [readFloat(b, f, o.fn), readFloat(b, f, o.fa)];
      const factor = addend === minus ? x : negated(b, f, x);
      const summand = addend === "1" ? negated(b, f, z) : z;
      writeFloat(b, f, o.fd, compute(b, f, "fma", factor, readFloat(b, f, o.fm), summand));
    },
    { name: `${name}.v` },
  ),
);

const immediate = insn(
  "000111100 double:1 1 imm8:8 100 00000 fd:5",
  "fmov fd, imm8",
  (b, o) => {
    const f = formatOf(o.double);
    writeFloat(b, f, o.fd, number(b, f, expandImmediate(o.imm8)));
  },
  { name: "fmov.imm.v" },
);

export const scalarFloat = [...two, ...one, ...three, immediate];
