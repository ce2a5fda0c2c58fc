import type { RawExitCause } from "@hypercraft/hypercraft";

/** Why a processor left its guest, in the manual's words; after a VM exit with the fields of the VMCS that tell of it. */
export interface X86ExitCause extends RawExitCause {
  readonly arch: "x86_64";
  /** Basic exit reason. */
  readonly exitReason?: number;
  readonly qualification?: bigint;
  /** Of exits about memory. */
  readonly guestPhysicalAddress?: bigint;
  readonly guestLinearAddress?: bigint;
  /** Bytes of the instruction that caused the exit. */
  readonly instructionLength?: number;
  /** VM-exit interruption information, of exits by events. */
  readonly interruptionInformation?: number;
}

export function plainCause(reason: string): X86ExitCause {
  return { arch: "x86_64", reason };
}
