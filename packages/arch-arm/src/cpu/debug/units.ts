import { system } from "../state.js";

// What ID_AA64DFR0_EL1 tells: six breakpoints, the last two of which know contexts, and four watchpoints.

export const BREAKPOINTS = 6;
export const WATCHPOINTS = 4;
export const CONTEXT_AWARE = 2;

/** A breakpoint's or watchpoint's registers. */
export interface Unit {
  /** DBGBVRn_EL1 or DBGWVRn_EL1. */
  readonly value: ReturnType<typeof system>;
  /** DBGBCRn_EL1 or DBGWCRn_EL1. */
  readonly control: ReturnType<typeof system>;
}

const units = (kind: "B" | "W", count: number): readonly Unit[] =>
  Array.from({ length: count }, (_, n) => ({
    value: system(`DBG${kind}VR${n}_EL1`),
    control: system(`DBG${kind}CR${n}_EL1`),
  }));

export const breakpointUnits = units("B", BREAKPOINTS);
export const watchpointUnits = units("W", WATCHPOINTS);

export const MDSCR_EL1 = system("MDSCR_EL1");
export const MDSCR = { SS: 1 << 0, TDCC: 1 << 12, KDE: 1 << 13, MDE: 1 << 15 } as const;
/** DBGBCR and DBGWCR: enabled. */
export const ENABLED = 1;
/** Upper half of an address register: bits 63 to 49 repeat bit 48. */
export const addressTop = (hi: number): number => (hi << 15) >> 15;

/**
 * HMC, SSC and PAC (PMC) of a control register: does it ask for accesses with the rights of an exception level? What
 * is reserved without EL3 asks for nothing, but for SSC = 01 (Non-secure), which is all there is.
 */
export function asksForLevel(control: number, level: number): boolean {
  const pac = (control >>> 1) & 3;
  const hmc = (control >>> 13) & 1;
  const ssc = (control >>> 14) & 3;
  if (ssc === 2) return false;
  if (ssc === 3) return hmc === 1 && pac === 0 && level === 2;
  // Without HMC some level below EL2 is named, with it EL1 is.
  if (hmc === 0 ? pac === 0 : (pac & 1) === 0) return false;
  return level === 2 ? hmc === 1 : (pac & (level === 1 ? 1 : 2)) !== 0;
}
