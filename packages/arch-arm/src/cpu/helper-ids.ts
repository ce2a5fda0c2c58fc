/**
 * Helpers the lifter calls. "const" is the 24-bit constant of the call, a and b its i64 arguments. All of them may
 * take an exception. System registers are named by op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2.
 */
export const Helper = {
  /** UNDEFINED, or an instruction that traps as unknown: a = encoding. */
  undefined: 1,
  /** SVC, HVC, SMC, BRK, HLT: const = imm16. */
  svc: 2,
  hvc: 3,
  smc: 4,
  brk: 5,
  hlt: 6,
  eret: 7,
  /** MRS: const = system register; result: its value. */
  readSystem: 8,
  /** MSR (register): const = system register, a = value. The block ends by `dispatch` behind it. */
  writeSystem: 9,
  /**
   * SYS and SYSL (TLBI, DC, IC, AT): const = the register number of the operation, a = operand; result for SYSL.
   * DC ZVA comes here only if it traps, on a condition.
   */
  systemOperation: 10,
  /** MSR (immediate) that translated code does not do alone: const = op1 << 7 | CRm << 3 | op2. */
  writePstate: 11,
  wfi: 12,
  wfe: 13,
  /** Access of floating point or Advanced SIMD while it is trapped. */
  fpTrap: 14,
  /** A base register SP that is no multiple of 16. Called on a condition, so the value is b. */
  stackAlignment: 15,
  /** The pc is no multiple of 4. */
  pcAlignment: 16,
  /** CLREX: give up the exclusive monitor's mark (`Core.clearReservation`). */
  clearExclusive: 17,
  /** DC ZVA that traps or may not be done here: const = its number, b = address. */
  zeroTrapped: 18,
  /** SEV. */
  sendEvent: 19,
} as const;
