import {
  DOUBLE,
  exactRounding,
  loading,
  rawF,
  readsFloat,
  rounds,
  SINGLE,
  setRawF,
  storing,
  validRounding,
  writesFloat,
} from "./float.js";
import { floatInstructions } from "./float-instructions.js";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Double precision, unprivileged manual, chapter "D".

const double = riscv("D");
const { insn } = double;

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
  ...floatInstructions(double, DOUBLE, "d", "01"),
  insn("0100000 00001 fs1:5 rm:3 fd:5 1010011", "fcvt.s.d fd, fs1, rm", narrow, validRounding),
  insn(
    "0100001 00000 fs1:5 rm:3 fd:5 1010011",
    "fcvt.d.s fd, fs1, rm",
    widen,
    exactRounding("fcvt.d.s fd, fs1"),
  ),
  insn("1110001 00000 fs1:5 000 rd:5 1010011", "fmv.x.d rd, fs1", (b, { rd, fs1 }) =>
    readsFloat(b, () => b.setX(rd, rawF(b, fs1))),
  ),
  insn("1111001 00000 rs1:5 000 fd:5 1010011", "fmv.d.x fd, rs1", (b, { fd, rs1 }) =>
    writesFloat(b, () => setRawF(b, fd, b.x(rs1))),
  ),
];
