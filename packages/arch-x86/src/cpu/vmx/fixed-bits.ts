import { CR0 as CR0_BIT, CR4_SUPPORTED } from "../control-bits.js";
import { CR0_FIXED0, CR4_FIXED0 } from "./capabilities.js";

// Bits of CR0 and CR4 that VMX operation binds: SDM volume 3, 24.8 and A.7.

/** Every bit of `ones` is set, and none outside `may`. */
export function fitsFixed(value: number, ones: number, may: number): boolean {
  return (value & ones) === (ones | 0) && (value & ~may) === 0;
}

/** CR0 as VMX operation takes it; without PE and PG too, for an unrestricted guest. */
export function cr0Fits(value: number, unrestricted: boolean): boolean {
  const ones = unrestricted ? CR0_FIXED0 & ~(CR0_BIT.PE | CR0_BIT.PG) : CR0_FIXED0;
  return fitsFixed(value, ones, -1);
}

export const cr4Fits = (value: number): boolean => fitsFixed(value, CR4_FIXED0, CR4_SUPPORTED);
