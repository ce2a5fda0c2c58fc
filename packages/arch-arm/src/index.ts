export { psciCall } from "./hypervisor/psci/call.js";
export { AffinityState, PsciError, psciName } from "./hypervisor/psci/constants.js";
export type { PsciCpu, PsciHost, PsciOutcome } from "./hypervisor/psci/host.js";
export type { GicOutputs } from "./interrupts/cpu-interface.js";
export { Gic, type GicOptions, type GicState, MAINTENANCE_INTERRUPT } from "./interrupts/gic.js";
export * from "./interrupts/gicv2.js";
export { GicV3, type GicV3Options, REDISTRIBUTOR_SIZE } from "./interrupts/gicv3.js";
export type { GicSystemRegisters, HcrRouting } from "./interrupts/gicv3-system-registers.js";
