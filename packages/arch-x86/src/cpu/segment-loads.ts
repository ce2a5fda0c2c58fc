import { RIGHTS, SystemType } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import {
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isPresent,
  isReadable,
  isSegment,
  isWritableData,
  systemType,
} from "./descriptor.js";
import { markAccessed, markBusy, readDescriptor, upperBase } from "./descriptor-tables.js";
import { type Fault, generalProtection, notPresent, stackFault } from "./fault.js";
import { LDTR, Seg, TR } from "./state.js";

// Loads of segment registers other than CS: SDM volume 3, 5.5 to 5.7. Faults are thrown.

/** MOV, POP, LDS and so on into ES, SS, DS, FS or GS. */
export function loadSegment(cpu: X86Cpu, number: number, selector: number): void {
  const { segments } = cpu;
  if (!cpu.protectedMode || cpu.virtual8086) segments.loadReal(number, selector, cpu.virtual8086);
  else if (number === Seg.ss) loadStackSegment(cpu, selector);
  else loadDataSegment(cpu, number, selector);
  cpu.modeChanged();
}

function loadStackSegment(cpu: X86Cpu, selector: number): void {
  const rpl = selector & 3;
  if ((selector & ~3) === 0) {
    // 64-bit mode takes a null selector below ring 3.
    if (!cpu.bits64 || cpu.cpl === 3 || rpl !== cpu.cpl) throw generalProtection();
    cpu.segments.loadNull(Seg.ss, selector);
    cpu.segments.setStackPrivilege(cpu.cpl);
    return;
  }
  cpu.segments.load(Seg.ss, selector, stackSegment(cpu, selector, cpu.cpl, generalProtection));
}

/** A stack segment for a privilege level, marked as accessed. Throws what `fault` makes of a selector of anything else. */
export function stackSegment(
  cpu: X86Cpu,
  selector: number,
  cpl: number,
  fault: (errorCode: number) => Fault,
): Descriptor {
  const error = selector & ~3;
  if (error === 0) throw fault(0);
  const d = readDescriptor(cpu, selector, fault);
  if ((selector & 3) !== cpl || !isWritableData(d) || dplOf(d) !== cpl) throw fault(error);
  if (!isPresent(d)) throw stackFault(error);
  return markAccessed(cpu, selector, d);
}

function loadDataSegment(cpu: X86Cpu, number: number, selector: number): void {
  if ((selector & ~3) === 0) return cpu.segments.loadNull(number, selector);
  cpu.segments.load(number, selector, dataSegment(cpu, selector, cpu.cpl, generalProtection));
}

/** The same for a segment to read from, whose selector is not null. */
export function dataSegment(
  cpu: X86Cpu,
  selector: number,
  cpl: number,
  fault: (errorCode: number) => Fault,
): Descriptor {
  const error = selector & ~3;
  const d = readDescriptor(cpu, selector, fault);
  const free = isCode(d) && isConforming(d);
  if (!isReadable(d) || (!free && Math.max(selector & 3, cpl) > dplOf(d))) throw fault(error);
  if (!isPresent(d)) throw notPresent(error);
  return markAccessed(cpu, selector, d);
}

/** LLDT. */
export function loadLocalTable(cpu: X86Cpu, selector: number): void {
  const { core, segments } = cpu;
  if ((selector & ~3) === 0) {
    core.set(LDTR.selector, selector & 0xffff, 0);
    core.set(LDTR.rights, RIGHTS.unusable, 0);
    return;
  }
  const error = selector & ~3;
  if ((selector & 4) !== 0) throw generalProtection(error);
  const d = readDescriptor(cpu, selector, generalProtection);
  if (isSegment(d) || systemType(d) !== SystemType.ldt) throw generalProtection(error);
  const high = upperBase(cpu, selector);
  if (!isPresent(d)) throw notPresent(error);
  segments.set(LDTR, selector, d.base, high, d.limit, d.rights);
}

/** LTR. */
export function loadTaskRegister(cpu: X86Cpu, selector: number): void {
  const { segments, longMode } = cpu;
  const error = selector & ~3;
  if (error === 0) throw generalProtection();
  if ((selector & 4) !== 0) throw generalProtection(error);
  const d = readDescriptor(cpu, selector, generalProtection);
  const type = systemType(d);
  if (isSegment(d) || (type !== SystemType.tss && (longMode || type !== SystemType.tss16)))
    throw generalProtection(error);
  const high = upperBase(cpu, selector);
  if (!isPresent(d)) throw notPresent(error);
  const busy = markBusy(cpu, selector, d);
  segments.set(TR, selector, busy.base, high, busy.limit, busy.rights);
}
