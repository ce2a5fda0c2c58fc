import { RIGHTS } from "./control-bits.js";

/** A descriptor of eight bytes, taken apart. */
export interface Descriptor {
  readonly low: number;
  readonly high: number;
  /** 32 bits. */
  readonly base: number;
  /** Last offset in bytes, unsigned 32 bits. */
  readonly limit: number;
  /** As a VMCS holds them. */
  readonly rights: number;
}

/** A descriptor from its words. */
export function descriptor(low: number, high: number): Descriptor {
  const base = (low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000);
  const units = (low & 0xffff) | (high & 0xf_0000);
  const rights = (high >>> 8) & 0xf0ff;
  const limit = (rights & RIGHTS.granularity) !== 0 ? ((units << 12) | 0xfff) >>> 0 : units;
  return { low, high, base: base >>> 0, limit, rights };
}

export const isPresent = ({ rights }: Descriptor): boolean => (rights & RIGHTS.present) !== 0;
export const dplOf = ({ rights }: Descriptor): number => (rights & RIGHTS.dpl) >> RIGHTS.dplShift;
/** Code or data. */
export const isSegment = ({ rights }: Descriptor): boolean => (rights & RIGHTS.segment) !== 0;
export const isCode = (d: Descriptor): boolean => isSegment(d) && (d.rights & RIGHTS.code) !== 0;
export const isConforming = ({ rights }: Descriptor): boolean => (rights & RIGHTS.conforming) !== 0;
/** A data segment, or code that may be read. */
export const isReadable = (d: Descriptor): boolean =>
  isSegment(d) && ((d.rights & RIGHTS.code) === 0 || (d.rights & RIGHTS.writable) !== 0);
export const isWritableData = (d: Descriptor): boolean =>
  isSegment(d) && (d.rights & (RIGHTS.code | RIGHTS.writable)) === RIGHTS.writable;
/** The type of a system segment or gate. */
export const systemType = ({ rights }: Descriptor): number => rights & 15;

/** The target of a gate. */
export interface Gate {
  readonly selector: number;
  readonly offset: number;
  /** Interrupt stack table entry, or parameters of a call gate. */
  readonly extra: number;
}

export function gate({ low, high }: Descriptor): Gate {
  return { selector: low >>> 16, offset: ((low & 0xffff) | (high & 0xffff_0000)) >>> 0, extra: high & 31 };
}
