import {
  arithmetic,
  classify,
  comparison,
  DOUBLE,
  exactRounding,
  fromInteger,
  fused,
  loading,
  minMax,
  rawF,
  readsFloat,
  rounds,
  SINGLE,
  setRawF,
  signInjection,
  squareRoot,
  storing,
  toInteger,
  validRounding,
  writesFloat,
} from "./float.js";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Double precision, unprivileged manual, chapter "D".

const { insn } = riscv("D");

type Conversion = { fd: number; fs1: number; rm: number };

const narrow = (b: RiscvBuilder, { fd, fs1, rm }: Conversion) =>
  rounds(b, rm, (rounding) => SINGLE.write(b, fd, b.ir.fp("f32.fromF64", rounding, DOUBLE.read(b, fs1))));

const widen = (b: RiscvBuilder, { fd, fs1, rm }: Conversion) =>
  rounds(b, rm, (rounding) => DOUBLE.write(b, fd, b.ir.fp("f64.fromF32", rounding, SINGLE.read(b, fs1))));

export const fld = insn("imm[11:0] rs1:5 011 fd:5 0000111", "fld fd, imm(rs1)", loading(DOUBLE));
export const fsd = insn("imm[11:5] fs2:5 rs1:5 011 imm[4:0] 0100111", "fsd fs2, imm(rs1)", storing(DOUBLE));

export const d = [
  fld,
  fsd,
  insn(
    "fs3:5 01 fs2:5 fs1:5 rm:3 fd:5 1000011",
    "fmadd.d fd, fs1, fs2, fs3, rm",
    fused(DOUBLE, false, false),
    validRounding,
  ),
  insn(
    "fs3:5 01 fs2:5 fs1:5 rm:3 fd:5 1000111",
    "fmsub.d fd, fs1, fs2, fs3, rm",
    fused(DOUBLE, false, true),
    validRounding,
  ),
  insn(
    "fs3:5 01 fs2:5 fs1:5 rm:3 fd:5 1001011",
    "fnmsub.d fd, fs1, fs2, fs3, rm",
    fused(DOUBLE, true, false),
    validRounding,
  ),
  insn(
    "fs3:5 01 fs2:5 fs1:5 rm:3 fd:5 1001111",
    "fnmadd.d fd, fs1, fs2, fs3, rm",
    fused(DOUBLE, true, true),
    validRounding,
  ),
  insn(
    "0000001 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fadd.d fd, fs1, fs2, rm",
    arithmetic(DOUBLE, "add"),
    validRounding,
  ),
  insn(
    "0000101 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fsub.d fd, fs1, fs2, rm",
    arithmetic(DOUBLE, "sub"),
    validRounding,
  ),
  insn(
    "0001001 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fmul.d fd, fs1, fs2, rm",
    arithmetic(DOUBLE, "mul"),
    validRounding,
  ),
  insn(
    "0001101 fs2:5 fs1:5 rm:3 fd:5 1010011",
    "fdiv.d fd, fs1, fs2, rm",
    arithmetic(DOUBLE, "div"),
    validRounding,
  ),
  insn("0101101 00000 fs1:5 rm:3 fd:5 1010011", "fsqrt.d fd, fs1, rm", squareRoot(DOUBLE), validRounding),
  insn("0010001 fs2:5 fs1:5 000 fd:5 1010011", "fsgnj.d fd, fs1, fs2", signInjection(DOUBLE, "copy"), {
    aliases: [["fmv.d fd, fs1", "fs1 == fs2"]],
  }),
  insn("0010001 fs2:5 fs1:5 001 fd:5 1010011", "fsgnjn.d fd, fs1, fs2", signInjection(DOUBLE, "negated"), {
    aliases: [["fneg.d fd, fs1", "fs1 == fs2"]],
  }),
  insn("0010001 fs2:5 fs1:5 010 fd:5 1010011", "fsgnjx.d fd, fs1, fs2", signInjection(DOUBLE, "xor"), {
    aliases: [["fabs.d fd, fs1", "fs1 == fs2"]],
  }),
  insn("0010101 fs2:5 fs1:5 000 fd:5 1010011", "fmin.d fd, fs1, fs2", minMax(DOUBLE, "minimumNumber")),
  insn("0010101 fs2:5 fs1:5 001 fd:5 1010011", "fmax.d fd, fs1, fs2", minMax(DOUBLE, "maximumNumber")),
  insn("0100000 00001 fs1:5 rm:3 fd:5 1010011", "fcvt.s.d fd, fs1, rm", narrow, validRounding),
  insn(
    "0100001 00000 fs1:5 rm:3 fd:5 1010011",
    "fcvt.d.s fd, fs1, rm",
    widen,
    exactRounding("fcvt.d.s fd, fs1"),
  ),
  insn("1010001 fs2:5 fs1:5 010 rd:5 1010011", "feq.d rd, fs1, fs2", comparison(DOUBLE, "eq")),
  insn("1010001 fs2:5 fs1:5 001 rd:5 1010011", "flt.d rd, fs1, fs2", comparison(DOUBLE, "lt")),
  insn("1010001 fs2:5 fs1:5 000 rd:5 1010011", "fle.d rd, fs1, fs2", comparison(DOUBLE, "le")),
  insn("1110001 00000 fs1:5 001 rd:5 1010011", "fclass.d rd, fs1", classify(DOUBLE)),
  insn(
    "1100001 00000 fs1:5 rm:3 rd:5 1010011",
    "fcvt.w.d rd, fs1, rm",
    toInteger(DOUBLE, "I32"),
    validRounding,
  ),
  insn(
    "1100001 00001 fs1:5 rm:3 rd:5 1010011",
    "fcvt.wu.d rd, fs1, rm",
    toInteger(DOUBLE, "U32"),
    validRounding,
  ),
  insn(
    "1100001 00010 fs1:5 rm:3 rd:5 1010011",
    "fcvt.l.d rd, fs1, rm",
    toInteger(DOUBLE, "I64"),
    validRounding,
  ),
  insn(
    "1100001 00011 fs1:5 rm:3 rd:5 1010011",
    "fcvt.lu.d rd, fs1, rm",
    toInteger(DOUBLE, "U64"),
    validRounding,
  ),
  insn(
    "1101001 00000 rs1:5 rm:3 fd:5 1010011",
    "fcvt.d.w fd, rs1, rm",
    fromInteger(DOUBLE, "I32"),
    exactRounding("fcvt.d.w fd, rs1"),
  ),
  insn(
    "1101001 00001 rs1:5 rm:3 fd:5 1010011",
    "fcvt.d.wu fd, rs1, rm",
    fromInteger(DOUBLE, "U32"),
    exactRounding("fcvt.d.wu fd, rs1"),
  ),
  insn(
    "1101001 00010 rs1:5 rm:3 fd:5 1010011",
    "fcvt.d.l fd, rs1, rm",
    fromInteger(DOUBLE, "I64"),
    validRounding,
  ),
  insn(
    "1101001 00011 rs1:5 rm:3 fd:5 1010011",
    "fcvt.d.lu fd, rs1, rm",
    fromInteger(DOUBLE, "U64"),
    validRounding,
  ),
  insn("1110001 00000 fs1:5 000 rd:5 1010011", "fmv.x.d rd, fs1", (b, { rd, fs1 }) =>
    readsFloat(b, () => b.setX(rd, rawF(b, fs1))),
  ),
  insn("1111001 00000 rs1:5 000 fd:5 1010011", "fmv.d.x fd, rs1", (b, { fd, rs1 }) =>
    writesFloat(b, () => setRawF(b, fd, b.x(rs1))),
  ),
];
