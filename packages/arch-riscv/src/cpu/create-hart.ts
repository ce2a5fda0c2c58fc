import type { Core, Engine, EngineOptions } from "@hypercraft/engine";
import { disassembleAt, liftInstruction } from "../isa/lift.js";
import { type HartOptions, RiscvHart } from "./hart.js";

/** The floating-point rules of RISC-V, for the engine that runs its harts. */
export const RISCV_FLOATING_POINT: NonNullable<EngineOptions["floatingPoint"]> = {
  nan: "canonical",
  tininess: "after",
};

/** A hart on a core of its own. */
export function createHart(
  engine: Engine,
  options: Omit<HartOptions, "lift" | "disassemble">,
): { readonly core: Core; readonly hart: RiscvHart } {
  const core = engine.createCore();
  const hart = new RiscvHart(core, { ...options, lift: liftInstruction, disassemble: disassembleAt });
  core.attach(hart);
  return { core, hart };
}
