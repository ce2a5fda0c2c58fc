import {
  arithmetic,
  box,
  classify,
  comparison,
  fromInteger,
  fused,
  loading,
  minMax,
  rawF,
  readsFloat,
  SINGLE,
  setRawF,
  signInjection,
  squareRoot,
  storing,
  toInteger,
  validRounding,
  writesFloat,
} from "./float.js";
import { riscv } from "./lifter.js";

// Single precision, unprivileged manual, chapter "F".

const { insn } = riscv("F");

export const flw = insn("imm[11:0] rs1:5 010 fd:5 0000111", "flw fd, imm(rs1)", loading(SINGLE));
export const fsw = insn("imm[11:5] fs2:5 rs1:5 010 imm[4:0] 0100111", "fsw fs2, imm(rs1)", storing(SINGLE));

export const f = [
  flw,
  fsw,
  insn(
    "fs3:5 00 fs2:5 fs1:5 rm:3 fd:5 1000011",
    "fmadd.s fd, fs1, fs2, fs3, rm",
    fused(SINGLE, false, false),
    validRounding,
  ),
  insn(
    "fs3:5 00 fs2:5 fs1:5 rm:3 fd:5 1000111",
    "fmsub.s fd, fs1, fs2, fs3, rm",
    fused(SINGLE, false, true),
    validRounding,
  ),
  insn(
    "fs3:5 00 fs2:5 fs1:5 rm:3 fd:5 1001011",
    "fnmsub.s fd, fs1, fs2, fs3, rm",
    fused(SINGLE, true, false),
    validRounding,
  ),
  insn(
    "fs3:5 00 fs2:5 fs1:5 rm:3 fd:5 1001111",
    "fnmadd.s fd, fs1, fs2, fs3, rm",
    fused(SINGLE, true, true),
    validRounding,
  ),
  insn(
    "0000000 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fadd.s fd, fs1, fs2, rm",
    arithmetic(SINGLE, "add"),
    validRounding,
  ),
  insn(
    "0000100 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fsub.s fd, fs1, fs2, rm",
    arithmetic(SINGLE, "sub"),
    validRounding,
  ),
  insn(
    "0001000 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fmul.s fd, fs1, fs2, rm",
    arithmetic(SINGLE, "mul"),
    validRounding,
  ),
  insn(
    "0001100 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fdiv.s fd, fs1, fs2, rm",
    arithmetic(SINGLE, "div"),
    validRounding,
  ),
  insn("0101100 00000 fs1:5 rm:3 fd:5 1010011", "fsqrt.s fd, fs1, rm", squareRoot(SINGLE), validRounding),
  insn("0010000 fs2:5 fs1:5 000 fd:5 1010011", "fsgnj.s fd, fs1, fs2", signInjection(SINGLE, "copy"), {
    aliases: [["fmv.s fd, fs1", "fs1 == fs2"]],
  }),
  insn("0010000 fs2:5 fs1:5 001 fd:5 1010011", "fsgnjn.s fd, fs1, fs2", signInjection(SINGLE, "negated"), {
    aliases: [["fneg.s fd, fs1", "fs1 == fs2"]],
  }),
  insn("0010000 fs2:5 fs1:5 010 fd:5 1010011", "fsgnjx.s fd, fs1, fs2", signInjection(SINGLE, "xor"), {
    aliases: [["fabs.s fd, fs1", "fs1 == fs2"]],
  }),
  insn("0010100 fs2:5 fs1:5 000 fd:5 1010011", "fmin.s fd, fs1, fs2", minMax(SINGLE, "minimumNumber")),
  insn("0010100 fs2:5 fs1:5 001 fd:5 1010011", "fmax.s fd, fs1, fs2", minMax(SINGLE, "maximumNumber")),
  insn("1010000 fs2:5 fs1:5 010 rd:5 1010011", "feq.s rd, fs1, fs2", comparison(SINGLE, "eq")),
  insn("1010000 fs2:5 fs1:5 001 rd:5 1010011", "flt.s rd, fs1, fs2", comparison(SINGLE, "lt")),
  insn("1010000 fs2:5 fs1:5 000 rd:5 1010011", "fle.s rd, fs1, fs2", comparison(SINGLE, "le")),
  insn("1110000 00000 fs1:5 001 rd:5 1010011", "fclass.s rd, fs1", classify(SINGLE)),
  insn(
    "1100000 00000 fs1:5 rm:3 rd:5 1010011",
    "fcvt.w.s rd, fs1, rm",
    toInteger(SINGLE, "I32"),
    validRounding,
  ),
  insn(
    "1100000 00001 fs1:5 rm:3 rd:5 1010011",
    "fcvt.wu.s rd, fs1, rm",
    toInteger(SINGLE, "U32"),
    validRounding,
  ),
  insn(
    "1100000 00010 fs1:5 rm:3 rd:5 1010011",
    "fcvt.l.s rd, fs1, rm",
    toInteger(SINGLE, "I64"),
    validRounding,
  ),
  insn(
    "1100000 00011 fs1:5 rm:3 rd:5 1010011",
    "fcvt.lu.s rd, fs1, rm",
    toInteger(SINGLE, "U64"),
    validRounding,
  ),
  insn(
    "1101000 00000 rs1:5 rm:3 fd:5 1010011",
    "fcvt.s.w fd, rs1, rm",
    fromInteger(SINGLE, "I32"),
    validRounding,
  ),
  insn(
    "1101000 00001 rs1:5 rm:3 fd:5 1010011",
    "fcvt.s.wu fd, rs1, rm",
    fromInteger(SINGLE, "U32"),
    validRounding,
  ),
  insn(
    "1101000 00010 rs1:5 rm:3 fd:5 1010011",
    "fcvt.s.l fd, rs1, rm",
    fromInteger(SINGLE, "I64"),
    validRounding,
  ),
  insn(
    "1101000 00011 rs1:5 rm:3 fd:5 1010011",
    "fcvt.s.lu fd, rs1, rm",
    fromInteger(SINGLE, "U64"),
    validRounding,
  ),
  insn("1110000 00000 fs1:5 000 rd:5 1010011", "fmv.x.w rd, fs1", (b, { rd, fs1 }) =>
    readsFloat(b, () => b.setX(rd, b.i64.extend32_s(rawF(b, fs1)))),
  ),
  insn("1111000 00000 rs1:5 000 fd:5 1010011", "fmv.w.x fd, rs1", (b, { fd, rs1 }) =>
    writesFloat(b, () => setRawF(b, fd, box(b, b.w(rs1)))),
  ),
];
