import { Helper } from "../cpu/helper-ids.js";
import { riscv } from "./lifter.js";

// Instruction-fetch fence, unprivileged manual, chapter "Zifencei". The other fields are reserved for finer
// fences and ignored.

const { insn } = riscv("Zifencei");

export const zifencei = [
  insn("------------ ----- 001 ----- 0001111", "fence.i", (b) => b.callAndDispatch(Helper.fenceI)),
];
