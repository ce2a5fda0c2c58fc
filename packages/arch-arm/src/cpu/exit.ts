/** Which of the vectors of EL2 an exception is for. */
export type VectorKind = "sync" | "irq" | "fiq" | "serror";

/** Why a PE left `run`: what it puts in `core.exit`. */
export type PeExit =
  /**
   * vm mode: an exception to EL2. Its registers are written, and `ArmPe.enterGuest` goes back. Also what the board's
   * firmware leaves with: then the pc is behind the SMC.
   */
  | { readonly kind: "trap"; readonly vector: VectorKind }
  /** WFI found nothing pending, or WFE no event; the pc is behind it. */
  | { readonly kind: "wait" }
  /** A timer deadline moved: ask `nextDeadline` again. Nothing else happened. */
  | { readonly kind: "timer" }
  | FatalExit;

/** The PE cannot go on. */
export interface FatalExit {
  readonly kind: "fatal";
  /** One line in the manual's terms. */
  readonly reason: string;
}

// Made once: exits are frequent in vm mode.
export const TRAP_EXITS: Readonly<Record<VectorKind, PeExit>> = {
  sync: { kind: "trap", vector: "sync" },
  irq: { kind: "trap", vector: "irq" },
  fiq: { kind: "trap", vector: "fiq" },
  serror: { kind: "trap", vector: "serror" },
};
export const EXCEPTION_LOOP_EXIT: FatalExit = {
  kind: "fatal",
  reason: "every exception leads to the same exception",
};
export const WAIT_EXIT: PeExit = { kind: "wait" };
export const TIMER_EXIT: PeExit = { kind: "timer" };
