/** What a hart implements beyond RV64IMACSU with PMP, as far as its CSRs and its MMU can tell. */
export interface HartFeatures {
  /** The H extension. `vm` mode needs it. */
  readonly h: boolean;
  /** F and D (always both). */
  readonly fd: boolean;
  /** stimecmp, vstimecmp. */
  readonly sstc: boolean;
  /** A and D bits of page tables can be set by hardware (menvcfg.ADUE, henvcfg.ADUE). */
  readonly svadu: boolean;
  /** Value of menvcfg.ADUE after a reset; counts only with `svadu`. */
  readonly adueAtReset: boolean;
  /** The largest first-stage scheme; the second stage has the x4 variants up to the same size. */
  readonly sv: 39 | 48 | 57;
  readonly zicbom: boolean;
  readonly zicboz: boolean;
  /** Number of guest external interrupts, 0..63: bits of hgeip and hgeie from bit 1. */
  readonly geilen: number;
}

export const DEFAULT_FEATURES: HartFeatures = {
  h: true,
  fd: true,
  sstc: true,
  svadu: true,
  adueAtReset: true,
  sv: 57,
  zicbom: true,
  zicboz: true,
  geilen: 0,
};

const letter = (name: string): number => 1 << (name.charCodeAt(0) - 65);

/** Bits 31..0 of misa; MXL = 2 is in bits 63..62. */
export function misaLow(features: HartFeatures): number {
  const base = ["A", "B", "C", "I", "M", "S", "U"];
  const letters = [...base, ...(features.fd ? ["F", "D"] : []), ...(features.h ? ["H"] : [])];
  return letters.reduce((bits, name) => bits | letter(name), 0);
}

/** Size in bytes of the cache blocks that CBO instructions work on. */
export const CACHE_BLOCK_BYTES = 64;
