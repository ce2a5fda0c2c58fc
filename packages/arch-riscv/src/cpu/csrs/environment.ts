import { ENVCFG } from "../status-bits.js";

/** CBIE = 2 is reserved: an environment register that is written so holds 0. */
export function legalCbie(lo: number): number {
  return (lo & ENVCFG.CBIE) >>> ENVCFG.CBIE_SHIFT === 2 ? lo & ~ENVCFG.CBIE : lo;
}
