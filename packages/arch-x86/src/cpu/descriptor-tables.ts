import { isCanonical } from "./canonical.js";
import { RIGHTS } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { type Descriptor, descriptor } from "./descriptor.js";
import { type Fault, generalProtection } from "./fault.js";
import { find } from "./quick-tables.js";
import { GDTR, LDTR } from "./state.js";

// The global and the local descriptor table: SDM volume 3, 3.5.1. Whoever looks something up says what fault it is that
// there is nothing.

/** In the upper word of a task-state segment's descriptor. */
const TSS_BUSY = 0x200;

/** Linear address of the descriptor that a selector names. Throws what `fault` makes of the selector. */
function descriptorAddress(
  cpu: X86Cpu,
  selector: number,
  fault: (errorCode: number) => Fault,
  bytes = 8,
): bigint {
  const { core } = cpu;
  const local = (selector & 4) !== 0;
  const offset = selector & ~7;
  const error = selector & ~3;
  if (local && (core.lo(LDTR.rights) & RIGHTS.unusable) !== 0) throw fault(error);
  const limit = core.lo(local ? LDTR.limit : GDTR.limit) >>> 0;
  if (offset + bytes - 1 > limit) throw fault(error);
  return core.big(local ? LDTR.base : GDTR.base) + BigInt(offset);
}

/** The descriptor that a selector names. Throws what `fault` makes of the selector. */
export function readDescriptor(
  cpu: X86Cpu,
  selector: number,
  fault: (errorCode: number) => Fault,
): Descriptor {
  const { memory } = cpu;
  const quick = find(cpu, selector);
  if (quick !== undefined) return quick;
  const at = descriptorAddress(cpu, selector, fault);
  return descriptor(Number(memory.read(at, 4)), Number(memory.read(at + 4n, 4)));
}

/** Upper half of the base, or of a gate's offset, in a system descriptor of long mode. */
export function upperHalf(cpu: X86Cpu, selector: number): number {
  if (!cpu.longMode) return 0;
  const at = descriptorAddress(cpu, selector, generalProtection, 16);
  return Number(cpu.memory.read(at + 8n, 4));
}

/** The same of a table or task, whose base has to be canonical. */
export function upperBase(cpu: X86Cpu, selector: number): number {
  const high = upperHalf(cpu, selector);
  if (!isCanonical(BigInt(high >>> 0) << 32n)) throw generalProtection(selector & ~3);
  return high;
}

/** Set bits in the second word of a descriptor. */
function mark(cpu: X86Cpu, selector: number, d: Descriptor, bits: number): Descriptor {
  if ((d.high & bits) === bits) return d;
  const at = descriptorAddress(cpu, selector, generalProtection);
  const high = d.high | bits;
  cpu.memory.write(at + 4n, 4, BigInt(high >>> 0));
  return descriptor(d.low, high);
}

/** The descriptor of a code or data segment with its accessed bit set, in the table too. */
export const markAccessed = (cpu: X86Cpu, selector: number, d: Descriptor): Descriptor =>
  mark(cpu, selector, d, RIGHTS.accessed << 8);

/** The descriptor of a task-state segment with its busy flag set, in the table too. */
export const markBusy = (cpu: X86Cpu, selector: number, d: Descriptor): Descriptor =>
  mark(cpu, selector, d, TSS_BUSY);

/** Mark a task-state segment busy, or available again. */
export function setBusy(cpu: X86Cpu, selector: number, busy: boolean): void {
  const at = descriptorAddress(cpu, selector, generalProtection);
  const { memory } = cpu;
  const high = Number(memory.read(at + 4n, 4));
  memory.write(at + 4n, 4, BigInt((busy ? high | TSS_BUSY : high & ~TSS_BUSY) >>> 0));
}
