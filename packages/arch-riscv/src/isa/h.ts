import { Helper } from "../cpu/helper-ids.js";
import { fenceAliases, refuseGuest, translationFence } from "./fences.js";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Hypervisor extension, privileged manual, chapter "H": accesses to guest memory and fences. hstatus.HU,
// which allows the accesses in U-mode, is for the helpers to test.

const { insn } = riscv("H");

const SIGNED = 16;
const EXECUTE = 32;

const load =
  (constant: number) =>
  (b: RiscvBuilder, { rd, rs1 }: { rd: number; rs1: number }) => {
    if (b.mode.virtual) return b.virtualInstruction();
    b.setX(rd, b.ir.call(Helper.hypervisorLoad, constant, b.x(rs1)));
  };

const store =
  (size: number) =>
  (b: RiscvBuilder, { rs1, rs2 }: { rs1: number; rs2: number }) => {
    if (b.mode.virtual) return b.virtualInstruction();
    b.ir.call(Helper.hypervisorStore, size, b.x(rs1), b.x(rs2));
  };

export const h = [
  insn("0110000 00000 rs1:5 100 rd:5 1110011", "hlv.b rd, (rs1)", load(1 | SIGNED)),
  insn("0110000 00001 rs1:5 100 rd:5 1110011", "hlv.bu rd, (rs1)", load(1)),
  insn("0110010 00000 rs1:5 100 rd:5 1110011", "hlv.h rd, (rs1)", load(2 | SIGNED)),
  insn("0110010 00001 rs1:5 100 rd:5 1110011", "hlv.hu rd, (rs1)", load(2)),
  insn("0110010 00011 rs1:5 100 rd:5 1110011", "hlvx.hu rd, (rs1)", load(2 | EXECUTE)),
  insn("0110100 00000 rs1:5 100 rd:5 1110011", "hlv.w rd, (rs1)", load(4 | SIGNED)),
  insn("0110100 00001 rs1:5 100 rd:5 1110011", "hlv.wu rd, (rs1)", load(4)),
  insn("0110100 00011 rs1:5 100 rd:5 1110011", "hlvx.wu rd, (rs1)", load(4 | EXECUTE)),
  insn("0110110 00000 rs1:5 100 rd:5 1110011", "hlv.d rd, (rs1)", load(8)),
  insn("0110001 rs2:5 rs1:5 100 00000 1110011", "hsv.b rs2, (rs1)", store(1)),
  insn("0110011 rs2:5 rs1:5 100 00000 1110011", "hsv.h rs2, (rs1)", store(2)),
  insn("0110101 rs2:5 rs1:5 100 00000 1110011", "hsv.w rs2, (rs1)", store(4)),
  insn("0110111 rs2:5 rs1:5 100 00000 1110011", "hsv.d rs2, (rs1)", store(8)),
  insn(
    "0010001 rs2:5 rs1:5 000 00000 1110011",
    "hfence.vvma rs1, rs2",
    translationFence(Helper.hfenceVvma, refuseGuest),
    { aliases: fenceAliases("hfence.vvma") },
  ),
  insn(
    "0110001 rs2:5 rs1:5 000 00000 1110011",
    "hfence.gvma rs1, rs2",
    translationFence(Helper.hfenceGvma, refuseGuest),
    { aliases: fenceAliases("hfence.gvma") },
  ),
];
