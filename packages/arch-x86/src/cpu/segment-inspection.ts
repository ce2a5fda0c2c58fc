import { SystemType } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import {
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isReadable,
  isSegment,
  isWritableData,
  systemType,
} from "./descriptor.js";
import { readDescriptor } from "./descriptor-tables.js";
import { Fault, generalProtection, invalidOpcode, Vector } from "./fault.js";

// LAR, LSL, VERR and VERW: SDM volume 2. They ask what could be done with a selector, without a fault.

const VISIBLE = 1n << 63n;
/** The upper bits of the limit, which lie between, are undefined for LAR. */
const RIGHTS_SHOWN = 0x00f0_ff00;
const VISIBLE_LEGACY = [1, 2, 3, 4, 5, 9, 11, 12];
const VISIBLE_LONG = [2, 9, 11, 12];
const LIMITED = [1, 2, 3, 9, 11];

export function inspectSegment(cpu: X86Cpu, which: number, selector: number): bigint {
  if (!cpu.protectedMode || cpu.virtual8086) throw invalidOpcode();
  const d = lookUp(cpu, selector);
  if (d === undefined) return 0n;
  const seen = isConforming(d) && isCode(d) ? true : dplOf(d) >= Math.max(cpu.cpl, selector & 3);
  if (!seen) return 0n;
  switch (which) {
    case 0:
      return isSegment(d) || hasRights(cpu, d) ? VISIBLE | BigInt(d.high & RIGHTS_SHOWN) : 0n;
    case 1:
      return isSegment(d) || hasLimit(cpu, d) ? VISIBLE | BigInt(d.limit) : 0n;
    case 2:
      return isReadable(d) ? VISIBLE : 0n;
    default:
      return isWritableData(d) ? VISIBLE : 0n;
  }
}

function lookUp(cpu: X86Cpu, selector: number): Descriptor | undefined {
  if ((selector & ~3) === 0) return undefined;
  try {
    return readDescriptor(cpu, selector, generalProtection);
  } catch (error) {
    if (error instanceof Fault && error.vector === Vector.generalProtection) return undefined;
    throw error;
  }
}

const hasRights = (cpu: X86Cpu, d: Descriptor): boolean =>
  (cpu.longMode ? VISIBLE_LONG : VISIBLE_LEGACY).includes(systemType(d));

const hasLimit = (cpu: X86Cpu, d: Descriptor): boolean =>
  LIMITED.includes(systemType(d)) && (!cpu.longMode || systemType(d) !== SystemType.tss16);
