import { type Decoded, RIP } from "../../isa/decoded.js";
import type { X86Cpu } from "../cpu.js";
import { Seg } from "../state.js";

// VM-exit instruction information and qualifications of instructions with operands: SDM volume 3, 28.2.5.

const ADDRESS_SIZES: Readonly<Record<number, number>> = { 2: 0, 4: 1, 8: 2 };
const REGISTER = 1 << 10;
const NO_INDEX = 1 << 22;
const NO_BASE = 1 << 27;

/** Bits 9:7 and 17:15: the size of addresses, and the segment. */
export function addressInformation(d: Decoded, segment: number): number {
  return ((ADDRESS_SIZES[d.addressSize] ?? 0) << 7) | (segment << 15);
}

/** The operand in ModRM.rm: bits 27:0. The other register, if there is one, is in bits 31:28. */
export function operandInformation(d: Decoded, other = 0): number {
  const second = other << 28;
  if (d.mod === 3) return REGISTER | (d.rm << 3) | second;
  const segment = d.segment >= 0 ? d.segment : d.stackBased ? Seg.ss : Seg.ds;
  const index = d.index < 0 ? NO_INDEX : (d.index << 18) | d.scale;
  const base = d.base < 0 || d.base === RIP ? NO_BASE : d.base << 23;
  return addressInformation(d, segment) | index | base | second;
}

/** The displacement of a memory operand; relative to RIP, the sum of both. */
export function displacementOf(cpu: X86Cpu, d: Decoded): bigint {
  if (d.mod === 3) return 0n;
  const displacement =
    d.addressSize === 8 && d.displacementHigh !== 0
      ? (BigInt(d.displacementHigh) << 32n) | BigInt(d.displacement >>> 0)
      : BigInt(d.displacement);
  const sum = d.base === RIP ? cpu.currentIp + BigInt(d.length) + displacement : displacement;
  return BigInt.asUintN(64, sum);
}
