import { Status } from "@hypercraft/engine";
import { CR4 as CR4_BIT } from "./control-bits.js";
import { requireRing0 } from "./control-registers.js";
import type { X86Cpu } from "./cpu.js";
import { invalidOpcode } from "./fault.js";
import { setPair, setPairHalves } from "./register-pair.js";
import { CR4, GPR, Gpr, msr } from "./state.js";
import { Pin, Primary, Secondary } from "./vmx/controls.js";
import { leaveFor } from "./vmx/current-instruction.js";
import { guestTimestamp } from "./vmx/guest-timestamp.js";
import { ExitReason } from "./vmx/vm-exit.js";

// RDTSC and RDTSCP (SDM volume 2), which kernels execute with every system call.

const [RAX, RCX, RDX] = [GPR[Gpr.rax]!, GPR[Gpr.rcx]!, GPR[Gpr.rdx]!];
const ADJUST = msr("IA32_TSC_ADJUST");
const PROCESSOR = msr("IA32_TSC_AUX");

/** What RDTSC and RDTSCP write, and what the latter reads. */
export const TIMESTAMP_FIELDS = { lo: RAX, hi: RDX, processor: RCX, ownProcessor: PROCESSOR } as const;

/** Questions for `quickTimestamp`. */
export const QUICK_TIMESTAMP = { plain: 0, withProcessor: 1 } as const;

/** RDTSC, and RDTSCP `withProcessor`: in a guest of VMX an exit, or with its offset (SDM volume 3, 26.3). */
export function readTimestamp(cpu: X86Cpu, withProcessor: boolean): Status {
  const { core, vmx } = cpu;
  const vmcs = vmx.guest ? vmx.vmcs : undefined;
  if (vmcs !== undefined && withProcessor && !vmx.hasSecondary(Secondary.rdtscp)) throw invalidOpcode();
  if ((core.lo(CR4) & CR4_BIT.TSD) !== 0) requireRing0(cpu);
  if (vmcs === undefined) {
    giveTimestamp(cpu, 0, 0);
    if (withProcessor) giveProcessor(cpu);
    return Status.next;
  }
  const controls = vmcs.processorControls;
  if ((controls & Primary.rdtscExiting) !== 0)
    return leaveFor(cpu, withProcessor ? ExitReason.rdtscp : ExitReason.rdtsc);
  const offset = (controls & Primary.tscOffsetting) !== 0;
  if (offset && vmx.hasSecondary(Secondary.tscScaling)) setPair(core, guestTimestamp(cpu, vmcs));
  else giveTimestamp(cpu, offset ? vmcs.tscOffsetLo : 0, offset ? vmcs.tscOffsetHi : 0);
  if (withProcessor) giveProcessor(cpu);
  // Who reads that the preemption timer has ended leaves before the next instruction.
  if (vmx.exits.timerEnded) core.requestDispatch();
  return Status.next;
}

/**
 * The counter as RDTSC gives it, or RDTSCP `withProcessor`, below 2^53. -1 where it is not for ring 3, for a guest that
 * exits, that has a scaled counter or a preemption timer, and where time is made of instructions, of which nobody has
 * counted the last ones.
 */
export function quickTimestamp(cpu: X86Cpu, withProcessor: boolean): number {
  const { core, vmx } = cpu;
  if (cpu.hasVirtualTime || (core.lo(CR4) & CR4_BIT.TSD) !== 0) return -1;
  const vmcs = vmx.guest ? vmx.vmcs : undefined;
  if (vmcs === undefined) return small(moved(cpu, cpu.ticks(0), 0, 0));
  const controls = vmcs.processorControls;
  if ((controls & Primary.rdtscExiting) !== 0 || (vmcs.pinControls & Pin.preemptionTimer) !== 0) return -1;
  if (vmx.hasSecondary(Secondary.tscScaling) || (withProcessor && !vmx.hasSecondary(Secondary.rdtscp)))
    return -1;
  const offset = (controls & Primary.tscOffsetting) !== 0;
  return small(moved(cpu, cpu.ticks(0), offset ? vmcs.tscOffsetLo : 0, offset ? vmcs.tscOffsetHi : 0));
}

/** As a number, if that is exact. */
const small = ({ lo, hi }: { readonly lo: number; readonly hi: number }): number =>
  hi >= 0 && hi < 2 ** 21 ? hi * 2 ** 32 + (lo >>> 0) : -1;

/** IA32_TSC_AUX into ECX. */
const giveProcessor = ({ core }: X86Cpu): void => core.set(RCX, core.lo(PROCESSOR), 0);

/** The time-stamp counter into EDX:EAX, more by VMX's offset in two halves. */
function giveTimestamp(cpu: X86Cpu, offsetLo: number, offsetHi: number): void {
  const { lo, hi } = moved(cpu, cpu.ticks(), offsetLo, offsetHi);
  setPairHalves(cpu.core, lo, hi);
}

/** The counter in halves: ticks since the machine started, more by IA32_TSC_ADJUST and VMX's offset. */
function moved({ core }: X86Cpu, ticks: number, offsetLo: number, offsetHi: number) {
  const low = (ticks >>> 0) + (core.lo(ADJUST) >>> 0) + (offsetLo >>> 0);
  const carry = Math.floor(low / 2 ** 32);
  return { lo: low | 0, hi: (Math.floor(ticks / 2 ** 32) + core.hi(ADJUST) + offsetHi + carry) | 0 };
}
