/**
 * What an access needs; the first four are the engine's `Access`. Cache maintenance by address above EL0 reads as far as
 * the first stage is concerned, and the second lets it.
 */
export const Need = { read: 0, write: 1, rmw: 2, fetch: 3, maintenance: 4 } as const;
export type Need = (typeof Need)[keyof typeof Need];

/** What an access may do besides what the regime says, as bits. */
export const Rights = {
  /** Made with the rights of EL0. */
  user: 1,
  /** Made with PSTATE.PAN set. */
  pan: 2,
} as const;

/** How a translation ended, beside the fault status code. */
export class FaultRecord {
  /** Fault status code with its level; 0 to 3 are address size faults. */
  code = 0;
  /** The second stage made it. */
  stage2 = false;
  /** ... for an access to the first stage's tables. */
  s1ptw = false;
  /** WnR. */
  write = false;
  /** Intermediate physical address of a fault of the second stage. */
  ipa = 0;
}

export function needsRead(need: Need): boolean {
  return need !== Need.write && need !== Need.fetch;
}
export function needsWrite(need: Need): boolean {
  return need === Need.write || need === Need.rmw;
}
