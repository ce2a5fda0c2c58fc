/**
 * Helpers that the lifter calls. What their operands are stands beside each: `a` and `b` are values; where
 * `IrBuilder.callIf` calls, there is only `b`.
 */
export const Helper = {
  /** #UD. */
  undefined: 0,
  /** Raise exception `constant` & 0xff; with bit 8 set there is an error code, `constant` >> 9. */
  raise: 1,
  /**
   * An access at offset `b` is beyond what the segment lets through unasked: constant = segment | write << 3 |
   * bytes << 4. Raises, or says go on.
   */
  segmentLimit: 2,
  /** POPF of `constant` bytes changes more than the status flags and DF: carry it out; `b` is the value popped. */
  popFlags: 3,
  /** Take `a` over as MXCSR, or raise #GP. */
  loadMxcsr: 4,
  /** Gives MXCSR. */
  storeMxcsr: 5,
  /** SYSCALL. */
  syscall: 6,
  /** DIV or IDIV (constant bit 8) of rDX:rAX by `b`, an instruction of `constant` & 0xff bytes: carry it out whole. */
  divideWide: 7,
  /** The instruction of `constant` bytes is done: go on behind it. */
  skip: 8,
  /** PDEP and PEXT: give the result of `a` and the mask `b`. */
  depositBits: 9,
  extractBits: 10,
} as const;
