/** The processor cannot go on: shutdown after a triple fault, or what is not there. */
export interface FatalExit {
  readonly kind: "fatal";
  readonly reason: string;
  /** Vector of the exception that came first. */
  readonly vector: number;
  /** Linear address of the instruction. */
  readonly pc: bigint;
}

/** Why a processor leaves; `EmulatedVCpu` says what each means. */
export const WAIT_EXIT = { kind: "wait" } as const;
export const YIELD_EXIT = { kind: "yield" } as const;
export const TIMER_EXIT = { kind: "timer" } as const;
export const TRAP_EXIT = { kind: "trap" } as const;
