import { Helper } from "../cpu/helper-ids.js";
import { fenceAliases, refuseUser, translationFence } from "./fences.js";
import { M_MODE, riscv } from "./lifter.js";

// Environment calls (unprivileged manual, chapter "RV32I") and the instructions of the machine and
// supervisor levels (privileged manual). What depends on mstatus or hstatus (TW, TVM, TSR, VTW, VTVM, VTSR)
// is for the helpers to decide.

const base = riscv("I");
const { insn } = riscv("Privileged");

export const ebreak = base.insn("000000000001 00000 000 00000 1110011", "ebreak", (b) =>
  b.callAndDispatch(Helper.ebreak, 0, b.ir.pc(b.offset)),
);

export const privileged = [
  base.insn("000000000000 00000 000 00000 1110011", "ecall", (b) => b.callAndDispatch(Helper.ecall)),
  ebreak,
  insn("0001000 00010 00000 000 00000 1110011", "sret", (b) => {
    if (!refuseUser(b)) b.callAndDispatch(Helper.sret);
  }),
  insn("0011000 00010 00000 000 00000 1110011", "mret", (b) => {
    if (b.mode.privilege === M_MODE) b.callAndDispatch(Helper.mret);
    else b.illegal();
  }),
  insn("0001000 00101 00000 000 00000 1110011", "wfi", (b) => b.callAndDispatch(Helper.wfi)),
  insn(
    "0001001 rs2:5 rs1:5 000 00000 1110011",
    "sfence.vma rs1, rs2",
    translationFence(Helper.sfenceVma, refuseUser),
    { aliases: fenceAliases("sfence.vma") },
  ),
];
