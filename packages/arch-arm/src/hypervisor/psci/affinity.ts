import { AffinityState, PsciError } from "./constants.js";
import type { PsciCpu, PsciHost } from "./host.js";

/** The affinity fields of MPIDR_EL1: Aff3, and Aff2 to Aff0. */
const AFFINITY_MASK = 0xff_00ff_ffffn;
/** Those that are left when levels below the index do not matter. */
const LEVEL_MASKS = [AFFINITY_MASK, 0xff_00ff_ff00n, 0xff_00ff_0000n, 0xff_0000_0000n] as const;

/** The CPU whose affinity fields are `target`; bits outside of them must be 0, as section 5.1.4 has it. */
export function cpuOf(target: bigint, host: PsciHost): PsciCpu | undefined {
  for (const cpu of host.cpus) if (cpu.affinity === target) return cpu;
  return undefined;
}

/**
 * The state of the affinity instance that `target` is in: on when a CPU in it is, otherwise pending when one is
 * about to be. Fields below `level` are ignored. An error for one that has no CPU.
 */
export function affinityInfo(
  target: bigint,
  level: bigint,
  host: PsciHost,
): AffinityState | typeof PsciError.invalidParameters {
  const mask = LEVEL_MASKS[Number(level)];
  if (mask === undefined || (target & ~AFFINITY_MASK) !== 0n) return PsciError.invalidParameters;
  const states = new Set<AffinityState>();
  for (const { vcpuId, affinity } of host.cpus) {
    if ((affinity & mask) === (target & mask)) states.add(host.cpuState(vcpuId));
  }
  if (states.size === 0) return PsciError.invalidParameters;
  if (states.has(AffinityState.on)) return AffinityState.on;
  return states.has(AffinityState.onPending) ? AffinityState.onPending : AffinityState.off;
}
