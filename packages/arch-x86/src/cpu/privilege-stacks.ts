import { isCanonical } from "./canonical.js";
import { SystemType } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { type Fault, invalidTss, stackFault } from "./fault.js";
import { stackSegment } from "./segment-loads.js";
import { StackTarget } from "./stack-target.js";
import { TR } from "./state.js";

// Stacks of other privilege levels: SDM volume 3, 5.8.5 and chapter 8. `ext`: bit 0 of error codes.

/** The stack of an inner level, from the task-state segment. */
export function innerStack(cpu: X86Cpu, cpl: number, ext: number): StackTarget {
  const { core, memory } = cpu;
  const wide = ((core.lo(TR.rights) & 15) | 2) === SystemType.busyTss;
  const offset = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
  const size = wide ? 4 : 2;
  const error = (core.lo(TR.selector) & ~3) | ext;
  if (offset + (wide ? 5 : 3) > core.lo(TR.limit) >>> 0) throw invalidTss(error);
  const base = core.big(TR.base) + BigInt(offset);
  const pointer = memory.read(base, size);
  const selector = Number(memory.read(base + BigInt(size), 2));
  return stackOf(cpu, selector, pointer, cpl, (code) => invalidTss(code | ext));
}

/** The stack SS:rSP of a privilege level. Throws what `fault` makes of the selector. */
export const stackOf = (
  cpu: X86Cpu,
  selector: number,
  pointer: bigint,
  cpl: number,
  fault: (selector: number) => Fault,
): StackTarget => StackTarget.of(cpu, selector, stackSegment(cpu, selector, cpl, fault), pointer, cpl);

/** A stack pointer of a 64-bit task-state segment. */
function tssPointer(cpu: X86Cpu, offset: number, ext: number): bigint {
  const { core, memory } = cpu;
  if (offset + 7 > core.lo(TR.limit) >>> 0) throw invalidTss((core.lo(TR.selector) & ~3) | ext);
  const pointer = memory.read(core.big(TR.base) + BigInt(offset), 8);
  if (!isCanonical(pointer)) throw stackFault(ext);
  return pointer;
}

/** RSP of a privilege level. */
export const privilegePointer = (cpu: X86Cpu, cpl: number, ext: number): bigint =>
  tssPointer(cpu, 4 + 8 * cpl, ext);

/** RSP of an entry of the interrupt stack table, 1 to 7. */
export const interruptStackPointer = (cpu: X86Cpu, entry: number, ext: number): bigint =>
  tssPointer(cpu, 0x24 + 8 * (entry - 1), ext);
