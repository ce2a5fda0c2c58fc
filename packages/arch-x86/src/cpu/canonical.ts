import { highHalf } from "./wide.js";

// Linear addresses have 48 bits: bits 63:47 of a canonical one are all the same. SDM volume 1, 3.3.7.1.

/** Is the address with this upper half canonical? */
export function isCanonicalHalf(hi: number): boolean {
  const top = hi >> 15;
  return top === 0 || top === -1;
}

export const isCanonical = (address: bigint): boolean => isCanonicalHalf(highHalf(address));
