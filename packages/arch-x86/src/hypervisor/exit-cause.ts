import type { RawExitCause } from "@hypercraft/hypercraft";

/** Why a processor left its guest, in the manual's words. */
export interface X86ExitCause extends RawExitCause {
  readonly arch: "x86_64";
}

export function plainCause(reason: string): X86ExitCause {
  return { arch: "x86_64", reason };
}
