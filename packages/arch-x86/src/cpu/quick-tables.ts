import type { Field } from "@hypercraft/engine";
import type { X86Cpu } from "./cpu.js";
import { type Descriptor, descriptor } from "./descriptor.js";
import { GDTR } from "./state.js";

// How the quick ways between privilege levels look at tables and stacks: without faults and without 64-bit integers.
// Whoever does not find what he looks for takes the general way.

/** The upper half of an address and a small distance, of whose sum the lower half is given. */
const carried = (lo: number, hi: number, sum: number): number => (sum >>> 0 < lo >>> 0 ? (hi + 1) | 0 : hi);

/** Word index of `bytes` at a linear address, which have to lie on one page and be aligned to four; -1 else. */
export function place(cpu: X86Cpu, lo: number, hi: number, bytes: number, write: boolean): number {
  if ((lo & 3) !== 0 || (lo & 0xfff) + bytes > 4096) return -1;
  const offset = cpu.memory.locate(lo, hi, write);
  return offset < 0 ? -1 : offset >> 2;
}

/** The same for an entry of a table. */
export function entry(
  cpu: X86Cpu,
  base: { lo: number; hi: number },
  distance: number,
  bytes: number,
): number {
  const lo = (base.lo + distance) | 0;
  return place(cpu, lo, carried(base.lo, base.hi, lo), bytes, false);
}

/** A field of 64 bits. */
export const halves = ({ core }: X86Cpu, field: Field) => ({ lo: core.lo(field), hi: core.hi(field) });

/** A descriptor of the global table; undefined where it is not to be had. */
export function find(cpu: X86Cpu, selector: number): Descriptor | undefined {
  const { core } = cpu;
  if ((selector & 4) !== 0 || (selector & ~3) === 0 || (selector | 7) > core.lo(GDTR.limit)) return undefined;
  const at = entry(cpu, halves(cpu, GDTR.base), selector & ~7, 8);
  return at < 0 ? undefined : descriptor(core.words[at] as number, core.words[at + 1] as number);
}
