import type { Core, Engine, EngineOptions } from "@hypercraft/engine";
import { liftInstruction } from "../isa/lift.js";
import { X86Cpu, type X86CpuOptions } from "./cpu.js";

/** The floating-point rules of SSE, for the engine that runs its processors. */
export const X86_FLOATING_POINT: NonNullable<EngineOptions["floatingPoint"]> = {
  nan: "propagate-x86",
  tininess: "after",
};

/** A logical processor on a core of its own. */
export function createCpu(
  engine: Engine,
  options: Omit<X86CpuOptions, "lift" | "disassemble">,
): { readonly core: Core; readonly cpu: X86Cpu } {
  const core = engine.createCore();
  const cpu = new X86Cpu(core, { ...options, lift: liftInstruction });
  core.attach(cpu);
  return { core, cpu };
}
