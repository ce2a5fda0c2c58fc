import type { ArmPe } from "../cpu/pe.js";
import { PSTATE } from "../cpu/state.js";

const EL2 = 2;
const EL2_FIELD_SHIFT = 8n;

/**
 * Whether the PE has EL2 and software runs there, found out as software has to: by CurrentEL, and what
 * ID_AA64PFR0_EL1.EL2 says of it.
 */
export function hasEl2(pe: ArmPe): boolean {
  const implemented = (pe.readSystem("ID_AA64PFR0_EL1") >> EL2_FIELD_SHIFT) & 15n;
  return implemented !== 0n && pe.core.lo(PSTATE.currentEl) === EL2;
}
