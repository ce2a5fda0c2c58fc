import { SbiError } from "./constants.js";
import type { SbiOutcome } from "./host.js";

export function success(value = 0n): SbiOutcome {
  return { kind: "return", error: SbiError.success, value };
}

export function failure(error: SbiError): SbiOutcome {
  return { kind: "return", error, value: 0n };
}

/** The low 32 bits as a signed number. */
export function low32(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}
