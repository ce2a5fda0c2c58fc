import { IOPL, RFLAG } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { generalProtection, stackFault } from "../fault.js";
import { readFlags, writeFlagFields } from "../rflags.js";
import { StackTarget } from "../stack-target.js";
import { GPR, Gpr, interruptShadow, Seg, TR } from "../state.js";
import { lowHalf } from "../wide.js";
import { checkedIp, enterCode, enterRealCode, type OperandSize } from "./code-segment.js";
import { returnTarget, returnToOuter } from "./far-return.js";
import { switchTask } from "./tasks.js";

// IRET: SDM volume 2. Faults are thrown.

const RSP = GPR[Gpr.rsp]!;

/** IRET; a task that it leaves goes on at `next`. */
export function interruptReturn(cpu: X86Cpu, size: OperandSize, next: bigint): void {
  const { core } = cpu;
  core.set(interruptShadow, 0, 0);
  if (!cpu.protectedMode) return realReturn(cpu, size);
  if (cpu.virtual8086) {
    if (cpu.iopl !== 3) throw generalProtection();
    return realReturn(cpu, size);
  }
  const stack = StackTarget.current(cpu);
  const flags = readFlags(core);
  if ((flags & RFLAG.NT) !== 0) {
    if (cpu.longMode) throw generalProtection();
    const link = Number(cpu.memory.read(core.big(TR.base), 2));
    return switchTask(cpu, link, "return", next);
  }
  const { ip, selector, popped } = peekFrame(stack, size);
  const merged = returnedFlags(cpu, flags, popped, size);
  if (!cpu.longMode && size === 4 && (popped & RFLAG.VM) !== 0 && cpu.cpl === 0)
    return toVirtual8086(cpu, stack, ip, selector, popped);
  const code = returnTarget(cpu, selector);
  const rpl = selector & 3;
  if (rpl === cpu.cpl && !cpu.bits64) {
    checkedIp(cpu, selector, code, ip, size);
    stack.install(stack.above(3 * size));
    writeFlagFields(core, merged);
    return enterCode(cpu, selector, code, rpl, ip, size);
  }
  const pointer = stack.peek(3, size, stackFault);
  const stackSelector = Number(stack.peek(4, size, stackFault) & 0xffffn);
  checkedIp(cpu, selector, code, ip, size);
  // In 64-bit mode the stack is always popped, to the same level too.
  const before = readFlags(core);
  writeFlagFields(core, merged);
  try {
    returnToOuter(cpu, { selector, code, ip }, size, { selector: stackSelector, pointer }, 0);
  } catch (error) {
    writeFlagFields(core, before);
    throw error;
  }
}

function peekFrame(stack: StackTarget, size: OperandSize) {
  return {
    ip: stack.peek(0, size, stackFault),
    selector: Number(stack.peek(1, size, stackFault) & 0xffffn),
    popped: lowHalf(stack.peek(2, size, stackFault)),
  };
}

/** What of the popped flags takes effect. */
function returnedFlags({ cpl, iopl }: X86Cpu, flags: number, popped: number, size: OperandSize): number {
  let kept = RFLAG.VM | RFLAG.VIF | RFLAG.VIP;
  if (cpl > iopl) kept |= RFLAG.IF;
  if (cpl > 0) kept |= IOPL;
  if (cpl === 0) kept &= ~(RFLAG.VIF | RFLAG.VIP);
  if (size === 2) kept |= ~0xffff;
  return (popped & ~kept) | (flags & kept);
}

function realReturn(cpu: X86Cpu, size: OperandSize): void {
  const { core } = cpu;
  const stack = StackTarget.current(cpu);
  const { ip, selector, popped } = peekFrame(stack, size);
  const flags = readFlags(core);
  let kept = RFLAG.VM | RFLAG.VIF | RFLAG.VIP;
  if (cpu.virtual8086) kept |= IOPL;
  if (size === 2) kept |= ~0xffff;
  enterRealCode(cpu, selector, ip, size);
  stack.install(stack.above(3 * size));
  writeFlagFields(core, (popped & ~kept) | (flags & kept));
  cpu.modeChanged();
}

function toVirtual8086(cpu: X86Cpu, stack: StackTarget, ip: bigint, cs: number, flags: number): void {
  const { core, segments } = cpu;
  const at = (depth: number) => stack.peek(depth, 4, stackFault);
  const pointer = at(3);
  const [ss, es, ds, fs, gs] = [at(4), at(5), at(6), at(7), at(8)].map((v) => Number(v & 0xffffn));
  writeFlagFields(core, flags);
  for (const [number, selector] of [
    [Seg.cs, cs],
    [Seg.ss, ss],
    [Seg.es, es],
    [Seg.ds, ds],
    [Seg.fs, fs],
    [Seg.gs, gs],
  ] as const)
    segments.loadReal(number, selector ?? 0, true);
  core.setBig(RSP, pointer & 0xffff_ffffn);
  cpu.setPrivilege(3);
  cpu.modeChanged();
  cpu.setIp(ip & 0xffffn);
}
