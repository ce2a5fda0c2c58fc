import { Helper } from "../cpu/helper-ids.js";
import { refuseGuest, refuseUser, translationFence } from "./fences.js";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Fine-grained translation-cache invalidation, privileged manual, chapter "Svinval". The invalidations act at
// once, so the two fences around them have nothing to order.

const { insn } = riscv("Svinval");
const hypervisor = riscv("Svinval", "H");

const nothingInSupervisor = (b: RiscvBuilder): void => {
  refuseUser(b);
};

export const svinval = [
  insn(
    "0001011 rs2:5 rs1:5 000 00000 1110011",
    "sinval.vma rs1, rs2",
    translationFence(Helper.sfenceVma, refuseUser, true),
  ),
  insn("0001100 00000 00000 000 00000 1110011", "sfence.w.inval", nothingInSupervisor),
  insn("0001100 00001 00000 000 00000 1110011", "sfence.inval.ir", nothingInSupervisor),
  hypervisor.insn(
    "0010011 rs2:5 rs1:5 000 00000 1110011",
    "hinval.vvma rs1, rs2",
    translationFence(Helper.hfenceVvma, refuseGuest, true),
  ),
  hypervisor.insn(
    "0110011 rs2:5 rs1:5 000 00000 1110011",
    "hinval.gvma rs1, rs2",
    translationFence(Helper.hfenceGvma, refuseGuest, true),
  ),
];
