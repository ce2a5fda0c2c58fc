import type { RmwName } from "@hypercraft/engine";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Atomic instructions, unprivileged manual, chapter "A". Every access is sequentially consistent here, so
// the aq and rl bits ask for nothing more.

const { insn } = riscv("A");

type Operands = { rd: number; rs1: number; rs2: number };

const loadReserved =
  (size: 4 | 8) =>
  (b: RiscvBuilder, { rd, rs1 }: Omit<Operands, "rs2">) =>
    b.setX(rd, b.ir.loadReserved(size, b.x(rs1)));

const storeConditional =
  (size: 4 | 8) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setX(rd, b.ir.storeConditional(size, b.x(rs1), b.x(rs2)));

const amo =
  (name: RmwName, size: 4 | 8) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Operands) =>
    b.setX(rd, b.ir.rmw(name, size, b.x(rs1), b.x(rs2)));

export const a = [
  insn("00010 aqrl:2 00000 rs1:5 010 rd:5 0101111", "lr.w{aqrl} rd, (rs1)", loadReserved(4)),
  insn("00011 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "sc.w{aqrl} rd, rs2, (rs1)", storeConditional(4)),
  insn("00001 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amoswap.w{aqrl} rd, rs2, (rs1)", amo("xchg", 4)),
  insn("00000 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amoadd.w{aqrl} rd, rs2, (rs1)", amo("add", 4)),
  insn("00100 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amoxor.w{aqrl} rd, rs2, (rs1)", amo("xor", 4)),
  insn("01100 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amoand.w{aqrl} rd, rs2, (rs1)", amo("and", 4)),
  insn("01000 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amoor.w{aqrl} rd, rs2, (rs1)", amo("or", 4)),
  insn("10000 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amomin.w{aqrl} rd, rs2, (rs1)", amo("min_s", 4)),
  insn("10100 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amomax.w{aqrl} rd, rs2, (rs1)", amo("max_s", 4)),
  insn("11000 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amominu.w{aqrl} rd, rs2, (rs1)", amo("min_u", 4)),
  insn("11100 aqrl:2 rs2:5 rs1:5 010 rd:5 0101111", "amomaxu.w{aqrl} rd, rs2, (rs1)", amo("max_u", 4)),
  insn("00010 aqrl:2 00000 rs1:5 011 rd:5 0101111", "lr.d{aqrl} rd, (rs1)", loadReserved(8)),
  insn("00011 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "sc.d{aqrl} rd, rs2, (rs1)", storeConditional(8)),
  insn("00001 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amoswap.d{aqrl} rd, rs2, (rs1)", amo("xchg", 8)),
  insn("00000 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amoadd.d{aqrl} rd, rs2, (rs1)", amo("add", 8)),
  insn("00100 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amoxor.d{aqrl} rd, rs2, (rs1)", amo("xor", 8)),
  insn("01100 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amoand.d{aqrl} rd, rs2, (rs1)", amo("and", 8)),
  insn("01000 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amoor.d{aqrl} rd, rs2, (rs1)", amo("or", 8)),
  insn("10000 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amomin.d{aqrl} rd, rs2, (rs1)", amo("min_s", 8)),
  insn("10100 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amomax.d{aqrl} rd, rs2, (rs1)", amo("max_s", 8)),
  insn("11000 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amominu.d{aqrl} rd, rs2, (rs1)", amo("min_u", 8)),
  insn("11100 aqrl:2 rs2:5 rs1:5 011 rd:5 0101111", "amomaxu.d{aqrl} rd, rs2, (rs1)", amo("max_u", 8)),
];
