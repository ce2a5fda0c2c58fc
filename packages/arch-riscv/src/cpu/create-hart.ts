import type { Core, Engine, EngineOptions } from "@hypercraft/engine";
import { disassembleAt, liftInstruction } from "../isa/lift.js";
import { type HartOptions, RiscvHart } from "./hart.js";

/** The floating-point rules of RISC-V, for the engine that runs its harts. */
export const RISCV_FLOATING_POINT: NonNullable<EngineOptions["floatingPoint"]> = {
  nan: "canonical",
  tininess: "after",
  operations: [
    ...(["add", "sub", "mul", "div", "sqrt", "fma", "minimumNumber", "maximumNumber"] as const),
    ...(["eq", "lt", "le", "class", "fromF32", "fromF64"] as const),
    ...(["toI32", "toU32", "toI64", "toU64", "fromI32", "fromU32", "fromI64", "fromU64"] as const),
  ],
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
