import { type RiscvBuilder, riscv } from "./lifter.js";

// Address generation, unprivileged manual, chapter "B" (Zba).

const { insn } = riscv("Zba");

type Operands = { rd: number; rs1: number; rs2: number };

const shiftedAdd =
  (shift: number) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setX(rd, b.i64.add(b.i64.shl(b.x(rs1), b.i64.const(shift)), b.x(rs2)));

const shiftedWordAdd =
  (shift: number) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setX(rd, b.i64.add(b.i64.shl(b.zeroExtendedWord(rs1), b.i64.const(shift)), b.x(rs2)));

export const zba = [
  insn(
    "0000100 rs2:5 rs1:5 000 rd:5 0111011",
    "add.uw rd, rs1, rs2",
    (b, { rd, rs1, rs2 }) => {
      const word = b.zeroExtendedWord(rs1);
      b.setX(rd, rs2 === 0 ? word : b.i64.add(word, b.x(rs2)));
    },
    { aliases: [["zext.w rd, rs1", "rs2 == 0"]] },
  ),
  insn("0010000 rs2:5 rs1:5 010 rd:5 0110011", "sh1add rd, rs1, rs2", shiftedAdd(1)),
  insn("0010000 rs2:5 rs1:5 100 rd:5 0110011", "sh2add rd, rs1, rs2", shiftedAdd(2)),
  insn("0010000 rs2:5 rs1:5 110 rd:5 0110011", "sh3add rd, rs1, rs2", shiftedAdd(3)),
  insn("0010000 rs2:5 rs1:5 010 rd:5 0111011", "sh1add.uw rd, rs1, rs2", shiftedWordAdd(1)),
  insn("0010000 rs2:5 rs1:5 100 rd:5 0111011", "sh2add.uw rd, rs1, rs2", shiftedWordAdd(2)),
  insn("0010000 rs2:5 rs1:5 110 rd:5 0111011", "sh3add.uw rd, rs1, rs2", shiftedWordAdd(3)),
  insn("000010 shamt:6 rs1:5 001 rd:5 0011011", "slli.uw rd, rs1, shamt", (b, { rd, rs1, shamt }) =>
    b.setX(rd, b.i64.shl(b.zeroExtendedWord(rs1), b.i64.const(shamt))),
  ),
];
