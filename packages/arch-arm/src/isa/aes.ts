import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { setVector, vector, vectorInstructions } from "./vector-lifter.js";

// AESE, AESD, AESMC, AESIMC (FEAT_AES): steps of rounds of FIPS 197 on a register that holds the state, column by column.

const insn = vectorInstructions("AES");

/** Product in the field of 256 elements modulo x^8 + x^4 + x^3 + x + 1. */
function product(a: number, b: number): number {
  let sum = 0;
  for (let i = 0, power = a; i < 8; i++, power = (power << 1) ^ (power & 0x80 ? 0x11b : 0))
    if ((b >> i) & 1) sum ^= power;
  return sum;
}

const BYTES = Array.from({ length: 256 }, (_, i) => i);
/** FIPS 197, 5.1.1: the inverse, and an affine transformation of its bits. */
const SUBSTITUTES = BYTES.map((byte) => {
  const inverse = BYTES.find((other) => product(byte, other) === 1) ?? 0;
  const rotated = (n: number) => ((inverse << n) | (inverse >> (8 - n))) & 0xff;
  return inverse ^ rotated(1) ^ rotated(2) ^ rotated(3) ^ rotated(4) ^ 0x63;
});
const INVERSE_SUBSTITUTES = BYTES.map((byte) => SUBSTITUTES.indexOf(byte));

type Words = readonly [number, number, number, number];
/** A table of 256 bytes as 16 vectors. */
const vectorsOf = (table: readonly number[]): readonly Words[] =>
  Array.from({ length: 16 }, (_, i) => {
    const bytes = Uint8Array.from(table.slice(16 * i, 16 * i + 16));
    return [...new Int32Array(bytes.buffer)] as unknown as Words;
  });

/** Each byte replaced by that of a table: a lookup in every sixteenth of it, zero where a byte is not in there. */
function substituted({ ir }: A64Builder, x: Value, table: readonly Words[]): Value {
  const step = ir.v128.const(0x10101010, 0x10101010, 0x10101010, 0x10101010);
  let [number, found] = [x, null as Value | null];
  for (const words of table) {
    const bytes = ir.i8x16.swizzle(ir.v128.const(...words), number);
    found = found === null ? bytes : ir.v128.or(found, bytes);
    number = ir.i8x16.sub(number, step);
  }
  return found as Value;
}

const PLACES = Array.from({ length: 16 }, (_, i) => i);
/** Each row (bytes whose number is equal modulo 4) moved by its number of columns. */
const rows = (direction: 1 | -1): readonly number[] =>
  PLACES.map((i) => (i + 4 * direction * (i % 4) + 16) % 16);
/** Each column turned by so many bytes. */
const turned = ({ ir }: A64Builder, x: Value, by: number): Value =>
  ir.i8x16.shuffle(
    x,
    x,
    PLACES.map((i) => (i & ~3) | ((i + by) & 3)),
  );

/** Each byte times x. */
function doubled({ ir, i32 }: A64Builder, x: Value): Value {
  const reduction = ir.v128.const(0x1b1b1b1b, 0x1b1b1b1b, 0x1b1b1b1b, 0x1b1b1b1b);
  const carries = ir.i8x16.shr_s(x, i32.const(7));
  return ir.v128.xor(ir.i8x16.shl(x, i32.const(1)), ir.v128.and(carries, reduction));
}

/** FIPS 197, 5.1.3: each byte of a column becomes 2, 3, 1 and 1 times itself and the following ones. */
function mixed(b: A64Builder, x: Value): Value {
  const { v128 } = b.ir;
  const double = doubled(b, x);
  const triple = v128.xor(double, x);
  const others = v128.xor(turned(b, x, 2), turned(b, x, 3));
  return v128.xor(v128.xor(double, turned(b, triple, 1)), others);
}

/** Its inverse is it after a column whose bytes are 5, 0, 4 and 0 times those. */
function unmixed(b: A64Builder, x: Value): Value {
  const pairs = b.ir.v128.xor(x, turned(b, x, 2));
  return mixed(b, b.ir.v128.xor(x, doubled(b, doubled(b, pairs))));
}

type Round = (b: A64Builder, x: Value, key: Value) => Value;

const round =
  (table: readonly Words[], direction: 1 | -1): Round =>
  (b, x, key) => {
    const state = b.ir.v128.xor(x, key);
    return substituted(b, b.ir.i8x16.shuffle(state, state, rows(direction)), table);
  };

const STEPS: readonly (readonly [string, string, Round])[] = [
  ["aese", "00100", round(vectorsOf(SUBSTITUTES), 1)],
  ["aesd", "00101", round(vectorsOf(INVERSE_SUBSTITUTES), -1)],
  ["aesmc", "00110", (b, _, x) => mixed(b, x)],
  ["aesimc", "00111", (b, _, x) => unmixed(b, x)],
];

export const aes = STEPS.map(([name, opcode, step]) =>
  insn(
    `0100 1110 00 10100 ${opcode} 10 vn:5 vd:5`,
    `${name} bytesD, bytesN`,
    (b, o) => setVector(b, o.vd, step(b, vector(b, o.vd), vector(b, o.vn))),
    { name: `${name}.v` },
  ),
);
