import { Decoded } from "../isa/decoded.js";
import { DEBUGCTL_BIT } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { instructionAt } from "./instruction-at.js";
import { DEBUGCTL, x86Layout } from "./state.js";
import { highHalf, lowHalf } from "./wide.js";

const decoded = new Decoded();
/** INS, OUTS, and MOVS to SCAS. */
const isString = (opcode: number): boolean =>
  (opcode >= 0x6c && opcode <= 0x6f) || (opcode >= 0xa4 && opcode <= 0xaf && (opcode & ~1) !== 0xa8);

/** A step over the instruction at `from` is one that traps: with IA32_DEBUGCTL.BTF only if it branched (SDM volume 3, 18.4.4). */
export function stepTraps(cpu: X86Cpu, from: bigint): boolean {
  const { core } = cpu;
  if ((core.lo(DEBUGCTL) & DEBUGCTL_BIT.BTF) === 0) return true;
  instructionAt(cpu, lowHalf(from), highHalf(from), decoded);
  if (isString(decoded.opcode) && decoded.instruction?.encoding.map === 0) return false;
  return core.big(x86Layout.pc) !== from + BigInt(decoded.length);
}
