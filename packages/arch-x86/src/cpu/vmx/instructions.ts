import { Status } from "@hypercraft/engine";
import { isCanonical } from "../canonical.js";
import { CR4 as CR4_BIT } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { generalProtection, invalidOpcode } from "../fault.js";
import { PHYSICAL_BITS } from "../paging-entry.js";
import { CR0, CR4, GPR } from "../state.js";
import { highHalf, lowHalf } from "../wide.js";
import { CR0_FIXED0, FeatureControl } from "./capabilities.js";
import { currentInstruction } from "./current-instruction.js";
import { isEptPointer } from "./ept-pointer.js";
import { cr4Fits, fitsFixed } from "./fixed-bits.js";
import { displacementOf, operandInformation } from "./instruction-information.js";
import { accessedVmcs, isShadowed } from "./shadow-vmcs.js";
import { type ExitDetails, ExitReason, VmExit } from "./vm-exit.js";
import { checkVmFunction, vmFunction } from "./vm-functions.js";
import { SHADOW, VMCS_REVISION, Vmcs } from "./vmcs.js";
import { VmError } from "./vmx.js";
import { REGISTER_FORM, VmxInstruction } from "./vmx-instruction.js";
import { FEATURE_CONTROL, VmxOperation, vmxonPointer } from "./vmx-state.js";

// The instructions of VMX: SDM volume 3, chapter 31.

/** Basic exit reasons of the instructions in a guest. */
const REASONS: Readonly<Record<number, ExitReason>> = {
  [VmxInstruction.vmcall]: ExitReason.vmcall,
  [VmxInstruction.vmclear]: ExitReason.vmclear,
  [VmxInstruction.vmlaunch]: ExitReason.vmlaunch,
  [VmxInstruction.vmptrld]: ExitReason.vmptrld,
  [VmxInstruction.vmptrst]: ExitReason.vmptrst,
  [VmxInstruction.vmread]: ExitReason.vmread,
  [VmxInstruction.vmresume]: ExitReason.vmresume,
  [VmxInstruction.vmwrite]: ExitReason.vmwrite,
  [VmxInstruction.vmxoff]: ExitReason.vmxoff,
  [VmxInstruction.vmxon]: ExitReason.vmxon,
  [VmxInstruction.invept]: ExitReason.invept,
  [VmxInstruction.invvpid]: ExitReason.invvpid,
};

const MODE_ERROR = (cpu: X86Cpu): boolean =>
  !cpu.protectedMode || cpu.virtual8086 || (cpu.longMode && !cpu.bits64);

/** Before the operands of a VMX instruction are looked at: #UD, an exit, #GP. */
export function checkVmxInstruction(cpu: X86Cpu, instruction: VmxInstruction): Status {
  const { vmx, core } = cpu;
  const { vmxon, vmcall, vmfunc } = VmxInstruction;
  if (instruction === vmfunc) {
    checkVmFunction(cpu);
    return Status.next;
  }
  if (instruction === vmxon ? (core.lo(CR4) & CR4_BIT.VMXE) === 0 : !vmx.active) throw invalidOpcode();
  // VMCALL asks nothing more before it leaves a guest.
  if (!(vmx.guest && instruction === vmcall) && MODE_ERROR(cpu)) throw invalidOpcode();
  if (vmx.guest && !isShadowed(cpu, instruction))
    return vmx.leave(
      new VmExit(REASONS[instruction] as ExitReason, exitDetails(cpu, instruction)),
      cpu.currentIp,
    );
  if (cpu.cpl !== 0) throw generalProtection();
  if (instruction === vmxon && !vmx.active) checkVmxon(cpu);
  return Status.next;
}

function exitDetails(cpu: X86Cpu, instruction: VmxInstruction): ExitDetails {
  const d = currentInstruction(cpu);
  const { length } = d;
  switch (instruction) {
    case VmxInstruction.vmcall:
    case VmxInstruction.vmlaunch:
    case VmxInstruction.vmresume:
    case VmxInstruction.vmxoff:
      return { length };
    default:
      return { length, qualification: displacementOf(cpu, d), information: operandInformation(d, d.reg) };
  }
}

/** CR0, CR4 and A20M# have to be as VMX operation needs them, and the firmware has to allow it. */
function checkVmxon(cpu: X86Cpu): void {
  const { core } = cpu;
  const allowed = FeatureControl.locked | FeatureControl.vmxOutsideSmx;
  const fixed = fitsFixed(core.lo(CR0), CR0_FIXED0, -1) && cr4Fits(core.lo(CR4));
  if (!fixed || cpu.line20.masked || (core.lo(FEATURE_CONTROL) & allowed) !== allowed)
    throw generalProtection();
}

/** Aligned, and no wider than physical addresses are. */
function isRegionAddress(address: bigint): boolean {
  return (address & 0xfffn) === 0n && address >> BigInt(PHYSICAL_BITS) === 0n;
}

/** Carry a VMX instruction out that `checkVmxInstruction` let through; not VMLAUNCH and VMRESUME. */
export function executeVmxInstruction(
  cpu: X86Cpu,
  instruction: VmxInstruction,
  operands: number,
  a: bigint,
  b: bigint,
): void {
  const { vmx, memory } = cpu;
  switch (instruction) {
    case VmxInstruction.vmxon:
      return vmxon(cpu, memory.read(a, 8));
    case VmxInstruction.vmxoff:
      return vmxoff(cpu);
    case VmxInstruction.vmclear:
      return vmclear(cpu, memory.read(a, 8));
    case VmxInstruction.vmptrld:
      return vmptrld(cpu, memory.read(a, 8));
    case VmxInstruction.vmptrst:
      memory.write(a, 8, vmx.pointer);
      return vmx.succeed();
    case VmxInstruction.vmread:
      return vmread(cpu, operands, a, b);
    case VmxInstruction.vmwrite:
      return vmwrite(cpu, operands, a, b);
    case VmxInstruction.invept:
      return invept(cpu, a, b);
    case VmxInstruction.invvpid:
      return invvpid(cpu, a, b);
    case VmxInstruction.vmfunc:
      return vmFunction(cpu);
    default:
      return vmx.fail(VmError.vmcallInRoot);
  }
}

/** With the address of the region, that the operand in memory holds. */
export function vmxon(cpu: X86Cpu, address: bigint): void {
  const { vmx, core } = cpu;
  if (vmx.active) return vmx.fail(VmError.vmxonInRoot);
  if (!isRegionAddress(address) || vmx.at(Number(address))?.revision !== VMCS_REVISION)
    return vmx.failInvalid();
  core.setBig(vmxonPointer, address);
  vmx.setPointer(undefined);
  vmx.setOperation(VmxOperation.root);
  vmx.succeed();
}

export function vmxoff({ vmx }: X86Cpu): void {
  vmx.setOperation(VmxOperation.none);
  vmx.setPointer(undefined);
  vmx.succeed();
}

/** With the address of the region, that the operand in memory holds. */
export function vmclear(cpu: X86Cpu, address: bigint): void {
  const { vmx } = cpu;
  if (!isRegionAddress(address)) return vmx.fail(VmError.vmclearAddress);
  if (address === vmx.region) return vmx.fail(VmError.vmclearVmxonPointer);
  const vmcs = vmx.at(Number(address));
  if (vmcs !== undefined) vmcs.launched = false;
  if (address === vmx.pointer) vmx.setPointer(undefined);
  vmx.succeed();
}

/** With the address of the region, that the operand in memory holds. */
export function vmptrld(cpu: X86Cpu, address: bigint): void {
  const { vmx } = cpu;
  if (!isRegionAddress(address)) return vmx.fail(VmError.vmptrldAddress);
  if (address === vmx.region) return vmx.fail(VmError.vmptrldVmxonPointer);
  const revision = vmx.at(Number(address))?.revision ?? 0;
  if ((revision & ~SHADOW) !== VMCS_REVISION) return vmx.fail(VmError.vmptrldRevision);
  vmx.setPointer(address);
  vmx.succeed();
}

const operandSize = (cpu: X86Cpu): number => (cpu.bits64 ? 8 : 4);
const operandValue = (cpu: X86Cpu, value: bigint): bigint => (cpu.bits64 ? value : value & 0xffff_ffffn);
const registerOf = (operands: number) => GPR[operands & 15] as (typeof GPR)[number];

/** The encoding in a register names a field. */
function fieldNumber(cpu: X86Cpu, encoding: bigint): number {
  const value = operandValue(cpu, encoding);
  return value >> 32n === 0n && Vmcs.has(Number(value)) ? Number(value) : -1;
}

/** `a`: where the value goes, if that is not a register; `b`: the field. */
function vmread(cpu: X86Cpu, operands: number, a: bigint, b: bigint): void {
  const { vmx, core } = cpu;
  const vmcs = accessedVmcs(cpu);
  if (vmcs === undefined) return vmx.failInvalid();
  const field = fieldNumber(cpu, b);
  if (field < 0) return vmx.fail(VmError.unsupportedField);
  const value = operandValue(cpu, vmcs.read(field));
  if ((operands & REGISTER_FORM) !== 0) core.setBig(registerOf(operands), value);
  else cpu.memory.write(a, operandSize(cpu), value);
  vmx.succeed();
}

/** `a`: where the value is, or the value itself; `b`: the field. */
function vmwrite(cpu: X86Cpu, operands: number, a: bigint, b: bigint): void {
  const { vmx } = cpu;
  const vmcs = accessedVmcs(cpu);
  if (vmcs === undefined) return vmx.failInvalid();
  const value = (operands & REGISTER_FORM) !== 0 ? a : cpu.memory.read(a, operandSize(cpu));
  const field = fieldNumber(cpu, b);
  if (field < 0) return vmx.fail(VmError.unsupportedField);
  vmcs.write(field, operandValue(cpu, value));
  vmx.succeed();
}

/** Types of INVEPT. */
const INVEPT_SINGLE = 1n;
const INVEPT_ALL = 2n;

/** `a`: the type; `b`: where the descriptor is. */
function invept(cpu: X86Cpu, a: bigint, b: bigint): void {
  const { vmx, memory } = cpu;
  const type = operandValue(cpu, a);
  if (type !== INVEPT_SINGLE && type !== INVEPT_ALL) return vmx.fail(VmError.invalidationOperand);
  const eptp = memory.read(b, 8);
  if (type === INVEPT_SINGLE && !isEptPointer(eptp)) return vmx.fail(VmError.invalidationOperand);
  const root = Number(eptp & ~0xfffn);
  vmx.guestPages.forget();
  cpu.contexts.dropSecondStage((other) => type === INVEPT_ALL || other === root);
  vmx.succeed();
}

/** Types of INVVPID: 0 an address, 1 a VPID, 2 all VPIDs, 3 a VPID but for global translations, which are forgotten, too. */
function invvpid(cpu: X86Cpu, a: bigint, b: bigint): void {
  const { vmx, memory } = cpu;
  const type = operandValue(cpu, a);
  if (type > 3n) return vmx.fail(VmError.invalidationOperand);
  const [low, address] = [memory.read(b, 8), memory.read(b + 8n, 8)];
  const vpid = low & 0xffffn;
  const wrong = low >> 16n !== 0n || (type !== 2n && vpid === 0n);
  if (wrong || (type === 0n && !isCanonical(address))) return vmx.fail(VmError.invalidationOperand);
  if (type === 0n) cpu.contexts.dropPage(lowHalf(address), highHalf(address));
  else if (type === 2n) cpu.contexts.dropVpids();
  else cpu.contexts.dropVpid(Number(vpid));
  vmx.succeed();
}
