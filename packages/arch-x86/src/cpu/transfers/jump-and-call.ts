import type { X86Cpu } from "../cpu.js";
import { isSegment } from "../descriptor.js";
import { stackFault } from "../fault.js";
import { StackTarget } from "../stack-target.js";
import { SEGMENTS, Seg, type SegmentFields } from "../state.js";
import { callThroughGate, jumpThroughGate } from "./call-gate.js";
import {
  checkDirect,
  checkedIp,
  enterCode,
  enterRealCode,
  type OperandSize,
  transferTarget,
} from "./code-segment.js";
import { enterTask } from "./tasks.js";

// JMP and CALL that name a selector: SDM volume 2. Faults are thrown.

/** JMP to another code segment or task; `next` is where the present one would go on. */
export function farJump(
  cpu: X86Cpu,
  selector: number,
  offset: bigint,
  size: OperandSize,
  next: bigint,
): void {
  if (!cpu.protectedMode || cpu.virtual8086) return enterRealCode(cpu, selector, offset, size);
  const d = transferTarget(cpu, selector);
  if (isSegment(d)) {
    checkDirect(cpu, selector, d);
    return enterCode(cpu, selector, d, cpu.cpl, offset, size);
  }
  if (!enterTask(cpu, selector, d, "jump", next)) jumpThroughGate(cpu, selector, d);
}

/** CALL to another code segment or task; `next` is what it returns to. */
export function farCall(
  cpu: X86Cpu,
  selector: number,
  offset: bigint,
  size: OperandSize,
  next: bigint,
): void {
  const cs = cpu.core.big((SEGMENTS[Seg.cs] as SegmentFields).selector);
  const stack = StackTarget.current(cpu);
  if (!cpu.protectedMode || cpu.virtual8086) {
    const pointer = stack.push([cs, next], size, stackFault);
    enterRealCode(cpu, selector, offset, size);
    return stack.install(pointer);
  }
  const d = transferTarget(cpu, selector);
  if (isSegment(d)) {
    checkDirect(cpu, selector, d);
    checkedIp(cpu, selector, d, offset, size);
    stack.install(stack.push([cs, next], size, stackFault));
    return enterCode(cpu, selector, d, cpu.cpl, offset, size);
  }
  if (!enterTask(cpu, selector, d, "call", next)) callThroughGate(cpu, selector, d, cs, next);
}
