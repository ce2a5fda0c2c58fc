import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { setArranged, type VectorFields, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD three same, those whose lanes the IR has operations for: Arm ARM, C4.1 "Data Processing -- Scalar
// Floating-Point and Advanced SIMD".

const insn = vectorInstructions("AdvSIMD");

type Binary = (b: A64Builder, x: Value, y: Value, d: Value, size: number) => Value;

const SHAPES = ["i8x16", "i16x8", "i32x4", "i64x2"] as const;

/** An operation of the IR's shape for a size, which must have it. */
const lanes =
  (name: string) =>
  (b: A64Builder, x: Value, y: Value, size: number): Value => {
    const shape = b.ir[SHAPES[size] as "i8x16"] as unknown as Record<string, (x: Value, y: Value) => Value>;
    return (shape[name] as (x: Value, y: Value) => Value).call(shape, x, y);
  };

const plain =
  (name: string): Binary =>
  (b, x, y, _, size) =>
    lanes(name)(b, x, y, size);

/** An unsigned comparison: a signed one of the values with flipped signs where the IR has no other. */
const unsigned =
  (name: "gt" | "ge"): Binary =>
  (b, x, y, _, size) => {
    if (size !== 3) return lanes(`${name}_u`)(b, x, y, size);
    const sign = b.ir.v128.const(0, 1 << 31, 0, 1 << 31);
    return lanes(`${name}_s`)(b, b.ir.v128.xor(x, sign), b.ir.v128.xor(y, sign), size);
  };

/** Products of bytes are made in halfwords: of the even ones, and of the odd ones shifted down. */
function product(b: A64Builder, x: Value, y: Value, size: number): Value {
  if (size !== 0) return lanes("mul")(b, x, y, size);
  const { i16x8, v128 } = b.ir;
  const odd = v128.const(-0xff0100, -0xff0100, -0xff0100, -0xff0100);
  const upper = i16x8.mul(i16x8.shr_u(x, b.i32.const(8)), v128.and(y, odd));
  return v128.or(v128.andnot(i16x8.mul(x, y), odd), upper);
}

const difference =
  (sign: "s" | "u"): Binary =>
  (b, x, y, _, size) =>
    lanes("sub")(b, lanes(`max_${sign}`)(b, x, y, size), lanes(`min_${sign}`)(b, x, y, size), size);

const accumulated =
  (operation: Binary, how: "add" | "sub"): Binary =>
  (b, x, y, d, size) =>
    lanes(how)(b, d, operation(b, x, y, d, size), size);

/** Lanes of both operands, neighbours of each combined. With 64-bit vectors the operands' low halves are joined first. */
const pairwise =
  (name: string): Binary =>
  (b, x, y, _, size) => {
    const bytes = 1 << size;
    const pick = (odd: number) =>
      Array.from({ length: 16 }, (__, i) => {
        const lane = 2 * Math.floor(i / bytes) + odd;
        return lane * bytes + (i % bytes);
      });
    const wide = (b.bits >>> 30) & 1;
    const joined = wide === 1 ? null : b.ir.i64x2.replace_lane(x, 1, b.ir.i64x2.extract_lane(y, 0));
    const half = (odd: number) =>
      b.ir.i8x16.shuffle(joined ?? x, joined ?? y, wide === 1 ? pick(odd) : pick(odd).map((i) => i & 15));
    return lanes(name)(b, half(0), half(1), size);
  };

const test: Binary = (b, x, y, _, size) => lanes("ne")(b, b.ir.v128.and(x, y), zero(b), size);
const zero = (b: A64Builder): Value => b.ir.v128.const(0, 0, 0, 0);

const multiply: Binary = (b, x, y, _, size) => product(b, x, y, size);

/** Mnemonic, U, opcode, meaning; the last: there are lanes of 64 bits too. */
const SAME: readonly (readonly [string, 0 | 1, string, Binary, boolean])[] = [
  ["add", 0, "10000", plain("add"), true],
  ["sub", 1, "10000", plain("sub"), true],
  ["cmtst", 0, "10001", test, true],
  ["cmeq", 1, "10001", plain("eq"), true],
  ["cmgt", 0, "00110", plain("gt_s"), true],
  ["cmhi", 1, "00110", unsigned("gt"), true],
  ["cmge", 0, "00111", plain("ge_s"), true],
  ["cmhs", 1, "00111", unsigned("ge"), true],
  ["smax", 0, "01100", plain("max_s"), false],
  ["umax", 1, "01100", plain("max_u"), false],
  ["smin", 0, "01101", plain("min_s"), false],
  ["umin", 1, "01101", plain("min_u"), false],
  ["sabd", 0, "01110", difference("s"), false],
  ["uabd", 1, "01110", difference("u"), false],
  ["saba", 0, "01111", accumulated(difference("s"), "add"), false],
  ["uaba", 1, "01111", accumulated(difference("u"), "add"), false],
  ["mla", 0, "10010", accumulated(multiply, "add"), false],
  ["mls", 1, "10010", accumulated(multiply, "sub"), false],
  ["mul", 0, "10011", multiply, false],
  ["smaxp", 0, "10100", pairwise("max_s"), false],
  ["umaxp", 1, "10100", pairwise("max_u"), false],
  ["sminp", 0, "10101", pairwise("min_s"), false],
  ["uminp", 1, "10101", pairwise("min_u"), false],
  ["addp", 0, "10111", pairwise("add"), true],
];

const lifting = (operation: Binary) => (b: A64Builder, o: VectorFields) => {
  const value = operation(b, vector(b, o.vn), vector(b, o.vm), vector(b, o.vd), o.vsize);
  setArranged(b, o.q, o.vd, value);
};

const same = SAME.map(([name, u, opcode, operation, doubles]) =>
  insn(`0 q:1 ${u} 01110 vsize:2 1 vm:5 ${opcode} 1 vn:5 vd:5`, `${name} vd, vn, vm`, lifting(operation), {
    name: `${name}.v`,
    where: doubles ? "arranged == 1" : "vsize != 3",
  }),
);

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
