import type { X86Cpu } from "../cpu.js";
import { currentInstruction } from "./current-instruction.js";
import { ExitReason, VmExit } from "./vm-exit.js";

/** What began it: bits 31:30 of the qualification (SDM volume 3, table 28-2). */
const SOURCES = { call: 0, return: 1, jump: 2, interrupt: 3 } as const;

/** A guest cannot switch tasks: it leaves, once the new task's descriptor was found right. */
export function taskSwitchExit(cpu: X86Cpu, selector: number, source: keyof typeof SOURCES): VmExit {
  const qualification = BigInt(selector & 0xffff) | (BigInt(SOURCES[source]) << 30n);
  // Of events the length is told with them.
  if (source === "interrupt") return new VmExit(ExitReason.taskSwitch, { qualification });
  return new VmExit(ExitReason.taskSwitch, { qualification, length: currentInstruction(cpu).length });
}
