import type { Core, Engine, EngineOptions } from "@hypercraft/engine";
import { disassembleAt, liftInstruction } from "../isa/lift.js";
import { addressesStack } from "../isa/stack-access.js";
import { X86Cpu, type X86CpuOptions } from "./cpu.js";
import { GPR, Gpr } from "./state.js";
import { wide } from "./wide.js";

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
  const cpu = new X86Cpu(core, { ...options, lift: liftInstruction, disassemble: disassembleAt });
  core.attach(cpu);
  cpu.exceptions.stackAddressed = (address) => stackAddressed(core, cpu, address);
  return { core, cpu };
}

/** Does the instruction at the pc access an address through the stack segment? */
function stackAddressed(core: Core, cpu: X86Cpu, address: bigint): boolean {
  const pc = wide(core.pcLo(), core.pcHi());
  const [rsp, rbp] = [core.big(GPR[Gpr.rsp]!), core.big(GPR[Gpr.rbp]!)];
  return addressesStack((at) => cpu.translation.peekCode(pc + BigInt(at)), cpu.decodeMode, address, {
    rsp,
    rbp,
  });
}
