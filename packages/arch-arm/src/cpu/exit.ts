/** Which of the vectors of EL2 an exception is for. */
export type VectorKind = "sync" | "irq" | "fiq" | "serror";

/** Why a PE left `run`: what it puts in `core.exit`. */
export type PeExit =
  /** vm mode: an exception to EL2. Its registers are written, and `ArmPe.enterGuest` goes back. */
  | { readonly kind: "trap"; readonly vector: VectorKind }
  /** WFI found nothing pending; the pc is behind it. */
  | { readonly kind: "wait" }
  /** A timer deadline moved: ask `nextDeadline` again. Nothing else happened. */
  | { readonly kind: "timer" };

// Made once: exits are frequent in vm mode.
export const TRAP_EXITS: Readonly<Record<VectorKind, PeExit>> = {
  sync: { kind: "trap", vector: "sync" },
  irq: { kind: "trap", vector: "irq" },
  fiq: { kind: "trap", vector: "fiq" },
  serror: { kind: "trap", vector: "serror" },
};
export const WAIT_EXIT: PeExit = { kind: "wait" };
export const TIMER_EXIT: PeExit = { kind: "timer" };
