import { Decoded } from "../../isa/decoded.js";
import type { X86Cpu } from "../cpu.js";
import { instructionAt } from "../instruction-at.js";

const decoded: Decoded = new Decoded();

/** The instruction that executes, taken apart anew: exits tell of its length and operands. Valid until the next call. */
export function currentInstruction(cpu: X86Cpu): Decoded {
  const { core } = cpu;
  instructionAt(cpu, core.pcLo(), core.pcHi(), decoded);
  return decoded;
}
