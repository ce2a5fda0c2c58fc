import { Status } from "@hypercraft/engine";
import { CR0 as CR0_BIT, CR4 as CR4_BIT } from "../control-bits.js";
import { debugNumber, requireRing0 } from "../control-registers.js";
import type { X86Cpu } from "../cpu.js";
import { invalidOpcode } from "../fault.js";
import { Helper, Privileged, SystemRegister } from "../helper-ids.js";
import { pair, setPair } from "../register-pair.js";
import { CR4, GPR, Gpr } from "../state.js";
import { lowHalf, wide } from "../wide.js";
import { readVirtual, writeVirtual } from "./apic/x2apic.js";
import {
  CONTROL_CR0,
  CrAccess,
  controlRead,
  controlWrite,
  lmsw,
  movDr,
  shadowed,
} from "./control-intercepts.js";
import { Primary, Secondary } from "./controls.js";
import { currentInstruction, leaveFor } from "./current-instruction.js";
import { VmcsField as F } from "./fields.js";
import { guestTimestamp } from "./guest-timestamp.js";
import { displacementOf, operandInformation } from "./instruction-information.js";
import { interceptPort } from "./io-intercept.js";
import { EventType, ExitReason, eventInformation, VmExit } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";

// Instructions that VMX operation looks at: SDM volume 3, 26.1 and 26.3. Faults for want of privilege come first.

const TSC = 0x10;

/** What a helper does differently in VMX operation. Undefined: nothing. Throws faults and exits. */
export function intercept(
  cpu: X86Cpu,
  id: number,
  constant: number,
  aLo: number,
  aHi: number,
  bLo: number,
): Status | undefined {
  const { vmcs, guest } = cpu.vmx;
  if (id === Helper.writeControl) return controlWrite(cpu, constant, wide(aLo, aHi));
  if (id === Helper.writeSystem && constant === SystemRegister.machineStatus) return lmsw(cpu, aLo & 0xffff);
  if (!guest || vmcs === undefined) return undefined;
  const primary = vmcs.processorControls;
  const exits = (control: number) => (primary & control) !== 0;
  switch (id) {
    case Helper.cpuid:
      return leaveFor(cpu, ExitReason.cpuid);
    case Helper.halt:
      requireRing0(cpu);
      return exits(Primary.hltExiting) ? leaveFor(cpu, ExitReason.hlt) : undefined;
    case Helper.monitor:
    case Helper.mwait: {
      if (cpu.cpl !== 0) throw invalidOpcode();
      const waits = id === Helper.mwait;
      if (!exits(waits ? Primary.mwaitExiting : Primary.monitorExiting)) return undefined;
      if (!waits) return leaveFor(cpu, ExitReason.monitor);
      return leaveFor(cpu, ExitReason.mwait, cpu.monitor.armed ? 1n : 0n);
    }
    case Helper.pause:
      return exits(Primary.pauseExiting) || cpu.vmx.pauseLoop.exits(vmcs)
        ? leaveFor(cpu, ExitReason.pause)
        : undefined;
    case Helper.random:
      return random(cpu);
    case Helper.privileged:
      return privileged(cpu, vmcs, constant);
    case Helper.invalidatePage:
      requireRing0(cpu);
      return exits(Primary.invlpgExiting) ? leaveFor(cpu, ExitReason.invlpg, wide(aLo, aHi)) : undefined;
    case Helper.invalidatePcid:
      if (!cpu.vmx.hasSecondary(Secondary.invpcid)) throw invalidOpcode();
      requireRing0(cpu);
      return exits(Primary.invlpgExiting) ? withOperand(cpu, ExitReason.invpcid) : undefined;
    case Helper.performanceCounter:
      if ((cpu.core.lo(CR4) & CR4_BIT.PCE) === 0) requireRing0(cpu);
      return exits(Primary.rdpmcExiting) ? leaveFor(cpu, ExitReason.rdpmc) : undefined;
    case Helper.readMsr:
    case Helper.writeMsr:
      return accessMsr(cpu, vmcs, id === Helper.writeMsr);
    case Helper.readControl:
      return controlRead(cpu, vmcs, constant);
    case Helper.readDebug:
    case Helper.writeDebug:
      debugNumber(cpu, constant);
      if (exits(Primary.movDrExiting)) movDr(cpu, constant, id === Helper.readDebug);
      return undefined;
    case Helper.portRead:
    case Helper.portWrite:
      if (cpu.core.hasAnswer) return answeredPort(cpu, id === Helper.portRead);
      // What OUTS had to ask a device for.
      if (cpu.vm && id === Helper.portWrite) cpu.vmx.asked = { size: constant as 1 | 2 | 4, lo: bLo, hi: 0 };
      return interceptPort(cpu, vmcs, aLo & 0xffff, constant, id === Helper.portRead);
    case Helper.portCheck:
      if (cpu.core.hasAnswer) return undefined;
      return interceptPort(cpu, vmcs, aLo & 0xffff, constant & 7, (constant & 8) !== 0);
    case Helper.readSystem:
    case Helper.writeSystem:
      return system(cpu, vmcs, constant, id === Helper.writeSystem);
    case Helper.xsetbv:
      if ((cpu.core.lo(CR4) & CR4_BIT.OSXSAVE) === 0) throw invalidOpcode();
      requireRing0(cpu);
      return leaveFor(cpu, ExitReason.xsetbv);
    case Helper.softwareInterrupt:
      return softwareInterrupt(cpu, constant);
    default:
      return undefined;
  }
}

/** The hypervisor has carried the access out: INS and OUTS execute again with what it found. */
function answeredPort({ core }: X86Cpu, input: boolean): typeof Status.next {
  core.takeAnswer();
  if (input) core.setResult(core.answerLo, 0);
  return Status.next;
}

function privileged(cpu: X86Cpu, vmcs: Vmcs, which: number): Status | undefined {
  requireRing0(cpu);
  if (which === Privileged.clearTaskSwitched) {
    if ((vmcs.get(F.CR0_MASK) & CR0_BIT.TS) === 0) return undefined;
    if ((vmcs.get(F.CR0_SHADOW) & CR0_BIT.TS) !== 0)
      return leaveFor(cpu, ExitReason.controlRegister, BigInt(CrAccess.clts << 4));
    return Status.next;
  }
  const { opcode, length } = currentInstruction(cpu);
  if (opcode === 0x08) throw new VmExit(ExitReason.invd, { length });
  if (cpu.vmx.hasSecondary(Secondary.wbinvdExiting)) throw new VmExit(ExitReason.wbinvd, { length });
  return undefined;
}

const RDSEED = 7;

/** RDRAND and RDSEED tell of their register and its size. */
function random(cpu: X86Cpu): undefined {
  const { vmx } = cpu;
  if (!vmx.hasSecondary(Secondary.rdrandExiting | Secondary.rdseedExiting)) return undefined;
  const d = currentInstruction(cpu);
  const seed = (d.reg & 7) === RDSEED;
  if (!vmx.hasSecondary(seed ? Secondary.rdseedExiting : Secondary.rdrandExiting)) return undefined;
  const information = (d.rm << 3) | ((d.operandSize >> 2) << 11);
  throw new VmExit(seed ? ExitReason.rdseed : ExitReason.rdrand, { length: d.length, information });
}

/** An exit of an instruction with an operand in memory and a register. */
function withOperand(cpu: X86Cpu, reason: ExitReason): never {
  const d = currentInstruction(cpu);
  const { length } = d;
  throw new VmExit(reason, {
    length,
    qualification: displacementOf(cpu, d),
    information: operandInformation(d, d.reg),
  });
}

function giveMsr({ core }: X86Cpu, value: bigint): typeof Status.next {
  setPair(core, value);
  return Status.next;
}

const HIGH_MSRS = 0xc000_0000;
const BITMAP_MSRS = 0x2000;

function accessMsr(cpu: X86Cpu, vmcs: Vmcs, write: boolean): Status | undefined {
  requireRing0(cpu);
  const number = cpu.core.lo(GPR[Gpr.rcx]!) >>> 0;
  if (msrExits(cpu, vmcs, number, write)) return leaveFor(cpu, write ? ExitReason.wrmsr : ExitReason.rdmsr);
  if (!write && number === TSC) return giveMsr(cpu, guestTimestamp(cpu, vmcs));
  return cpu.vmx.hasSecondary(Secondary.virtualizeX2apicMode) ? accessVirtual(cpu, number, write) : undefined;
}

/** The registers of x2APIC mode are those of the virtual-APIC page. */
function accessVirtual(cpu: X86Cpu, number: number, write: boolean): Status | undefined {
  const { core, vmx } = cpu;
  if (!write) {
    const value = readVirtual(vmx.apic, number, vmx.hasSecondary(Secondary.apicRegisterVirtualization));
    return value === undefined ? undefined : giveMsr(cpu, value);
  }
  const exit = writeVirtual(vmx.apic, number, pair(core));
  if (exit === false) return undefined;
  vmx.leaveAfter(exit);
  return Status.next;
}

/** Without bitmaps every access exits; with them those that they say, and all outside their two ranges. */
function msrExits(cpu: X86Cpu, vmcs: Vmcs, number: number, write: boolean): boolean {
  if ((vmcs.processorControls & Primary.msrBitmaps) === 0) return true;
  const high = number >= HIGH_MSRS;
  const index = high ? number - HIGH_MSRS : number;
  if (index >= BITMAP_MSRS) return true;
  const at = Number(vmcs.read(F.MSR_BITMAP)) + (high ? 1024 : 0) + (write ? 2048 : 0) + (index >> 3);
  return ((Number(cpu.memory.readPhysical(at, 1)) >> (index & 7)) & 1) !== 0;
}

// --- The rest --------------------------------------------------------------------------------------

/** What 46 and 47 call the instructions, in bits 29:28 of the information; bit 1: they load. */
const TABLES: readonly number[] = [SystemRegister.gdtBase, SystemRegister.gdtLimit];

function system(cpu: X86Cpu, vmcs: Vmcs, which: number, load: boolean): Status | undefined {
  if (which === SystemRegister.machineStatus) {
    if ((cpu.core.lo(CR4) & CR4_BIT.UMIP) !== 0) requireRing0(cpu);
    const value = shadowed(cpu, vmcs, CONTROL_CR0);
    cpu.core.setResult(lowHalf(value), 0);
    return Status.next;
  }
  const segment = which === SystemRegister.localTable || which === SystemRegister.task;
  if (!cpu.vmx.hasSecondary(Secondary.descriptorTableExiting)) return undefined;
  if (segment && (!cpu.protectedMode || cpu.virtual8086)) throw invalidOpcode();
  if (load || (cpu.core.lo(CR4) & CR4_BIT.UMIP) !== 0) requireRing0(cpu);
  const d = currentInstruction(cpu);
  const second = segment ? which === SystemRegister.task : !TABLES.includes(which);
  const identity = (load ? 2 : 0) | (second ? 1 : 0);
  const size = !segment && d.operandSize > 2 ? 1 << 11 : 0;
  throw new VmExit(segment ? ExitReason.ldtrOrTr : ExitReason.gdtrOrIdtr, {
    length: d.length,
    qualification: displacementOf(cpu, d),
    information: operandInformation(d, identity) | size,
  });
}

const BY_NUMBER = 0x2_0000;
const INT1 = 0x1_0000;

/** INT3, INTO and INT1 are exceptions for the exception bitmap; INT n is not. */
function softwareInterrupt(cpu: X86Cpu, constant: number): undefined {
  const vector = constant & 0xff;
  const length = (constant >> 8) & 0xff;
  const type =
    (constant & INT1) !== 0
      ? EventType.privilegedSoftwareException
      : (constant & BY_NUMBER) !== 0
        ? EventType.softwareInterrupt
        : EventType.softwareException;
  cpu.vmx.softwareEvent = { type, length };
  if (type === EventType.softwareInterrupt || !cpu.vmx.intercepts(vector, -1)) return undefined;
  throw new VmExit(ExitReason.exceptionOrNmi, { length, event: eventInformation(vector, type, -1) });
}
