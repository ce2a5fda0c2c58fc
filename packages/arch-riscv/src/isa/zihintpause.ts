import { riscv } from "./lifter.js";

// Pause hint, unprivileged manual, chapter "Zihintpause": a FENCE with predecessor W and an empty successor
// set, which would do nothing.

const { insn } = riscv("Zihintpause");

export const zihintpause = [insn("0000 0001 0000 00000 000 00000 0001111", "pause", () => {})];
