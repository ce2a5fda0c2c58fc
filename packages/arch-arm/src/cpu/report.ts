import type { CoreApi } from "@hypercraft/engine";
import type { RegisterValue } from "@hypercraft/hypercraft";
import { EL1, EL2, TIMER } from "./fields.js";
import { readSpsr } from "./processor-state.js";
import { armLayout, SP, X } from "./state.js";

/**
 * Everything worth reading about a PE in one list: pc, PSTATE in the form of SPSR_ELx, general registers, stack
 * pointers, and the system registers of exceptions, translation and timers.
 */
export function registerReport(core: CoreApi): RegisterValue[] {
  const list: RegisterValue[] = [
    { name: "pc", value: core.big(armLayout.pc) },
    { name: "PSTATE", value: BigInt(readSpsr(core) >>> 0) },
  ];
  for (const [i, field] of X.entries()) list.push({ name: `x${i}`, value: core.big(field) });
  for (const [el, field] of SP.entries()) list.push({ name: `SP_EL${el}`, value: core.big(field) });
  const { frequency, ...timers } = TIMER;
  const banks = [EL1, EL2, { frequency }, ...Object.values(timers)];
  for (const field of banks.flatMap((bank) => Object.values(bank)))
    list.push({ name: field.name, value: core.big(field) });
  return list;
}
