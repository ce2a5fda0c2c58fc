import type { Value } from "@hypercraft/engine";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Basic bit manipulation, unprivileged manual, chapter "B" (Zbb).

const { insn } = riscv("Zbb");

type Unary = { rd: number; rs1: number };
type Operands = { rd: number; rs1: number; rs2: number };

const not = (b: RiscvBuilder, x: Value): Value => b.i64.xor(x, b.i64.const(-1));

const unary =
  (compute: (b: RiscvBuilder, x: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1 }: Unary) =>
    b.setX(rd, compute(b, b.x(rs1)));

const unaryWord =
  (compute: (b: RiscvBuilder, x: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1 }: Unary) =>
    b.setW(rd, compute(b, b.w(rs1)));

const register =
  (compute: (b: RiscvBuilder, x: Value, y: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setX(rd, compute(b, b.x(rs1), b.x(rs2)));

const word =
  (compute: (b: RiscvBuilder, x: Value, y: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setW(rd, compute(b, b.w(rs1), b.w(rs2)));

/** Every byte that is not zero becomes 0xff. */
function orCombine(b: RiscvBuilder, x: Value): Value {
  const { i64 } = b;
  const lowSeven = i64.const(0x7f7f7f7f7f7f7f7fn);
  // Bit 7 of a byte's sum is set if any lower bit was; no carry leaves the byte.
  const sums = i64.add(i64.and(x, lowSeven), lowSeven);
  const marks = i64.and(i64.shr_u(i64.or(sums, x), i64.const(7)), i64.const(0x0101010101010101n));
  return i64.mul(marks, i64.const(0xff));
}

function reverseBytes(b: RiscvBuilder, x: Value): Value {
  const { i64 } = b;
  const swap = (value: Value, width: number, mask: bigint): Value => {
    const low = i64.shl(i64.and(value, i64.const(mask)), i64.const(width));
    return i64.or(low, i64.and(i64.shr_u(value, i64.const(width)), i64.const(mask)));
  };
  const pairs = swap(swap(x, 8, 0x00ff00ff00ff00ffn), 16, 0x0000ffff0000ffffn);
  return i64.rotl(pairs, i64.const(32));
}

export const zbb = [
  insn(
    "0100000 rs2:5 rs1:5 111 rd:5 0110011",
    "andn rd, rs1, rs2",
    register((b, x, y) => b.i64.and(x, not(b, y))),
  ),
  insn(
    "0100000 rs2:5 rs1:5 110 rd:5 0110011",
    "orn rd, rs1, rs2",
    register((b, x, y) => b.i64.or(x, not(b, y))),
  ),
  insn(
    "0100000 rs2:5 rs1:5 100 rd:5 0110011",
    "xnor rd, rs1, rs2",
    register((b, x, y) => not(b, b.i64.xor(x, y))),
  ),
  insn(
    "0110000 00000 rs1:5 001 rd:5 0010011",
    "clz rd, rs1",
    unary((b, x) => b.i64.clz(x)),
  ),
  insn(
    "0110000 00001 rs1:5 001 rd:5 0010011",
    "ctz rd, rs1",
    unary((b, x) => b.i64.ctz(x)),
  ),
  insn(
    "0110000 00010 rs1:5 001 rd:5 0010011",
    "cpop rd, rs1",
    unary((b, x) => b.i64.popcnt(x)),
  ),
  insn(
    "0110000 00000 rs1:5 001 rd:5 0011011",
    "clzw rd, rs1",
    unaryWord((b, x) => b.i32.clz(x)),
  ),
  insn(
    "0110000 00001 rs1:5 001 rd:5 0011011",
    "ctzw rd, rs1",
    unaryWord((b, x) => b.i32.ctz(x)),
  ),
  insn(
    "0110000 00010 rs1:5 001 rd:5 0011011",
    "cpopw rd, rs1",
    unaryWord((b, x) => b.i32.popcnt(x)),
  ),
  insn(
    "0000101 rs2:5 rs1:5 110 rd:5 0110011",
    "max rd, rs1, rs2",
    register((b, x, y) => b.ir.select(b.i64.lt_s(x, y), y, x)),
  ),
  insn(
    "0000101 rs2:5 rs1:5 111 rd:5 0110011",
    "maxu rd, rs1, rs2",
    register((b, x, y) => b.ir.select(b.i64.lt_u(x, y), y, x)),
  ),
  insn(
    "0000101 rs2:5 rs1:5 100 rd:5 0110011",
    "min rd, rs1, rs2",
    register((b, x, y) => b.ir.select(b.i64.lt_s(x, y), x, y)),
  ),
  insn(
    "0000101 rs2:5 rs1:5 101 rd:5 0110011",
    "minu rd, rs1, rs2",
    register((b, x, y) => b.ir.select(b.i64.lt_u(x, y), x, y)),
  ),
  insn(
    "0110000 00100 rs1:5 001 rd:5 0010011",
    "sext.b rd, rs1",
    unary((b, x) => b.i64.extend8_s(x)),
  ),
  insn(
    "0110000 00101 rs1:5 001 rd:5 0010011",
    "sext.h rd, rs1",
    unary((b, x) => b.i64.extend16_s(x)),
  ),
  insn(
    "0000100 00000 rs1:5 100 rd:5 0111011",
    "zext.h rd, rs1",
    unary((b, x) => b.i64.and(x, b.i64.const(0xffff))),
  ),
  insn(
    "0110000 rs2:5 rs1:5 001 rd:5 0110011",
    "rol rd, rs1, rs2",
    register((b, x, y) => b.i64.rotl(x, y)),
  ),
  insn(
    "0110000 rs2:5 rs1:5 101 rd:5 0110011",
    "ror rd, rs1, rs2",
    register((b, x, y) => b.i64.rotr(x, y)),
  ),
  insn(
    "0110000 rs2:5 rs1:5 001 rd:5 0111011",
    "rolw rd, rs1, rs2",
    word((b, x, y) => b.i32.rotl(x, y)),
  ),
  insn(
    "0110000 rs2:5 rs1:5 101 rd:5 0111011",
    "rorw rd, rs1, rs2",
    word((b, x, y) => b.i32.rotr(x, y)),
  ),
  insn("011000 shamt:6 rs1:5 101 rd:5 0010011", "rori rd, rs1, shamt", (b, { rd, rs1, shamt }) =>
    b.setX(rd, b.i64.rotr(b.x(rs1), b.i64.const(shamt))),
  ),
  insn("0110000 shamt:5 rs1:5 101 rd:5 0011011", "roriw rd, rs1, shamt", (b, { rd, rs1, shamt }) =>
    b.setW(rd, b.i32.rotr(b.w(rs1), b.i32.const(shamt))),
  ),
  insn("0010100 00111 rs1:5 101 rd:5 0010011", "orc.b rd, rs1", unary(orCombine)),
  insn("0110101 11000 rs1:5 101 rd:5 0010011", "rev8 rd, rs1", unary(reverseBytes)),
];
