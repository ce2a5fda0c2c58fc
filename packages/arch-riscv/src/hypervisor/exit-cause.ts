import type { RawExitCause } from "@hypercraft/hypercraft";

/** The HS-level trap registers of an exit, as the hardware wrote them. */
export interface RiscvExitCause extends RawExitCause {
  readonly arch: "riscv64";
  /** scause with the interrupt bit. */
  readonly scause: bigint;
  readonly sepc: bigint;
  readonly stval: bigint;
  /** Guest-physical address of a guest-page fault, shifted right by two. */
  readonly htval: bigint;
  /** Transformed instruction, pseudoinstruction, or 0. */
  readonly htinst: bigint;
  /** Privilege the guest had: 0 VU, 1 VS. */
  readonly spvp: number;
}
