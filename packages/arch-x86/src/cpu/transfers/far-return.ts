import { RIGHTS } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { type Descriptor, dplOf, isCode, isConforming, isPresent } from "../descriptor.js";
import { generalProtection, notPresent, stackFault } from "../fault.js";
import { stackOf } from "../privilege-stacks.js";
import { StackTarget } from "../stack-target.js";
import { GPR, Gpr, SEGMENTS, Seg, type SegmentFields } from "../state.js";
import { checkedIp, enterCode, enterRealCode, type OperandSize, transferTarget } from "./code-segment.js";

// RET to another code segment, and what IRET has in common with it: SDM volume 3, 5.8.6.

const RSP = GPR[Gpr.rsp]!;
const OUTER_SEGMENTS = [Seg.es, Seg.fs, Seg.gs, Seg.ds] as const;

/** RET to another code segment, and `release` bytes of parameters. */
export function farReturn(cpu: X86Cpu, size: OperandSize, release: number): void {
  const stack = StackTarget.current(cpu);
  const ip = stack.peek(0, size, stackFault);
  const selector = Number(stack.peek(1, size, stackFault) & 0xffffn);
  if (!cpu.protectedMode || cpu.virtual8086) {
    enterRealCode(cpu, selector, ip, size);
    return stack.install(stack.above(2 * size + release));
  }
  const code = returnTarget(cpu, selector);
  const rpl = selector & 3;
  if (rpl === cpu.cpl) {
    checkedIp(cpu, selector, code, ip, size);
    stack.install(stack.above(2 * size + release));
    return enterCode(cpu, selector, code, rpl, ip, size);
  }
  // The outer stack lies above the parameters.
  const base = cpu.bits64 ? 0n : cpu.core.big((SEGMENTS[Seg.ss] as SegmentFields).base);
  const above = (depth: number) =>
    cpu.memory.read(base + stack.above(2 * size + release + depth * size), size);
  const [pointer, outerSelector] = [above(0), Number(above(1) & 0xffffn)];
  checkedIp(cpu, selector, code, ip, size);
  returnToOuter(cpu, { selector, code, ip }, size, { selector: outerSelector, pointer }, release);
}

/** A code segment to return to. */
export function returnTarget(cpu: X86Cpu, selector: number): Descriptor {
  const error = selector & ~3;
  const d = transferTarget(cpu, selector);
  const rpl = selector & 3;
  if (!isCode(d) || rpl < cpu.cpl) throw generalProtection(error);
  if (isConforming(d) ? dplOf(d) > rpl : dplOf(d) !== rpl) throw generalProtection(error);
  if (!isPresent(d)) throw notPresent(error);
  return d;
}

/** Return to an outer level: its stack, and no data segments that it may not have. */
export function returnToOuter(
  cpu: X86Cpu,
  to: { readonly selector: number; readonly code: Descriptor; readonly ip: bigint },
  size: OperandSize,
  stack: { readonly selector: number; readonly pointer: bigint },
  release: number,
): void {
  const { core, segments } = cpu;
  const { pointer } = stack;
  const cpl = to.selector & 3;
  const to64 = cpu.longMode && (to.code.rights & RIGHTS.long) !== 0;
  if ((stack.selector & ~3) === 0) {
    if (!to64 || cpl === 3) throw generalProtection();
    segments.loadNull(Seg.ss, stack.selector);
    core.setBig(RSP, BigInt.asUintN(64, pointer + BigInt(release)));
  } else {
    const target = stackOf(cpu, stack.selector, pointer, cpl, generalProtection);
    target.install(target.above(release));
    if (to64) core.setBig(RSP, BigInt.asUintN(64, pointer + BigInt(release)));
  }
  enterCode(cpu, to.selector, to.code, cpl, to.ip, size);
  segments.setStackPrivilege(cpl);
  dropInnerSegments(cpu, cpl);
  cpu.modeChanged();
}

function dropInnerSegments(cpu: X86Cpu, cpl: number): void {
  const { core, segments } = cpu;
  for (const number of OUTER_SEGMENTS) {
    const { rights: field } = SEGMENTS[number] as SegmentFields;
    const rights = core.lo(field);
    const free = (rights & (RIGHTS.code | RIGHTS.conforming)) === (RIGHTS.code | RIGHTS.conforming);
    const dpl = (rights & RIGHTS.dpl) >> RIGHTS.dplShift;
    // A register that is null stays as it is: FS and GS have bases all the same.
    const isNull = (core.lo(SEGMENTS[number]!.selector) & ~3) === 0;
    if (!isNull && !free && dpl < cpl) segments.nullify(number);
  }
}
