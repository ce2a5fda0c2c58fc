import type { X86Cpu } from "./cpu.js";
import { GPR, Gpr, msr } from "./state.js";

// RDTSC and RDTSCP (SDM volume 2), which kernels execute with every system call.

const [RAX, RCX, RDX] = [GPR[Gpr.rax]!, GPR[Gpr.rcx]!, GPR[Gpr.rdx]!];
const ADJUST = msr("IA32_TSC_ADJUST");
const PROCESSOR = msr("IA32_TSC_AUX");

/** The time-stamp counter into EDX:EAX, more by VMX's offset in two halves; `withProcessor`: IA32_TSC_AUX into ECX. */
export function giveTimestamp(cpu: X86Cpu, withProcessor: boolean, offsetLo = 0, offsetHi = 0): void {
  const { core } = cpu;
  const ticks = cpu.ticks();
  const low = (ticks >>> 0) + (core.lo(ADJUST) >>> 0) + (offsetLo >>> 0);
  const carry = Math.floor(low / 2 ** 32);
  core.set(RAX, low | 0, 0);
  core.set(RDX, (Math.floor(ticks / 2 ** 32) + core.hi(ADJUST) + offsetHi + carry) | 0, 0);
  if (withProcessor) core.set(RCX, core.lo(PROCESSOR), 0);
}
