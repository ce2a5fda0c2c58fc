// What calls of a guest's firmware interface (SBI, PSCI) come to, as far as it is the same on all architectures.

/** A call about a CPU or the whole machine: nothing that the firmware interface could finish by itself. */
export type FirmwarePowerOutcome =
  /** Start another vCPU, at `entry` with `arg` where the interface's convention wants it. */
  | { readonly kind: "startCpu"; readonly target: number; readonly entry: number; readonly arg: bigint }
  /** Stop the calling vCPU; the call does not return. */
  | { readonly kind: "stopCpu" }
  /** Wait for an interrupt, then return success; `resume` is where a suspend that loses state goes on instead. */
  | {
      readonly kind: "suspendCpu";
      readonly resume: { readonly entry: number; readonly arg: bigint } | undefined;
    }
  | { readonly kind: "shutdown"; readonly failure: boolean; readonly code: number }
  | { readonly kind: "reset"; readonly warm: boolean; readonly failure: boolean; readonly code: number };

/**
 * A guest-physical address that a CPU can start at, as a number; undefined for one that is no instruction's
 * (`alignment` in bytes, also the length of the shortest instruction) or does not lie in the VM's RAM.
 */
export function entryAddress(
  address: bigint,
  alignment: 1 | 2 | 4,
  isRam: (gpa: number, length: number) => boolean,
): number | undefined {
  if (address < 0n || address >= 1n << 53n) return undefined;
  const entry = Number(address);
  return entry % alignment === 0 && isRam(entry, alignment) ? entry : undefined;
}
