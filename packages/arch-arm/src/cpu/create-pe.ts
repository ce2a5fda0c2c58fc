import type { Core, Engine, EngineOptions } from "@hypercraft/engine";
import { disassembleAt, liftInstruction } from "../isa/lift.js";
import { ArmPe, type PeOptions } from "./pe.js";

/** The floating-point rules of AArch64, for the engine that runs its PEs. */
export const ARM_FLOATING_POINT: NonNullable<EngineOptions["floatingPoint"]> = {
  nan: "propagate-arm",
  tininess: "before",
};

/** A PE on a core of its own. */
export function createPe(
  engine: Engine,
  options: Omit<PeOptions, "lift" | "disassemble">,
): { readonly core: Core; readonly pe: ArmPe } {
  const core = engine.createCore();
  const pe = new ArmPe(core, { ...options, lift: liftInstruction, disassemble: disassembleAt });
  core.attach(pe);
  return { core, pe };
}
