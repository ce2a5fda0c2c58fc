import type { AccessSize, Value } from "@hypercraft/engine";
import { type RiscvBuilder, riscv } from "./lifter.js";

// RV32I and RV64I, unprivileged manual, chapters "RV32I" and "RV64I". ECALL and EBREAK are in privileged.ts.

const { insn } = riscv("I");

type Branch = { rs1: number; rs2: number; offset: number };
type Immediate = { rd: number; rs1: number; imm: number };
type Shift = { rd: number; rs1: number; shamt: number };
type Register = { rd: number; rs1: number; rs2: number };
type Store = { rs1: number; rs2: number; imm: number };

export const lui = insn("upper[31:12] rd:5 0110111", "lui rd, upper", (b, { rd, upper }) =>
  b.setX(rd, b.i64.const(upper)),
);

export const auipc = insn("upper[31:12] rd:5 0010111", "auipc rd, upper", (b, { rd, upper }) =>
  b.setX(rd, b.ir.pc(b.offset + upper)),
);

export const jal = insn(
  "offset[20|10:1|11|19:12] rd:5 1101111",
  "jal rd, offset",
  (b, { rd, offset }) => {
    b.setX(rd, b.ir.pc(b.next));
    b.ir.jump(b.offset + offset);
  },
  {
    aliases: [
      ["j offset", "rd == 0"],
      ["jal offset", "rd == 1"],
    ],
  },
);

/** The registers that calls put return addresses into, by convention of the manual ("Return-address prediction"). */
const isLink = (register: number): boolean => register === 1 || register === 5;

export const jalr = insn(
  "imm[11:0] rs1:5 000 rd:5 1100111",
  "jalr rd, imm(rs1)",
  (b, { rd, rs1, imm }) => {
    // The target is read before the link is written: they may be the same register.
    const target = b.i64.and(b.address(rs1, imm), b.i64.const(-2));
    b.setX(rd, b.ir.pc(b.next));
    if (rd === 0 && isLink(rs1)) b.ir.returnTo(target);
    else b.ir.jumpIndirect(target);
  },
  {
    aliases: [
      ["ret", "rd == 0, rs1 == 1, imm == 0"],
      ["jr rs1", "rd == 0, imm == 0"],
      ["jr imm(rs1)", "rd == 0"],
      ["jalr rs1", "rd == 1, imm == 0"],
      ["jalr imm(rs1)", "rd == 1"],
      ["jalr rd, rs1", "imm == 0"],
    ],
  },
);

const branchIf = (test: (b: RiscvBuilder, x: Value, y: Value) => Value) => (b: RiscvBuilder, o: Branch) =>
  b.ir.branch(test(b, b.x(o.rs1), b.x(o.rs2)), b.offset + o.offset, b.next);

export const beq = insn(
  "offset[12|10:5] rs2:5 rs1:5 000 offset[4:1|11] 1100011",
  "beq rs1, rs2, offset",
  branchIf((b, x, y) => b.i64.eq(x, y)),
  { aliases: [["beqz rs1, offset", "rs2 == 0"]] },
);

export const bne = insn(
  "offset[12|10:5] rs2:5 rs1:5 001 offset[4:1|11] 1100011",
  "bne rs1, rs2, offset",
  branchIf((b, x, y) => b.i64.ne(x, y)),
  { aliases: [["bnez rs1, offset", "rs2 == 0"]] },
);

const blt = insn(
  "offset[12|10:5] rs2:5 rs1:5 100 offset[4:1|11] 1100011",
  "blt rs1, rs2, offset",
  branchIf((b, x, y) => b.i64.lt_s(x, y)),
  {
    aliases: [
      ["bltz rs1, offset", "rs2 == 0"],
      ["bgtz rs2, offset", "rs1 == 0"],
    ],
  },
);

const bge = insn(
  "offset[12|10:5] rs2:5 rs1:5 101 offset[4:1|11] 1100011",
  "bge rs1, rs2, offset",
  branchIf((b, x, y) => b.i64.ge_s(x, y)),
  {
    aliases: [
      ["blez rs2, offset", "rs1 == 0"],
      ["bgez rs1, offset", "rs2 == 0"],
    ],
  },
);

const bltu = insn(
  "offset[12|10:5] rs2:5 rs1:5 110 offset[4:1|11] 1100011",
  "bltu rs1, rs2, offset",
  branchIf((b, x, y) => b.i64.lt_u(x, y)),
);

const bgeu = insn(
  "offset[12|10:5] rs2:5 rs1:5 111 offset[4:1|11] 1100011",
  "bgeu rs1, rs2, offset",
  branchIf((b, x, y) => b.i64.ge_u(x, y)),
);

const loading =
  (size: AccessSize, signed: boolean) =>
  (b: RiscvBuilder, { rd, rs1, imm }: Immediate) =>
    b.setX(rd, b.ir.load(size, signed, b.address(rs1, imm)));

const lb = insn("imm[11:0] rs1:5 000 rd:5 0000011", "lb rd, imm(rs1)", loading(1, true));
const lh = insn("imm[11:0] rs1:5 001 rd:5 0000011", "lh rd, imm(rs1)", loading(2, true));
export const lw = insn("imm[11:0] rs1:5 010 rd:5 0000011", "lw rd, imm(rs1)", loading(4, true));
export const ld = insn("imm[11:0] rs1:5 011 rd:5 0000011", "ld rd, imm(rs1)", loading(8, false));
const lbu = insn("imm[11:0] rs1:5 100 rd:5 0000011", "lbu rd, imm(rs1)", loading(1, false));
const lhu = insn("imm[11:0] rs1:5 101 rd:5 0000011", "lhu rd, imm(rs1)", loading(2, false));
const lwu = insn("imm[11:0] rs1:5 110 rd:5 0000011", "lwu rd, imm(rs1)", loading(4, false));

const storing =
  (size: AccessSize) =>
  (b: RiscvBuilder, { rs1, rs2, imm }: Store) =>
    b.ir.store(size, b.address(rs1, imm), b.x(rs2));

const sb = insn("imm[11:5] rs2:5 rs1:5 000 imm[4:0] 0100011", "sb rs2, imm(rs1)", storing(1));
const sh = insn("imm[11:5] rs2:5 rs1:5 001 imm[4:0] 0100011", "sh rs2, imm(rs1)", storing(2));
export const sw = insn("imm[11:5] rs2:5 rs1:5 010 imm[4:0] 0100011", "sw rs2, imm(rs1)", storing(4));
export const sd = insn("imm[11:5] rs2:5 rs1:5 011 imm[4:0] 0100011", "sd rs2, imm(rs1)", storing(8));

export const addi = insn(
  "imm[11:0] rs1:5 000 rd:5 0010011",
  "addi rd, rs1, imm",
  (b, { rd, rs1, imm }) => {
    // The two commonest pseudo-instructions, li and mv, need no addition.
    if (rs1 === 0) b.setX(rd, b.i64.const(imm));
    else if (imm === 0) b.setX(rd, b.x(rs1));
    else b.setX(rd, b.i64.add(b.x(rs1), b.i64.const(imm)));
  },
  {
    aliases: [
      ["nop", "rd == 0, rs1 == 0, imm == 0"],
      ["li rd, imm", "rs1 == 0"],
      ["mv rd, rs1", "imm == 0"],
    ],
  },
);

const slti = insn("imm[11:0] rs1:5 010 rd:5 0010011", "slti rd, rs1, imm", (b, { rd, rs1, imm }) =>
  b.setBool(rd, b.i64.lt_s(b.x(rs1), b.i64.const(imm))),
);

const sltiu = insn(
  "imm[11:0] rs1:5 011 rd:5 0010011",
  "sltiu rd, rs1, imm",
  (b, { rd, rs1, imm }) => b.setBool(rd, b.i64.lt_u(b.x(rs1), b.i64.const(imm))),
  { aliases: [["seqz rd, rs1", "imm == 1"]] },
);

const immediate =
  (compute: (b: RiscvBuilder, x: Value, imm: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1, imm }: Immediate) =>
    b.setX(rd, compute(b, b.x(rs1), b.i64.const(imm)));

const xori = insn(
  "imm[11:0] rs1:5 100 rd:5 0010011",
  "xori rd, rs1, imm",
  immediate((b, x, imm) => b.i64.xor(x, imm)),
  { aliases: [["not rd, rs1", "imm == -1"]] },
);

const ori = insn(
  "imm[11:0] rs1:5 110 rd:5 0010011",
  "ori rd, rs1, imm",
  immediate((b, x, imm) => b.i64.or(x, imm)),
);

export const andi = insn(
  "imm[11:0] rs1:5 111 rd:5 0010011",
  "andi rd, rs1, imm",
  immediate((b, x, imm) => b.i64.and(x, imm)),
  { aliases: [["zext.b rd, rs1", "imm == 255"]] },
);

const shift =
  (compute: (b: RiscvBuilder, x: Value, amount: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1, shamt }: Shift) =>
    b.setX(rd, compute(b, b.x(rs1), b.i64.const(shamt)));

export const slli = insn(
  "000000 shamt:6 rs1:5 001 rd:5 0010011",
  "slli rd, rs1, shamt",
  shift((b, x, n) => b.i64.shl(x, n)),
);
export const srli = insn(
  "000000 shamt:6 rs1:5 101 rd:5 0010011",
  "srli rd, rs1, shamt",
  shift((b, x, n) => b.i64.shr_u(x, n)),
);
export const srai = insn(
  "010000 shamt:6 rs1:5 101 rd:5 0010011",
  "srai rd, rs1, shamt",
  shift((b, x, n) => b.i64.shr_s(x, n)),
);

const register =
  (compute: (b: RiscvBuilder, x: Value, y: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Register) =>
    b.setX(rd, compute(b, b.x(rs1), b.x(rs2)));

export const add = insn("0000000 rs2:5 rs1:5 000 rd:5 0110011", "add rd, rs1, rs2", (b, { rd, rs1, rs2 }) => {
  // c.mv is this with x0.
  if (rs1 === 0) b.setX(rd, b.x(rs2));
  else b.setX(rd, b.i64.add(b.x(rs1), b.x(rs2)));
});

export const sub = insn(
  "0100000 rs2:5 rs1:5 000 rd:5 0110011",
  "sub rd, rs1, rs2",
  register((b, x, y) => b.i64.sub(x, y)),
  { aliases: [["neg rd, rs2", "rs1 == 0"]] },
);

const sll = insn(
  "0000000 rs2:5 rs1:5 001 rd:5 0110011",
  "sll rd, rs1, rs2",
  register((b, x, y) => b.i64.shl(x, y)),
);

const slt = insn(
  "0000000 rs2:5 rs1:5 010 rd:5 0110011",
  "slt rd, rs1, rs2",
  (b, { rd, rs1, rs2 }) => b.setBool(rd, b.i64.lt_s(b.x(rs1), b.x(rs2))),
  {
    aliases: [
      ["sltz rd, rs1", "rs2 == 0"],
      ["sgtz rd, rs2", "rs1 == 0"],
    ],
  },
);

const sltu = insn(
  "0000000 rs2:5 rs1:5 011 rd:5 0110011",
  "sltu rd, rs1, rs2",
  (b, { rd, rs1, rs2 }) => b.setBool(rd, b.i64.lt_u(b.x(rs1), b.x(rs2))),
  { aliases: [["snez rd, rs2", "rs1 == 0"]] },
);

export const xor = insn(
  "0000000 rs2:5 rs1:5 100 rd:5 0110011",
  "xor rd, rs1, rs2",
  register((b, x, y) => b.i64.xor(x, y)),
);
const srl = insn(
  "0000000 rs2:5 rs1:5 101 rd:5 0110011",
  "srl rd, rs1, rs2",
  register((b, x, y) => b.i64.shr_u(x, y)),
);
const sra = insn(
  "0100000 rs2:5 rs1:5 101 rd:5 0110011",
  "sra rd, rs1, rs2",
  register((b, x, y) => b.i64.shr_s(x, y)),
);
export const or = insn(
  "0000000 rs2:5 rs1:5 110 rd:5 0110011",
  "or rd, rs1, rs2",
  register((b, x, y) => b.i64.or(x, y)),
);
export const and = insn(
  "0000000 rs2:5 rs1:5 111 rd:5 0110011",
  "and rd, rs1, rs2",
  register((b, x, y) => b.i64.and(x, y)),
);

export const addiw = insn(
  "imm[11:0] rs1:5 000 rd:5 0011011",
  "addiw rd, rs1, imm",
  (b, { rd, rs1, imm }) => b.setW(rd, imm === 0 ? b.w(rs1) : b.i32.add(b.w(rs1), b.i32.const(imm))),
  { aliases: [["sext.w rd, rs1", "imm == 0"]] },
);

const slliw = insn(
  "0000000 shamt:5 rs1:5 001 rd:5 0011011",
  "slliw rd, rs1, shamt",
  (b, { rd, rs1, shamt }) => b.setW(rd, b.i32.shl(b.w(rs1), b.i32.const(shamt))),
);
const srliw = insn(
  "0000000 shamt:5 rs1:5 101 rd:5 0011011",
  "srliw rd, rs1, shamt",
  (b, { rd, rs1, shamt }) => b.setW(rd, b.i32.shr_u(b.w(rs1), b.i32.const(shamt))),
);
const sraiw = insn(
  "0100000 shamt:5 rs1:5 101 rd:5 0011011",
  "sraiw rd, rs1, shamt",
  (b, { rd, rs1, shamt }) => b.setW(rd, b.i32.shr_s(b.w(rs1), b.i32.const(shamt))),
);

const word =
  (compute: (b: RiscvBuilder, x: Value, y: Value) => Value) =>
  (b: RiscvBuilder, { rd, rs1, rs2 }: Register) =>
    b.setW(rd, compute(b, b.w(rs1), b.w(rs2)));

export const addw = insn(
  "0000000 rs2:5 rs1:5 000 rd:5 0111011",
  "addw rd, rs1, rs2",
  word((b, x, y) => b.i32.add(x, y)),
);
export const subw = insn(
  "0100000 rs2:5 rs1:5 000 rd:5 0111011",
  "subw rd, rs1, rs2",
  word((b, x, y) => b.i32.sub(x, y)),
  { aliases: [["negw rd, rs2", "rs1 == 0"]] },
);
const sllw = insn(
  "0000000 rs2:5 rs1:5 001 rd:5 0111011",
  "sllw rd, rs1, rs2",
  word((b, x, y) => b.i32.shl(x, y)),
);
const srlw = insn(
  "0000000 rs2:5 rs1:5 101 rd:5 0111011",
  "srlw rd, rs1, rs2",
  word((b, x, y) => b.i32.shr_u(x, y)),
);
const sraw = insn(
  "0100000 rs2:5 rs1:5 101 rd:5 0111011",
  "sraw rd, rs1, rs2",
  word((b, x, y) => b.i32.shr_s(x, y)),
);

// One hart runs at a time and every access is performed in program order, so there is nothing to
// order. Fields that are reserved for finer fences are ignored, as the manual asks.
const fence = insn("fm:4 pred:4 succ:4 rs1:5 000 rd:5 0001111", "fence pred, succ", () => {}, {
  aliases: [["fence", "pred == 15, succ == 15"]],
});
const fenceTso = insn("1000 0011 0011 ----- 000 ----- 0001111", "fence.tso", () => {});

export const rv64i = [
  lui,
  auipc,
  jal,
  jalr,
  beq,
  bne,
  blt,
  bge,
  bltu,
  bgeu,
  lb,
  lh,
  lw,
  ld,
  lbu,
  lhu,
  lwu,
  sb,
  sh,
  sw,
  sd,
  addi,
  slti,
  sltiu,
  xori,
  ori,
  andi,
  slli,
  srli,
  srai,
  add,
  sub,
  sll,
  slt,
  sltu,
  xor,
  srl,
  sra,
  or,
  and,
  addiw,
  slliw,
  srliw,
  sraiw,
  addw,
  subw,
  sllw,
  srlw,
  sraw,
  fence,
  fenceTso,
];
