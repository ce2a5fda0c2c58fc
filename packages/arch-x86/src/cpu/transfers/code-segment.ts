import { isCanonical } from "../canonical.js";
import { RIGHTS } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { type Descriptor, dplOf, isCode, isConforming, isPresent } from "../descriptor.js";
import { markAccessed, readDescriptor } from "../descriptor-tables.js";
import { generalProtection, notPresent } from "../fault.js";
import { SEGMENTS, Seg, type SegmentFields } from "../state.js";

// What far transfers of control have in common: SDM volume 3, 5.8. `size`: of the operand that has the offset.

export type OperandSize = 2 | 4 | 8;

/** The descriptor of what a transfer names, of which nothing has been checked. */
export function transferTarget(cpu: X86Cpu, selector: number): Descriptor {
  if ((selector & ~3) === 0) throw generalProtection();
  return readDescriptor(cpu, selector, generalProtection);
}

/** A code segment that JMP or CALL names: the privilege stays. */
export function checkDirect(cpu: X86Cpu, selector: number, d: Descriptor): void {
  const { cpl } = cpu;
  const error = selector & ~3;
  if (!isCode(d)) throw generalProtection(error);
  const allowed = isConforming(d) ? dplOf(d) <= cpl : (selector & 3) <= cpl && dplOf(d) === cpl;
  if (!allowed) throw generalProtection(error);
  if (!isPresent(d)) throw notPresent(error);
}

/** The instruction pointer for an offset in a code segment, which has to be within it. */
export function checkedIp(
  cpu: X86Cpu,
  selector: number,
  d: Descriptor,
  offset: bigint,
  size: OperandSize,
): bigint {
  const long = cpu.longMode && (d.rights & RIGHTS.long) !== 0;
  if (long && (d.rights & RIGHTS.big) !== 0) throw generalProtection(selector & ~3);
  const ip = BigInt.asUintN(long ? 8 * size : Math.min(8 * size, 32), offset);
  if (long ? !isCanonical(ip) : ip > BigInt(d.limit)) throw generalProtection();
  return ip;
}

/** Go on in a code segment. */
export function enterCode(
  cpu: X86Cpu,
  selector: number,
  d: Descriptor,
  cpl: number,
  offset: bigint,
  size: OperandSize,
): void {
  const ip = checkedIp(cpu, selector, d, offset, size);
  cpu.segments.load(Seg.cs, (selector & ~3) | cpl, markAccessed(cpu, selector, d));
  cpu.setPrivilege(cpl);
  cpu.modeChanged();
  cpu.setIp(ip);
}

/** Go on in another code segment of real or virtual-8086 mode. */
export function enterRealCode(cpu: X86Cpu, selector: number, offset: bigint, size: OperandSize): void {
  const ip = BigInt.asUintN(8 * size, offset);
  const { limit } = SEGMENTS[Seg.cs] as SegmentFields;
  if (ip > BigInt(cpu.core.lo(limit) >>> 0)) throw generalProtection();
  cpu.segments.loadReal(Seg.cs, selector, cpu.virtual8086);
  cpu.modeChanged();
  cpu.setIp(ip);
}
