import { Flag } from "../../isa/flags.js";
import type { X86Cpu } from "../cpu.js";
import { writeStatusFlags } from "../rflags.js";
import { capabilityRange, featureControlRange } from "./capabilities.js";
import { VmcsField } from "./fields.js";
import { Vmcs } from "./vmcs.js";
import { currentVmcs, VmxOperation, vmxOperation, vmxonPointer } from "./vmx-state.js";

/** VM-instruction error numbers: SDM volume 3, 31.4. */
export const VmError = {
  vmcallInRoot: 1,
  vmclearAddress: 2,
  vmclearVmxonPointer: 3,
  vmlaunchNotClear: 4,
  vmresumeNotLaunched: 5,
  entryControls: 7,
  entryHostState: 8,
  vmptrldAddress: 9,
  vmptrldVmxonPointer: 10,
  vmptrldRevision: 11,
  unsupportedField: 12,
  readOnlyField: 13,
  vmxonInRoot: 15,
  entryBlockedByMovSs: 26,
  invalidationOperand: 28,
} as const;

const PRESENT = 1n;

/** Virtual-machine extensions of a processor: SDM volume 3, chapters 24 to 31. */
export class Vmx {
  readonly cpu: X86Cpu;
  /** The VMCS that is current and active. */
  vmcs: Vmcs | undefined;
  /** In VMX operation: `CR0` and `CR4` are bound, and some instructions are looked at. */
  active = false;
  /** In VMX non-root operation. */
  guest = false;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
    cpu.msrs.ranges.push(capabilityRange(cpu), featureControlRange(cpu));
  }

  /** Take what follows from the state's fields anew. */
  derive(): void {
    const { core } = this.cpu;
    const operation = core.lo(vmxOperation);
    this.active = operation !== VmxOperation.none;
    this.guest = operation === VmxOperation.nonRoot;
    const pointer = core.big(currentVmcs);
    this.vmcs = (pointer & PRESENT) !== 0n ? this.at(Number(pointer - PRESENT)) : undefined;
  }

  /** Change between root and non-root operation, or leave VMX operation. */
  setOperation(operation: number): void {
    this.cpu.core.set(vmxOperation, operation, 0);
    this.active = operation !== VmxOperation.none;
    this.guest = operation === VmxOperation.nonRoot;
  }

  /** The region at a physical address; undefined where there is no RAM. */
  at(physical: number): Vmcs | undefined {
    const { core } = this.cpu;
    const offset = core.ramOffset(physical);
    return offset < 0 ? undefined : new Vmcs(core.bytes, offset);
  }

  /** Physical address of the current VMCS; all ones without one. */
  get pointer(): bigint {
    const pointer = this.cpu.core.big(currentVmcs);
    return (pointer & PRESENT) !== 0n ? pointer - PRESENT : (1n << 64n) - 1n;
  }

  /** Make a VMCS the current one, or none. */
  setPointer(physical: bigint | undefined): void {
    this.cpu.core.setBig(currentVmcs, physical === undefined ? 0n : physical | PRESENT);
    this.vmcs = physical === undefined ? undefined : this.at(Number(physical));
  }

  /** Physical address of the VMXON region. */
  get region(): bigint {
    return this.cpu.core.big(vmxonPointer);
  }

  // --- How VMX instructions end (SDM volume 3, 31.2) -----------------------------------------

  succeed(): void {
    writeStatusFlags(this.cpu.core, 0);
  }

  failInvalid(): void {
    writeStatusFlags(this.cpu.core, Flag.CF);
  }

  /** VMfail: with an error number where there is a VMCS to hold it. */
  fail(error: number): void {
    const { vmcs } = this;
    if (vmcs === undefined) return this.failInvalid();
    vmcs.set(VmcsField.INSTRUCTION_ERROR, error);
    writeStatusFlags(this.cpu.core, Flag.ZF);
  }
}
