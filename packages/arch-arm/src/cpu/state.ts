import { type Field, StateLayout } from "@hypercraft/engine";

// Architectural state of one processing element (PE): Arm ARM, part D. Registers that are views of others (NZCV,
// DAIF, FPSR, the EL0 views of counters) have no field of their own.

const layout = new StateLayout();

/** The PE's state layout. */
export const armLayout = layout;

/** X0 to X30. Register 31 is the zero register or the stack pointer, as the instruction says. */
export const X = layout.array("x", "i64", 31);
/** SP_EL0, SP_EL1, SP_EL2. */
export const SP = [layout.i64("SP_EL0"), layout.i64("SP_EL1"), layout.i64("SP_EL2")] as const;
/** V0 to V31. */
export const V = layout.array("v", "v128", 32);

/**
 * The condition flags, each as whatever computed it, so that arithmetic need not look at them: N is bit 63, Z is set if
 * the field is zero, C is 0 or 1, V is bit 63.
 */
export const FLAGS = {
  n: layout.i64("flagN"),
  z: layout.i64("flagZ"),
  c: layout.i32("flagC"),
  v: layout.i64("flagV"),
} as const;

/** The rest of PSTATE. DAIF has its bits where the DAIF register has them: D 9, A 8, I 7, F 6. */
export const PSTATE = {
  currentEl: layout.i32("currentEL"),
  spSel: layout.i32("spSel"),
  daif: layout.i32("daif"),
  pan: layout.i32("pan"),
  ss: layout.i32("ss"),
  il: layout.i32("il"),
} as const;

/** FPCR, and FPSR.QC as 0 or 1; the rest of FPSR is the layout's `fpFlags`, in the engine's numbering. */
export const FPCR = layout.i32("FPCR");
export const FPSR_QC = layout.i32("fpsrQC");

/** 1 while clearing a bit of PSTATE.DAIF may let something in, an interrupt first of all: derived from the rest. */
export const interruptsWaiting = layout.i32("interruptsWaiting");

/** The event register, and whether WFE waits for it: 0 or 1 each. */
export const eventRegister = layout.i32("eventRegister");
export const waitingForEvent = layout.i32("waitingForEvent");

/** System registers that are storage, by name. `system("SCTLR_EL1")` declares one at its first use. */
const registers = new Map<string, Field>();
export function system(name: string): Field {
  let field = registers.get(name);
  if (field === undefined) {
    field = layout.i64(name);
    registers.set(name, field);
  }
  return field;
}
