import { type Decoded, Decoded as DecodedRecord } from "../../isa/decoded.js";
import type { X86Cpu } from "../cpu.js";
import { instructionAt } from "../instruction-at.js";

const decoded: DecodedRecord = new DecodedRecord();

/** The instruction that executes, taken apart anew: exits tell of its length and operands. Valid until the next call. */
export function currentInstruction(cpu: X86Cpu): Decoded {
  const { core } = cpu;
  instructionAt(cpu, (BigInt(core.pcHi() >>> 0) << 32n) | BigInt(core.pcLo() >>> 0), decoded);
  return decoded;
}
