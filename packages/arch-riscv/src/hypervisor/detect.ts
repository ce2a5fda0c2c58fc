import { Cause } from "../cpu/causes.js";
import type { RiscvHart } from "../cpu/hart.js";

const HGATP = 0x680;

/**
 * Whether the hart has the H extension, found out as software has to: is reading hgatp an illegal
 * instruction? No other H CSR is touched before. Asked in HS-mode or M-mode.
 */
export function hasHypervisorExtension(hart: RiscvHart): boolean {
  return hart.csrs.refused(HGATP, false) !== Cause.illegalInstruction;
}
