/** Kinds of slow access, as passed to the import `access`. */
export const SlowAccess = {
  /** bits 0..4 size, bits 5..6 Access, bit 7 must be aligned, bit 8 the value is only probed, bit 9 atomic, bit 10 signed */
  size: 31,
  accessShift: 5,
  write: 1 << 5,
  rmw: 2 << 5,
  aligned: 128,
  probe: 256,
  atomic: 512,
  signed: 1024,
} as const;

/** What becomes of one that needs no leaving: the TLB was filled, probe again; or it is done, a load's value in the state. */
export const SlowOutcome = { retry: -1, done: -2 } as const;
