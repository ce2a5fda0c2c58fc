import type { Value } from "@hypercraft/engine";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Single-bit instructions, unprivileged manual, chapter "B" (Zbs).

const { insn } = riscv("Zbs");

type Compute = (b: RiscvBuilder, x: Value, index: Value) => Value;

const register =
  (compute: Compute) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: { rd: number; rs1: number; rs2: number }) =>
    b.setX(rd, compute(b, b.x(rs1), b.x(rs2)));

const immediate =
  (compute: Compute) =>
  (b: RiscvBuilder, { rd, rs1, shamt }: { rd: number; rs1: number; shamt: number }) =>
    b.setX(rd, compute(b, b.x(rs1), b.i64.const(shamt)));

/** Shift amounts count modulo 64 in the IR, as bit indices do here. */
const bit = (b: RiscvBuilder, index: Value): Value => b.i64.shl(b.i64.const(1), index);

const clear: Compute = (b, x, i) => b.i64.and(x, b.i64.xor(bit(b, i), b.i64.const(-1)));
const extract: Compute = (b, x, i) => b.i64.and(b.i64.shr_u(x, i), b.i64.const(1));
const invert: Compute = (b, x, i) => b.i64.xor(x, bit(b, i));
const set: Compute = (b, x, i) => b.i64.or(x, bit(b, i));

export const zbs = [
  insn("0100100 rs2:5 rs1:5 001 rd:5 0110011", "bclr rd, rs1, rs2", register(clear)),
  insn("010010 shamt:6 rs1:5 001 rd:5 0010011", "bclri rd, rs1, shamt", immediate(clear)),
  insn("0100100 rs2:5 rs1:5 101 rd:5 0110011", "bext rd, rs1, rs2", register(extract)),
  insn("010010 shamt:6 rs1:5 101 rd:5 0010011", "bexti rd, rs1, shamt", immediate(extract)),
  insn("0110100 rs2:5 rs1:5 001 rd:5 0110011", "binv rd, rs1, rs2", register(invert)),
  insn("011010 shamt:6 rs1:5 001 rd:5 0010011", "binvi rd, rs1, shamt", immediate(invert)),
  insn("0010100 rs2:5 rs1:5 001 rd:5 0110011", "bset rd, rs1, rs2", register(set)),
  insn("001010 shamt:6 rs1:5 001 rd:5 0010011", "bseti rd, rs1, shamt", immediate(set)),
];
