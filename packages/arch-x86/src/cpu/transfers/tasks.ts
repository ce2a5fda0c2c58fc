import { SystemType } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { type Descriptor, dplOf, gate, isPresent, systemType } from "../descriptor.js";
import { generalProtection, invalidTss, notPresent, stackFault } from "../fault.js";
import { StackTarget } from "../stack-target.js";
import { type SwitchKind, switchTo, taskBehind } from "../task-switch.js";

// What leads to another task: SDM volume 3, 8.3.

/** JMP or CALL names a task, directly or by a gate: switch. False: it names something else. */
export function enterTask(
  cpu: X86Cpu,
  selector: number,
  d: Descriptor,
  kind: "jump" | "call",
  next: bigint,
): boolean {
  const { cpl, longMode } = cpu;
  const type = systemType(d);
  const gated = type === SystemType.taskGate;
  if (longMode || (!gated && type !== SystemType.tss && type !== SystemType.tss16)) return false;
  if (dplOf(d) < Math.max(cpl, selector & 3)) throw generalProtection(selector & ~3);
  if (!isPresent(d)) throw notPresent(selector & ~3);
  switchTask(cpu, gated ? gate(d).selector : selector, kind, next);
  return true;
}

/**
 * JMP, CALL or IRET to another task, of which the gate's or the segment's rights were checked: the present one goes on at
 * `next`. A hypervisor does so for a guest that left by it.
 */
export function switchTask(cpu: X86Cpu, selector: number, kind: SwitchKind, next: bigint): void {
  const leaves = kind === "return";
  const d = taskBehind(cpu, selector, leaves, leaves ? invalidTss : generalProtection);
  switchTo(cpu, selector, d, kind, next);
}

/** An exception or interrupt to a task; the present one goes on at `ip`. `ext`: bit 0 of error codes. */
export function interruptTask(
  cpu: X86Cpu,
  selector: number,
  ip: bigint,
  errorCode: number,
  ext: number,
): void {
  const d = taskBehind(cpu, selector, false, (error) => generalProtection(error | ext));
  const wide = (systemType(d) & SystemType.tss) === SystemType.tss;
  switchTo(cpu, selector, d, "call", ip, ext, true);
  if (errorCode < 0) return;
  const stack = StackTarget.current(cpu);
  stack.install(stack.push([BigInt(errorCode)], wide ? 4 : 2, stackFault));
}
