import { Status } from "@hypercraft/engine";
import { CR0 as CR0_BIT } from "../control-bits.js";
import { requireRing0, writeControl, writeMachineStatus } from "../control-registers.js";
import type { X86Cpu } from "../cpu.js";
import { generalProtection } from "../fault.js";
import { CR0, CR4 } from "../state.js";
import { highHalf, lowHalf } from "../wide.js";
import { Primary, Secondary } from "./controls.js";
import { currentInstruction } from "./current-instruction.js";
import { VmcsField as F } from "./fields.js";
import { cr0Fits, cr4Fits } from "./fixed-bits.js";
import { ExitReason, VmExit } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";

// Accesses to control and debug registers in VMX operation: SDM volume 3, 24.8, 26.1.3 and 26.3.

export const CONTROL_CR0 = 0;
const CONTROL_CR3 = 3;
const CONTROL_CR4 = 4;
const CONTROL_CR8 = 8;
/** Kinds of control-register accesses in a qualification. */
export const CrAccess = { to: 0, from: 1, clts: 2, lmsw: 3 } as const;

function movControl(cpu: X86Cpu, number: number, access: number): never {
  const d = currentInstruction(cpu);
  const qualification = BigInt(number | (access << 4) | (d.rm << 8));
  throw new VmExit(ExitReason.controlRegister, { length: d.length, qualification });
}

/** Leave by a move from or to a debug register. */
export function movDr(cpu: X86Cpu, number: number, from: boolean): never {
  const d = currentInstruction(cpu);
  const qualification = BigInt(number | (from ? 16 : 0) | (d.rm << 8));
  throw new VmExit(ExitReason.movDr, { length: d.length, qualification });
}

/** Before a control register is read. */
export function controlRead(cpu: X86Cpu, vmcs: Vmcs, number: number): Status | undefined {
  requireRing0(cpu);
  const primary = vmcs.get(F.PROCESSOR_CONTROLS);
  if (number === CONTROL_CR3 && (primary & Primary.cr3StoreExiting) !== 0)
    movControl(cpu, number, CrAccess.from);
  if (number === CONTROL_CR8 && (primary & Primary.cr8StoreExiting) !== 0)
    movControl(cpu, number, CrAccess.from);
  const { page, taskPriority } = cpu.vmx.apic;
  if (number === CONTROL_CR8 && page !== undefined) {
    cpu.core.setResult(taskPriority >> 4, 0);
    return Status.next;
  }
  if (number !== CONTROL_CR0 && number !== CONTROL_CR4) return undefined;
  const value = shadowed(cpu, vmcs, number);
  cpu.core.setResult(lowHalf(value), highHalf(value));
  return Status.next;
}

/** CR0 or CR4 as the guest reads it: bits in the mask are the shadow's. */
export function shadowed(cpu: X86Cpu, vmcs: Vmcs, number: number): bigint {
  const cr4 = number === CONTROL_CR4;
  const mask = vmcs.read(cr4 ? F.CR4_MASK : F.CR0_MASK);
  const shadow = vmcs.read(cr4 ? F.CR4_SHADOW : F.CR0_SHADOW);
  return (cpu.core.big(cr4 ? CR4 : CR0) & ~mask) | (shadow & mask);
}

/** MOV to a control register. Undefined: as without VMX. */
export function controlWrite(cpu: X86Cpu, number: number, value: bigint): Status | undefined {
  requireRing0(cpu);
  const { vmcs, guest } = cpu.vmx;
  if (guest && vmcs !== undefined) {
    const primary = vmcs.get(F.PROCESSOR_CONTROLS);
    if (number === CONTROL_CR8 && (primary & Primary.cr8LoadExiting) !== 0)
      movControl(cpu, number, CrAccess.to);
    if (number === CONTROL_CR3 && (primary & Primary.cr3LoadExiting) !== 0 && !isCr3Target(vmcs, value))
      movControl(cpu, number, CrAccess.to);
    if (number === CONTROL_CR8 && cpu.vmx.apic.page !== undefined) return writeShadow(cpu, value);
  }
  if (number !== CONTROL_CR0 && number !== CONTROL_CR4) return undefined;
  let taken = value;
  if (guest && vmcs !== undefined) {
    const cr4 = number === CONTROL_CR4;
    const mask = vmcs.read(cr4 ? F.CR4_MASK : F.CR0_MASK);
    const shadow = vmcs.read(cr4 ? F.CR4_SHADOW : F.CR0_SHADOW);
    if (((value ^ shadow) & mask) !== 0n) movControl(cpu, number, CrAccess.to);
    taken = (value & ~mask) | (cpu.core.big(cr4 ? CR4 : CR0) & mask);
  }
  requireFixed(cpu, number, lowHalf(taken));
  writeControl(cpu, number, taken);
  return Status.next;
}

/** CR8 is the virtual APIC's task priority. */
function writeShadow({ vmx }: X86Cpu, value: bigint): Status {
  if (value >> 4n !== 0n) throw generalProtection();
  vmx.leaveAfter(vmx.apic.writeTaskPriority(Number(value) << 4));
  return Status.next;
}

/** VMX operation binds some bits of CR0 and CR4 (24.8). */
function requireFixed(cpu: X86Cpu, number: number, value: number): void {
  const unrestricted = cpu.vmx.guest && cpu.vmx.hasSecondary(Secondary.unrestrictedGuest);
  const fits = number === CONTROL_CR0 ? cr0Fits(value, unrestricted) : cr4Fits(value);
  if (!fits) throw generalProtection();
}

function isCr3Target(vmcs: Vmcs, value: bigint): boolean {
  for (let i = 0; i < vmcs.get(F.CR3_TARGET_COUNT); i++)
    if (vmcs.read(F.CR3_TARGET0 + 2 * i) === value) return true;
  return false;
}

/** LMSW: PE can only be set by it. */
export function lmsw(cpu: X86Cpu, value: number): Status {
  requireRing0(cpu);
  const { vmcs, guest } = cpu.vmx;
  const old = cpu.core.lo(CR0);
  let taken = value;
  if (guest && vmcs !== undefined) {
    const [mask, shadow] = [vmcs.get(F.CR0_MASK), vmcs.get(F.CR0_SHADOW)];
    const others = ((value ^ shadow) & mask & 14) !== 0;
    if (others || (value & ~shadow & mask & CR0_BIT.PE) !== 0) leaveByLmsw(cpu, value);
    taken = (value & ~mask) | (old & mask);
  }
  const low = (taken & 15) | (old & CR0_BIT.PE);
  requireFixed(cpu, CONTROL_CR0, (old & ~15) | low);
  writeMachineStatus(cpu, low);
  return Status.next;
}

function leaveByLmsw(cpu: X86Cpu, value: number): never {
  const d = currentInstruction(cpu);
  const inMemory = d.mod === 3 ? 0n : 0x40n;
  throw new VmExit(ExitReason.controlRegister, {
    length: d.length,
    qualification: (BigInt(value) << 16n) | BigInt(CrAccess.lmsw << 4) | inMemory,
  });
}
