/** Helpers that the lifter calls: `IrBuilder.call` and `callIf`. What their operands are stands beside each. */
export const Helper = {
  /** #UD. */
  undefined: 0,
  /** Raise exception `constant` (vector, bit 8: with the error code `a`). */
  raise: 1,
  /**
   * An access at offset `a` is beyond what the segment lets through unasked: constant = segment | write << 3 |
   * bytes << 4. Raises, or says go on.
   */
  segmentLimit: 2,
  /** POPF of `constant` bytes changes more than the status flags and DF: carry it out; `a` is the value popped. */
  popFlags: 3,
  /** Take `a` over as MXCSR, or raise #GP. */
  loadMxcsr: 4,
  /** Gives MXCSR. */
  storeMxcsr: 5,
  /** SYSCALL. */
  syscall: 6,
} as const;
