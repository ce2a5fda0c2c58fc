import type { Tier } from "@hypercraft/engine";
import { RIGHTS } from "../../cpu/control-bits.js";
import type { X86Cpu } from "../../cpu/cpu.js";
import { enter } from "../../cpu/entry.js";
import type { FatalExit } from "../../cpu/exit.js";
import { readFlags } from "../../cpu/rflags.js";
import { activity, CR0, CR4, GPR, Gpr, SEGMENTS, Seg, type SegmentFields } from "../../cpu/state.js";
import { VMCS_REVISION } from "../../cpu/vmx/vmcs.js";
import type { MemoryChoice, OperandChoices } from "../../isa/encode.js";
import { assemble } from "../user-program.js";
import { type BareMachine, createBareMachine } from "./bare-machine.js";

// A processor in 64-bit mode that runs VMX instructions one by one.

export const CODE = 0x10_0000;
export const VMXON_REGION = 0x20_0000;
export const VMCS_REGION = 0x20_1000;
/** Where operands in memory are. */
export const OPERAND = 0x30_0000;
const TABLES = 0x1000;
/** PE, ET, NE and PG; PAE and VMXE. */
const CR0_VMX = 0x8000_0031 | 0;
const CR4_VMX = 0x2020;
const RBX = 3;

/** How an instruction ended. */
export type Outcome = "succeed" | "failInvalid" | "failValid" | { readonly fault: number };

export interface VmxRig extends BareMachine {
  /** Run one instruction; `values` are registers by number. */
  step(name: string, choices?: OperandChoices, values?: Readonly<Record<number, bigint>>): Outcome;
  /** The same with a 64-bit operand in memory. */
  pointing(name: string, value: bigint): Outcome;
  read64(at: number): bigint;
  write64(at: number, value: bigint): void;
  vmread(field: number): bigint;
  vmwrite(field: number, value: bigint): Outcome;
}

/**
 * Processor in 64-bit mode with the tables for the first GiB, not yet in VMX operation. `prepared`: CR0, CR4 and
 * IA32_FEATURE_CONTROL are as that needs them. `walks`: as in `createBareMachine`.
 */
export function createVmxRig(tier: Tier = "cold", prepared = true, walks = true): VmxRig {
  const machine = createBareMachine(tier, walks);
  const { core, cpu, ram } = machine;
  const view = new DataView(ram.buffer, ram.byteOffset, ram.length);
  const write64 = (at: number, value: bigint) => view.setBigUint64(at, BigInt.asUintN(64, value), true);
  const read64 = (at: number) => view.getBigUint64(at, true);
  write64(TABLES, BigInt(TABLES + 0x1007));
  write64(TABLES + 0x1000, 0x87n);
  view.setUint32(VMXON_REGION, VMCS_REVISION, true);
  view.setUint32(VMCS_REGION, VMCS_REVISION, true);
  enter(cpu, { kind: "long", pc: CODE, code: 8, data: 16, pageTable: TABLES });
  if (prepared) allowVmx(cpu);

  const step: VmxRig["step"] = (name, choices = {}, values = {}) => {
    for (const [number, value] of Object.entries(values)) core.setBig(GPR[Number(number)]!, value);
    const code = assemble(name, choices);
    ram.set(code, CODE);
    core.ramWritten(core.ramOffset(CODE), code.length);
    core.setPc(CODE, 0);
    core.exit = null;
    core.run(1);
    const exit = core.exit as FatalExit | null;
    if (exit?.kind === "fatal") {
      core.set(activity, 0, 0);
      return { fault: exit.vector };
    }
    const flags = readFlags(core);
    if ((flags & 1) !== 0) return "failInvalid";
    return (flags & 0x40) !== 0 ? "failValid" : "succeed";
  };
  const at: MemoryChoice = { base: RBX };
  return {
    ...machine,
    step,
    read64,
    write64,
    pointing(name, value) {
      write64(OPERAND, value);
      return step(name, { rm: at }, { [RBX]: BigInt(OPERAND) });
    },
    vmread(field) {
      step("vmread Eq, Gq", { rm: Gpr.rdx, reg: Gpr.rcx }, { [Gpr.rcx]: BigInt(field) });
      return core.big(GPR[Gpr.rdx]!);
    },
    vmwrite: (field, value) =>
      step("vmwrite Gq, Eq", { rm: Gpr.rdx, reg: Gpr.rcx }, { [Gpr.rcx]: BigInt(field), [Gpr.rdx]: value }),
  };
}

/** Put the processor where a hypervisor is before VMXON. */
function allowVmx(cpu: X86Cpu): void {
  const { core } = cpu;
  cpu.msrs.write(0x3a, 5n);
  core.set(CR0, CR0_VMX, 0);
  core.set(CR4, CR4_VMX, 0);
  cpu.reload();
}

/** Run the next instructions with another privilege level. */
export function setPrivilege(cpu: X86Cpu, cpl: number): void {
  for (const number of [Seg.cs, Seg.ss]) {
    const { rights, selector } = SEGMENTS[number] as SegmentFields;
    cpu.core.set(rights, (cpu.core.lo(rights) & ~RIGHTS.dpl) | (cpl << RIGHTS.dplShift), 0);
    cpu.core.set(selector, (cpu.core.lo(selector) & ~3) | cpl, 0);
  }
  cpu.reload();
}
