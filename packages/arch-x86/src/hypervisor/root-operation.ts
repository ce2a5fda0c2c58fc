import { HyperError } from "@hypercraft/hypercraft";
import type { X86Cpu } from "../cpu/cpu.js";
import { readFlags } from "../cpu/rflags.js";
import { VmcsField } from "../cpu/vmx/fields.js";
import { vmclear, vmptrld, vmxoff, vmxon } from "../cpu/vmx/instructions.js";
import { Flag } from "../isa/flags.js";

// The instructions of VMX that a hypervisor uses, with failures as errors: SDM volume 3, 31.2 to 31.4.

/** What VM-instruction errors mean. */
const ERRORS: Readonly<Record<number, string>> = {
  2: "VMCLEAR with an invalid physical address",
  3: "VMCLEAR with the VMXON pointer",
  7: "VM entry with invalid control fields",
  8: "VM entry with invalid host-state fields",
  9: "VMPTRLD with an invalid physical address",
  10: "VMPTRLD with the VMXON pointer",
  11: "VMPTRLD with an incorrect VMCS revision identifier",
  15: "VMXON executed in VMX root operation",
};

/** An error number in the manual's words. */
export const instructionErrorText = (error: number): string =>
  ERRORS[error] ?? `VM-instruction error ${error}`;

function execute(cpu: X86Cpu, name: string, instruction: () => void): void {
  instruction();
  const flags = readFlags(cpu.core);
  if ((flags & Flag.CF) !== 0) throw new HyperError("BadState", `${name} failed: VMfailInvalid`);
  if ((flags & Flag.ZF) === 0) return;
  const error = Number(cpu.vmx.vmcs?.read(VmcsField.INSTRUCTION_ERROR) ?? 0n);
  throw new HyperError("BadState", `${name} failed: ${instructionErrorText(error)}`);
}

/** Each throws BadState, saying how the instruction failed. Addresses are host-physical ones of regions. */
export const rootOperation = {
  vmxon: (cpu: X86Cpu, region: number): void => execute(cpu, "VMXON", () => vmxon(cpu, BigInt(region))),
  vmxoff: (cpu: X86Cpu): void => execute(cpu, "VMXOFF", () => vmxoff(cpu)),
  vmclear: (cpu: X86Cpu, region: number): void => execute(cpu, "VMCLEAR", () => vmclear(cpu, BigInt(region))),
  vmptrld: (cpu: X86Cpu, region: number): void => execute(cpu, "VMPTRLD", () => vmptrld(cpu, BigInt(region))),
};
