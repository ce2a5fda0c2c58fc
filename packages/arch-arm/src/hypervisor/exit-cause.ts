import type { RawExitCause } from "@hypercraft/hypercraft";

/** The exception registers of EL2 for an exit, as the hardware wrote them. */
export interface ArmExitCause extends RawExitCause {
  readonly arch: "aarch64";
  /** ESR_EL2: the exception class in bits 31..26, its syndrome in bits 24..0. */
  readonly esr: bigint;
  readonly elr: bigint;
  readonly spsr: bigint;
  /** Virtual address of an abort. */
  readonly far: bigint;
  /** Intermediate physical address of an abort of the second stage: bits 47..12 of it in bits 39..4. */
  readonly hpfar: bigint;
}

/** The cause of an exit that is no exception. */
export function plainCause(reason: string): ArmExitCause {
  return { arch: "aarch64", reason, esr: 0n, elr: 0n, spsr: 0n, far: 0n, hpfar: 0n };
}
