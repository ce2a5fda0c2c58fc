import type { FirmwarePowerOutcome } from "@hypercraft/hypercraft";
import type { AffinityState } from "./constants.js";

/** A CPU of the VM as PSCI names it. */
export interface PsciCpu {
  readonly vcpuId: number;
  /** Its affinity: Aff0 to Aff2 in bits 23..0, Aff3 in bits 39..32, as in MPIDR_EL1; every other bit 0. */
  readonly affinity: bigint;
}

/** What PSCI calls act on: the VM as one of its vCPUs sees it. */
export interface PsciHost {
  /** All CPUs of the VM, the calling one too. */
  readonly cpus: Iterable<PsciCpu>;
  /** `onPending`: started, but not yet at its first instruction. A suspended CPU is on. */
  cpuState(vcpuId: number): AffinityState;
  /** Whether the VM's RAM has these bytes. */
  isRam(gpa: number, length: number): boolean;
}

/** What becomes of a call. */
export type PsciOutcome =
  /** Set X0, to the low 64 bits of `value`, and go on. Errors are negative. */
  | { readonly kind: "return"; readonly value: bigint }
  | FirmwarePowerOutcome
  /** An id that is not PSCI's: the hypervisor's owner may answer it as a hypercall. */
  | { readonly kind: "unknown" };
