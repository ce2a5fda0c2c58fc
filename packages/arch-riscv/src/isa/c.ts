import { fld, fsd } from "./d.js";
import { riscv } from "./lifter.js";
import { ebreak } from "./privileged.js";
import * as rv from "./rv64i.js";

// Compressed instructions of RV64, unprivileged manual, chapter "C". Each is another encoding of a
// 32-bit instruction. What the manual calls reserved has no declaration; HINTs do what their expansion
// does with x0 as destination, or with nothing to add or shift: nothing.

const { expand } = riscv("C");
const double = riscv("C", "D");

// How the formats name the operands of their expansions.
const LOAD = { rd: "rd'", rs1: "rs1'", imm: "uimm" } as const;
const STORE = { rs2: "rs2'", rs1: "rs1'", imm: "uimm" } as const;
const FLOAT_LOAD = { fd: "fd'", rs1: "rs1'", imm: "uimm" } as const;
const FLOAT_STORE = { fs2: "fs2'", rs1: "rs1'", imm: "uimm" } as const;
const ARITHMETIC = { rd: "rd'", rs1: "rd'", rs2: "rs2'" } as const;
const SHIFT = { rd: "rd'", rs1: "rd'", shamt: "shamt" } as const;
const BRANCH = { rs1: "rs1'", rs2: 0, offset: "offset" } as const;
const SP = 2;
const RA = 1;

const spAddImmediate = expand(
  "000 nzuimm[5:4|9:6|2|3] rd':3 00",
  "c.addi4spn rd', sp, nzuimm",
  rv.addi,
  { rd: "rd'", rs1: SP, imm: "nzuimm" },
  { where: "nzuimm != 0" },
);

const loadsAndStores = [
  double.expand("001 uimm[5:3] rs1':3 uimm[7:6] fd':3 00", "c.fld fd', uimm(rs1')", fld, FLOAT_LOAD),
  expand("010 uimm[5:3] rs1':3 uimm[2|6] rd':3 00", "c.lw rd', uimm(rs1')", rv.lw, LOAD),
  expand("011 uimm[5:3] rs1':3 uimm[7:6] rd':3 00", "c.ld rd', uimm(rs1')", rv.ld, LOAD),
  double.expand("101 uimm[5:3] rs1':3 uimm[7:6] fs2':3 00", "c.fsd fs2', uimm(rs1')", fsd, FLOAT_STORE),
  expand("110 uimm[5:3] rs1':3 uimm[2|6] rs2':3 00", "c.sw rs2', uimm(rs1')", rv.sw, STORE),
  expand("111 uimm[5:3] rs1':3 uimm[7:6] rs2':3 00", "c.sd rs2', uimm(rs1')", rv.sd, STORE),
];

const immediates = [
  expand("000 imm[5] 00000 imm[4:0] 01", "c.nop imm", rv.addi, { rd: 0, rs1: 0, imm: "imm" }),
  expand("000 imm[5] rd:5 imm[4:0] 01", "c.addi rd, imm", rv.addi, { rd: "rd", rs1: "rd", imm: "imm" }),
  expand(
    "001 imm[5] rd:5 imm[4:0] 01",
    "c.addiw rd, imm",
    rv.addiw,
    { rd: "rd", rs1: "rd", imm: "imm" },
    { where: "rd != 0" },
  ),
  expand("010 imm[5] rd:5 imm[4:0] 01", "c.li rd, imm", rv.addi, { rd: "rd", rs1: 0, imm: "imm" }),
  expand(
    "011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01",
    "c.addi16sp sp, nzimm",
    rv.addi,
    { rd: SP, rs1: SP, imm: "nzimm" },
    { where: "nzimm != 0" },
  ),
  expand(
    "011 nzupper[17] rd:5 nzupper[16:12] 01",
    "c.lui rd, nzupper",
    rv.lui,
    { rd: "rd", upper: "nzupper" },
    { where: "nzupper != 0, rd != 2" },
  ),
  expand("100 imm[5] 10 rd':3 imm[4:0] 01", "c.andi rd', imm", rv.andi, {
    rd: "rd'",
    rs1: "rd'",
    imm: "imm",
  }),
];

const arithmetic = [
  expand("100 shamt[5] 00 rd':3 shamt[4:0] 01", "c.srli rd', shamt", rv.srli, SHIFT),
  expand("100 shamt[5] 01 rd':3 shamt[4:0] 01", "c.srai rd', shamt", rv.srai, SHIFT),
  expand("100 0 11 rd':3 00 rs2':3 01", "c.sub rd', rs2'", rv.sub, ARITHMETIC),
  expand("100 0 11 rd':3 01 rs2':3 01", "c.xor rd', rs2'", rv.xor, ARITHMETIC),
  expand("100 0 11 rd':3 10 rs2':3 01", "c.or rd', rs2'", rv.or, ARITHMETIC),
  expand("100 0 11 rd':3 11 rs2':3 01", "c.and rd', rs2'", rv.and, ARITHMETIC),
  expand("100 1 11 rd':3 00 rs2':3 01", "c.subw rd', rs2'", rv.subw, ARITHMETIC),
  expand("100 1 11 rd':3 01 rs2':3 01", "c.addw rd', rs2'", rv.addw, ARITHMETIC),
  expand("000 shamt[5] rd:5 shamt[4:0] 10", "c.slli rd, shamt", rv.slli, {
    rd: "rd",
    rs1: "rd",
    shamt: "shamt",
  }),
  expand(
    "100 0 rd:5 rs2:5 10",
    "c.mv rd, rs2",
    rv.add,
    { rd: "rd", rs1: 0, rs2: "rs2" },
    { where: "rs2 != 0", aliases: [["mv rd, rs2", ""]] },
  ),
  expand(
    "100 1 rd:5 rs2:5 10",
    "c.add rd, rs2",
    rv.add,
    { rd: "rd", rs1: "rd", rs2: "rs2" },
    { where: "rs2 != 0" },
  ),
];

const control = [
  expand("101 offset[11|4|9:8|10|6|7|3:1|5] 01", "c.j offset", rv.jal, { rd: 0, offset: "offset" }),
  expand("110 offset[8|4:3] rs1':3 offset[7:6|2:1|5] 01", "c.beqz rs1', offset", rv.beq, BRANCH),
  expand("111 offset[8|4:3] rs1':3 offset[7:6|2:1|5] 01", "c.bnez rs1', offset", rv.bne, BRANCH),
  expand("100 0 rs1:5 00000 10", "c.jr rs1", rv.jalr, { rd: 0, rs1: "rs1", imm: 0 }, { where: "rs1 != 0" }),
  expand(
    "100 1 rs1:5 00000 10",
    "c.jalr rs1",
    rv.jalr,
    { rd: RA, rs1: "rs1", imm: 0 },
    { where: "rs1 != 0" },
  ),
  expand("100 1 00000 00000 10", "c.ebreak", ebreak, {}),
];

const stackRelative = [
  double.expand("001 uimm[5] fd:5 uimm[4:3|8:6] 10", "c.fldsp fd, uimm(sp)", fld, {
    fd: "fd",
    rs1: SP,
    imm: "uimm",
  }),
  expand(
    "010 uimm[5] rd:5 uimm[4:2|7:6] 10",
    "c.lwsp rd, uimm(sp)",
    rv.lw,
    { rd: "rd", rs1: SP, imm: "uimm" },
    { where: "rd != 0" },
  ),
  expand(
    "011 uimm[5] rd:5 uimm[4:3|8:6] 10",
    "c.ldsp rd, uimm(sp)",
    rv.ld,
    { rd: "rd", rs1: SP, imm: "uimm" },
    { where: "rd != 0" },
  ),
  double.expand("101 uimm[5:3|8:6] fs2:5 10", "c.fsdsp fs2, uimm(sp)", fsd, {
    fs2: "fs2",
    rs1: SP,
    imm: "uimm",
  }),
  expand("110 uimm[5:2|7:6] rs2:5 10", "c.swsp rs2, uimm(sp)", rv.sw, { rs2: "rs2", rs1: SP, imm: "uimm" }),
  expand("111 uimm[5:3|8:6] rs2:5 10", "c.sdsp rs2, uimm(sp)", rv.sd, { rs2: "rs2", rs1: SP, imm: "uimm" }),
];

export const c = [
  spAddImmediate,
  ...loadsAndStores,
  ...immediates,
  ...arithmetic,
  ...control,
  ...stackRelative,
];
