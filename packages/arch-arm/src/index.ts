export type { GicOutputs } from "./interrupts/cpu-interface.js";
export { Gic, type GicOptions, type GicState, MAINTENANCE_INTERRUPT } from "./interrupts/gic.js";
export * from "./interrupts/gicv2.js";
