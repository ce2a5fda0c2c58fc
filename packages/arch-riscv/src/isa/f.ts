import { box, loading, rawF, readsFloat, SINGLE, setRawF, storing, writesFloat } from "./float.js";
import { floatInstructions } from "./float-instructions.js";
import { riscv } from "./lifter.js";

// Single precision, unprivileged manual, chapter "F".

const single = riscv("F");
const { insn } = single;

const flw = insn("imm[11:0] rs1:5 010 fd:5 0000111", "flw fd, imm(rs1)", loading(SINGLE));
const fsw = insn("imm[11:5] fs2:5 rs1:5 010 imm[4:0] 0100111", "fsw fs2, imm(rs1)", storing(SINGLE));

export const f = [
  flw,
  fsw,
  ...floatInstructions(single, SINGLE, "s", "00"),
  insn("1110000 00000 fs1:5 000 rd:5 1010011", "fmv.x.w rd, fs1", (b, { rd, fs1 }) =>
    readsFloat(b, () => b.setX(rd, b.i64.extend32_s(rawF(b, fs1)))),
  ),
  insn("1111000 00000 rs1:5 000 fd:5 1010011", "fmv.w.x fd, rs1", (b, { fd, rs1 }) =>
    writesFloat(b, () => setRawF(b, fd, box(b, b.w(rs1)))),
  ),
];
