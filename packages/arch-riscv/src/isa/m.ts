import type { Value } from "@hypercraft/engine";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Multiplication and division, unprivileged manual, chapter "M".

const { insn } = riscv("M");

type Operands = { rd: number; rs1: number; rs2: number };
type Compute = (b: RiscvBuilder, x: Value, y: Value) => Value;

const double =
  (compute: Compute) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setX(rd, compute(b, b.x(rs1), b.x(rs2)));

const word =
  (compute: Compute) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setW(rd, compute(b, b.w(rs1), b.w(rs2)));

// Division by zero gives all ones. The IR's own cases are RISC-V's for the rest: the remainder by zero is
// the dividend, and the overflowing division gives the dividend and no remainder.
const quotient =
  (divide: Compute): Compute =>
  (b, x, y) =>
    b.ir.select(b.i64.eqz(y), b.i64.const(-1), divide(b, x, y));

const wordQuotient =
  (divide: Compute): Compute =>
  (b, x, y) =>
    b.ir.select(b.i32.eqz(y), b.i32.const(-1), divide(b, x, y));

export const m = [
  insn(
    "0000001 rs2:5 rs1:5 000 rd:5 0110011",
    "mul rd, rs1, rs2",
    double((b, x, y) => b.i64.mul(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 001 rd:5 0110011",
    "mulh rd, rs1, rs2",
    double((b, x, y) => b.i64.mulh_s(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 010 rd:5 0110011",
    "mulhsu rd, rs1, rs2",
    double((b, x, y) => b.i64.mulh_su(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 011 rd:5 0110011",
    "mulhu rd, rs1, rs2",
    double((b, x, y) => b.i64.mulh_u(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 100 rd:5 0110011",
    "div rd, rs1, rs2",
    double(quotient((b, x, y) => b.i64.div_s(x, y))),
  ),
  insn(
    "0000001 rs2:5 rs1:5 101 rd:5 0110011",
    "divu rd, rs1, rs2",
    double(quotient((b, x, y) => b.i64.div_u(x, y))),
  ),
  insn(
    "0000001 rs2:5 rs1:5 110 rd:5 0110011",
    "rem rd, rs1, rs2",
    double((b, x, y) => b.i64.rem_s(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 111 rd:5 0110011",
    "remu rd, rs1, rs2",
    double((b, x, y) => b.i64.rem_u(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 000 rd:5 0111011",
    "mulw rd, rs1, rs2",
    word((b, x, y) => b.i32.mul(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 100 rd:5 0111011",
    "divw rd, rs1, rs2",
    word(wordQuotient((b, x, y) => b.i32.div_s(x, y))),
  ),
  insn(
    "0000001 rs2:5 rs1:5 101 rd:5 0111011",
    "divuw rd, rs1, rs2",
    word(wordQuotient((b, x, y) => b.i32.div_u(x, y))),
  ),
  insn(
    "0000001 rs2:5 rs1:5 110 rd:5 0111011",
    "remw rd, rs1, rs2",
    word((b, x, y) => b.i32.rem_s(x, y)),
  ),
  insn(
    "0000001 rs2:5 rs1:5 111 rd:5 0111011",
    "remuw rd, rs1, rs2",
    word((b, x, y) => b.i32.rem_u(x, y)),
  ),
];
