import type { ArmPe } from "../cpu/pe.js";
import { crmOf, crnOf, op0Of, op1Of } from "../cpu/system-register.js";

const PFR0_CRM = 4;
/** ID_AA64PFR0_EL1.EL2 and EL3. */
const HIGHER_LEVELS = 0xff00n;

/**
 * What a guest reads from an ID register that HCR_EL2.TID3 traps: the PE's own value, without the exception levels that
 * the guest has not. Undefined for a register of another group.
 */
export function guestIdentification(pe: ArmPe, number: number): bigint | undefined {
  const crm = crmOf(number);
  if (op0Of(number) !== 3 || op1Of(number) !== 0 || crnOf(number) !== 0 || crm < 1 || crm > 7)
    return undefined;
  const value = pe.readSystem(number);
  return crm === PFR0_CRM && (number & 7) === 0 ? value & ~HIGHER_LEVELS : value;
}
