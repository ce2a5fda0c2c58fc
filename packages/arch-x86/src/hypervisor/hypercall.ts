import type { CallStatus } from "@hypercraft/hypercraft";
import { Gpr } from "../cpu/state.js";

// VMCALL: the number in RAX, arguments in RDI, RSI, RDX, RCX, R8 and R9, the result in RAX.

export const CALL_NUMBER: number = Gpr.rax;
export const CALL_ARGUMENTS: readonly number[] = [Gpr.rdi, Gpr.rsi, Gpr.rdx, Gpr.rcx, 8, 9];
/** Where results go, in order. */
export const CALL_RESULTS: readonly number[] = [Gpr.rax, Gpr.rdx];

/** What RAX is after a call that was carried out or refused. */
export const CALL_STATUS: Readonly<Record<CallStatus, bigint>> = {
  success: 0n,
  failed: -1n,
  notSupported: -2n,
  invalidParam: -3n,
  denied: -4n,
  invalidAddress: -5n,
  alreadyOn: -6n,
};
