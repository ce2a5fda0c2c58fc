import type { Decoded } from "../isa/decoded.js";
import { x86Decoder } from "../isa/table.js";
import type { X86Cpu } from "./cpu.js";

/** Take the instruction at a linear address apart, as a fetch of present code finds it; of length 0 where it finds none. */
export function instructionAt(cpu: X86Cpu, pc: bigint, out: Decoded): void {
  const result = x86Decoder.decode(out, (offset) => cpu.peekCode(pc + BigInt(offset)), cpu.decodeMode);
  if (result !== "tooLong" && result !== "unfetched") return;
  out.instruction = undefined;
  out.length = 0;
}
