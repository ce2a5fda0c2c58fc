import type { CoreApi } from "@hypercraft/engine";
import { EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { system } from "../state.js";
import { BREAKPOINTS, breakpointUnits, CONTEXT_AWARE, ENABLED } from "./units.js";

const CONTEXTIDR_EL1 = system("CONTEXTIDR_EL1");

/** Bits of DBGBCRn_EL1.BT. */
export const BT = { linked: 1, contextId: 2, mismatch: 4, vmid: 8 } as const;

export const breakpointType = (control: number): number => (control >>> 20) & 15;
/** LBN. */
export const linkedTo = (control: number): number => (control >>> 16) & 15;

/** Types that compare with an address. Mismatches are AArch32's. */
export const isAddressType = (type: number): boolean => (type & ~BT.linked) === 0;
/** Types that compare with CONTEXTIDR_EL1, the VMID or both; those with BT<2> are FEAT_VHE's. */
export const isContextType = (type: number): boolean =>
  (type & BT.mismatch) === 0 && (type & (BT.contextId | BT.vmid)) !== 0;

/** Does breakpoint `n` hold the current context? Only those that know contexts do. */
export function holdsContext({ core, el }: ArmPe, n: number): boolean {
  const unit = breakpointUnits[n];
  if (unit === undefined || n < BREAKPOINTS - CONTEXT_AWARE) return false;
  const control = core.lo(unit.control);
  const type = breakpointType(control);
  if ((control & ENABLED) === 0 || !isContextType(type) || el === 2) return false;
  if ((type & BT.contextId) !== 0 && core.lo(unit.value) !== core.lo(CONTEXTIDR_EL1)) return false;
  return (type & BT.vmid) === 0 || (core.hi(unit.value) & 0xff) === vmid(core);
}

const vmid = (core: CoreApi): number => (core.hi(EL2.vttbr) >>> 16) & 0xff;

/** The condition of a unit that is linked to breakpoint `n`: that one has to be a linked context breakpoint. */
export function linkedContextMatches(pe: ArmPe, n: number): boolean {
  const unit = breakpointUnits[n];
  if (unit === undefined) return false;
  return (breakpointType(pe.core.lo(unit.control)) & BT.linked) !== 0 && holdsContext(pe, n);
}
