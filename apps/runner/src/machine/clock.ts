import { DeterministicClock, type MachineClock, RealTimeClock } from "@hypercraft/machine";
import type { MachineConfig } from "../config/run-config.js";

/** The clock of a machine: instructions, or the host's. */
export function machineClock(config: Pick<MachineConfig, "deterministic" | "clockRatio">): MachineClock {
  return config.deterministic
    ? new DeterministicClock(...config.clockRatio)
    : new RealTimeClock(() => performance.now());
}
