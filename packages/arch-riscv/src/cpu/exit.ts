import type { CpuExit } from "@hypercraft/hypercraft";

/**
 * Why a hart left `run`: what it puts in `core.exit`. In vm mode a trap into HS-mode has its CSRs written and V is 0, and
 * `RiscvHart.enterGuest` goes back; the pc of one that waits is behind the WFI.
 */
export type HartExit = CpuExit<FatalExit>;

/** The hart cannot go on. */
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
