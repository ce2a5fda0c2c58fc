import { isCanonical } from "../canonical.js";
import { RIGHTS, SystemType } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { type Descriptor, dplOf, gate, isCode, isConforming, isPresent, systemType } from "../descriptor.js";
import { upperHalf } from "../descriptor-tables.js";
import { generalProtection, notPresent, stackFault } from "../fault.js";
import { innerStack, privilegePointer } from "../privilege-stacks.js";
import { StackTarget } from "../stack-target.js";
import { GPR, Gpr, SEGMENTS, Seg, type SegmentFields } from "../state.js";
import { checkedIp, enterCode, transferTarget } from "./code-segment.js";

// Call gates: SDM volume 3, 5.8.3 to 5.8.5.

const RSP = GPR[Gpr.rsp]!;
const STACK = SEGMENTS[Seg.ss] as SegmentFields;

/** What is behind a gate. */
interface GateTarget {
  readonly selector: number;
  readonly code: Descriptor;
  readonly offset: bigint;
  /** Values that go from the outer stack to the inner one. */
  readonly parameters: number;
  /** Of 32 bits, not 16. */
  readonly wide: boolean;
}

function targetOf(cpu: X86Cpu, selector: number, d: Descriptor, jumps: boolean): GateTarget {
  const error = selector & ~3;
  const type = systemType(d);
  const { longMode, cpl } = cpu;
  if (type !== SystemType.callGate && (longMode || type !== SystemType.callGate16)) {
    throw generalProtection(error);
  }
  if (dplOf(d) < cpl || dplOf(d) < (selector & 3)) throw generalProtection(error);
  if (!isPresent(d)) throw notPresent(error);
  const { selector: codeSelector, offset, extra } = gate(d);
  const high = longMode ? BigInt(upperHalf(cpu, selector) >>> 0) : 0n;
  const code = transferTarget(cpu, codeSelector);
  const codeError = codeSelector & ~3;
  if (!isCode(code) || dplOf(code) > cpl) throw generalProtection(codeError);
  if (longMode && (code.rights & (RIGHTS.long | RIGHTS.big)) !== RIGHTS.long)
    throw generalProtection(codeError);
  if (!isPresent(code)) throw notPresent(codeError);
  if (jumps && !isConforming(code) && dplOf(code) !== cpl) throw generalProtection(codeError);
  const wide = type === SystemType.callGate;
  const low = BigInt(wide ? offset : offset & 0xffff);
  return { selector: codeSelector, code, offset: (high << 32n) | low, parameters: extra, wide };
}

/** JMP through the gate `d`: the privilege stays. */
export function jumpThroughGate(cpu: X86Cpu, selector: number, d: Descriptor): void {
  const target = targetOf(cpu, selector, d, true);
  enterCode(cpu, target.selector, target.code, cpu.cpl, target.offset, 8);
}

/** CALL through the gate `d`; it returns to `cs:next`. */
export function callThroughGate(
  cpu: X86Cpu,
  selector: number,
  d: Descriptor,
  cs: bigint,
  next: bigint,
): void {
  const { core } = cpu;
  const target = targetOf(cpu, selector, d, false);
  const { code, parameters } = target;
  const cpl = isConforming(code) ? cpu.cpl : dplOf(code);
  checkedIp(cpu, target.selector, code, target.offset, 8);
  if (cpu.longMode) return callLong(cpu, target, cpl, cs, next);
  const size = target.wide ? 4 : 2;
  const outer = StackTarget.current(cpu);
  if (cpl === cpu.cpl) {
    outer.install(outer.push([cs, next], size, stackFault));
    return enterCode(cpu, target.selector, code, cpl, target.offset, 8);
  }
  const inner = innerStack(cpu, cpl, 0);
  const copied = Array.from({ length: parameters }, (_, i) =>
    outer.peek(parameters - 1 - i, size, stackFault),
  );
  const frame = [core.big(STACK.selector), core.big(RSP), ...copied, cs, next];
  const pointer = inner.push(frame, size, stackFault);
  cpu.setPrivilege(cpl);
  inner.install(pointer);
  enterCode(cpu, target.selector, code, cpl, target.offset, 8);
}

function callLong(cpu: X86Cpu, target: GateTarget, cpl: number, cs: bigint, next: bigint): void {
  const { core, memory, segments } = cpu;
  const inner = cpl < cpu.cpl;
  const old = core.big(RSP);
  const frame = inner ? [core.big(STACK.selector), old, cs, next] : [cs, next];
  let pointer = inner ? privilegePointer(cpu, cpl, 0) : old;
  for (const value of frame) {
    pointer = BigInt.asUintN(64, pointer - 8n);
    if (!isCanonical(pointer)) throw stackFault(0);
    memory.write(pointer, 8, value, cpl === 3);
  }
  if (inner) {
    segments.loadNull(Seg.ss, cpl);
    segments.setStackPrivilege(cpl);
  }
  core.setBig(RSP, pointer);
  enterCode(cpu, target.selector, target.code, cpl, target.offset, 8);
}
