import { Decoded } from "../../isa/decoded.js";
import { x86Decoder } from "../../isa/table.js";
import type { X86Cpu } from "../cpu.js";

const decoded = new Decoded();

/** The instruction that executes, taken apart anew: exits tell of its length and operands. Valid until the next call. */
export function currentInstruction(cpu: X86Cpu): Decoded {
  const { core } = cpu;
  const pc = (BigInt(core.pcHi() >>> 0) << 32n) | BigInt(core.pcLo() >>> 0);
  const result = x86Decoder.decode(decoded, (offset) => cpu.peekCode(pc + BigInt(offset)), cpu.decodeMode);
  if (result === "tooLong" || result === "unfetched") {
    decoded.instruction = undefined;
    decoded.length = 0;
  }
  return decoded;
}
