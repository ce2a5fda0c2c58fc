import type { CoreApi } from "@hypercraft/engine";
import { GPR, Gpr } from "./state.js";
import { highHalf, lowHalf, wide } from "./wide.js";

// EDX:EAX, where instructions older than registers of 64 bits have a value of 64 bits.

const [RAX, RDX] = [GPR[Gpr.rax]!, GPR[Gpr.rdx]!];

export const pair = (core: CoreApi): bigint => wide(core.lo(RAX), core.lo(RDX));

/** In halves; the registers' upper halves become 0. */
export function setPairHalves(core: CoreApi, lo: number, hi: number): void {
  core.set(RAX, lo, 0);
  core.set(RDX, hi, 0);
}

export const setPair = (core: CoreApi, value: bigint): void =>
  setPairHalves(core, lowHalf(value), highHalf(value));
