import { Status } from "@hypercraft/engine";
import { CR4 as CR4_BIT } from "./control-bits.js";
import { requireRing0 } from "./control-registers.js";
import type { X86Cpu } from "./cpu.js";
import { invalidOpcode } from "./fault.js";
import { CR4, GPR, Gpr, msr } from "./state.js";
import { Primary, Secondary } from "./vmx/controls.js";
import { leaveFor } from "./vmx/current-instruction.js";
import { guestTimestamp } from "./vmx/guest-timestamp.js";
import { ExitReason } from "./vmx/vm-exit.js";

// RDTSC and RDTSCP (SDM volume 2), which kernels execute with every system call.

const [RAX, RCX, RDX] = [GPR[Gpr.rax]!, GPR[Gpr.rcx]!, GPR[Gpr.rdx]!];
const ADJUST = msr("IA32_TSC_ADJUST");
const PROCESSOR = msr("IA32_TSC_AUX");

/** RDTSC, and RDTSCP `withProcessor`: in a guest of VMX an exit, or with its offset (SDM volume 3, 26.3). */
export function readTimestamp(cpu: X86Cpu, withProcessor: boolean): Status {
  const { core, vmx } = cpu;
  const vmcs = vmx.guest ? vmx.vmcs : undefined;
  if (vmcs !== undefined && withProcessor && !vmx.hasSecondary(Secondary.rdtscp)) throw invalidOpcode();
  if ((core.lo(CR4) & CR4_BIT.TSD) !== 0) requireRing0(cpu);
  if (vmcs === undefined) {
    giveTimestamp(cpu, withProcessor, 0, 0);
    return Status.next;
  }
  const controls = vmcs.processorControls;
  if ((controls & Primary.rdtscExiting) !== 0)
    return leaveFor(cpu, withProcessor ? ExitReason.rdtscp : ExitReason.rdtsc);
  const offset = (controls & Primary.tscOffsetting) !== 0;
  if (offset && vmx.hasSecondary(Secondary.tscScaling))
    giveScaled(cpu, guestTimestamp(cpu, vmcs), withProcessor);
  else giveTimestamp(cpu, withProcessor, offset ? vmcs.tscOffsetLo : 0, offset ? vmcs.tscOffsetHi : 0);
  // Who reads that the preemption timer has ended leaves before the next instruction.
  if (vmx.exits.timerEnded) core.requestDispatch();
  return Status.next;
}

/** A counter that VMX scales. */
function giveScaled({ core }: X86Cpu, counter: bigint, withProcessor: boolean): void {
  core.set(RAX, Number(BigInt.asIntN(32, counter)), 0);
  core.set(RDX, Number(BigInt.asIntN(32, counter >> 32n)), 0);
  if (withProcessor) core.set(RCX, core.lo(PROCESSOR), 0);
}

/** The time-stamp counter into EDX:EAX, more by VMX's offset in two halves; `withProcessor`: IA32_TSC_AUX into ECX. */
function giveTimestamp(cpu: X86Cpu, withProcessor: boolean, offsetLo: number, offsetHi: number): void {
  const { core } = cpu;
  const ticks = cpu.ticks();
  const low = (ticks >>> 0) + (core.lo(ADJUST) >>> 0) + (offsetLo >>> 0);
  const carry = Math.floor(low / 2 ** 32);
  core.set(RAX, low | 0, 0);
  core.set(RDX, (Math.floor(ticks / 2 ** 32) + core.hi(ADJUST) + offsetHi + carry) | 0, 0);
  if (withProcessor) core.set(RCX, core.lo(PROCESSOR), 0);
}
