/** Why a hart left `run`: what it puts in `core.exit`. */
export type HartExit =
  /** vm mode: a trap into HS-mode. Its CSRs are written, V is 0, and `RiscvHart.enterGuest` goes back. */
  | { readonly kind: "trap" }
  /** WFI found nothing pending; the pc is behind it. */
  | { readonly kind: "wait" }
  /** A timer deadline moved: ask `nextDeadline` again. Nothing else happened. */
  | { readonly kind: "timer" }
  /** The hart cannot go on. */
  | FatalExit;

export interface FatalExit {
  readonly kind: "fatal";
  /** One line in the manual's terms. */
  readonly reason: string;
  /** Exception or interrupt number. */
  readonly cause: number;
  readonly interrupt: boolean;
  readonly pc: bigint;
  /** The trap value. */
  readonly value: bigint;
}

// Made once: exits are frequent in vm mode.
export const TRAP_EXIT: HartExit = { kind: "trap" };
export const WAIT_EXIT: HartExit = { kind: "wait" };
export const TIMER_EXIT: HartExit = { kind: "timer" };
