import type { Status } from "@hypercraft/engine";
import { Decoded } from "../../isa/decoded.js";
import type { X86Cpu } from "../cpu.js";
import { instructionAt } from "../instruction-at.js";
import { type ExitReason, VmExit } from "./vm-exit.js";

const decoded: Decoded = new Decoded();

/** The instruction that executes, taken apart anew: exits tell of its length and operands. Valid until the next call. */
export function currentInstruction(cpu: X86Cpu): Decoded {
  const { core } = cpu;
  instructionAt(cpu, core.pcLo(), core.pcHi(), decoded);
  return decoded;
}

/** Leave the guest because of the instruction that executes. Not thrown, as these exits are frequent. */
export function leaveFor(cpu: X86Cpu, reason: ExitReason, qualification = 0n): Status {
  const { length } = currentInstruction(cpu);
  return cpu.vmx.leave(new VmExit(reason, { length, qualification }), cpu.currentIp);
}
