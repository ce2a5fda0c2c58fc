import { Status } from "@hypercraft/engine";
import { isCanonical } from "./canonical.js";
import { CR0 as CR0_BIT, CR4 as CR4_BIT, IOPL, RFLAG } from "./control-bits.js";
import {
  readControl,
  readDebug,
  requireRing0,
  writeControl,
  writeDebug,
  writeMachineStatus,
} from "./control-registers.js";
import type { X86Cpu } from "./cpu.js";
import { YIELD_EXIT } from "./exit.js";
import { syscall, sysenter, sysexit, sysret } from "./fast-calls.js";
import { Fault, generalProtection, invalidOpcode, Vector } from "./fault.js";
import { Helper, Privileged, SystemRegister } from "./helper-ids.js";
import { releaseInit } from "./init.js";
import { depositBits, divideSigned, divideUnsigned, extractBits } from "./integer-helpers.js";
import { readMxcsr, writeMxcsr } from "./mxcsr.js";
import { checkPort, readPort, writePort } from "./port-access.js";
import { quickProtectedReturn } from "./quick-protected.js";
import { quickReturn } from "./quick-transfers.js";
import { pair, setPair } from "./register-pair.js";
import { readFlags, writeFlagFields } from "./rflags.js";
import { inspectSegment } from "./segment-inspection.js";
import { loadLocalTable, loadSegment, loadTaskRegister } from "./segment-loads.js";
import { settleSimdExceptions } from "./simd-exceptions.js";
import { StackTarget } from "./stack-target.js";
import {
  CR0,
  CR4,
  GDTR,
  GPR,
  Gpr,
  IDTR,
  interruptShadow,
  LDTR,
  pauses,
  RFLAGS,
  SEGMENTS,
  Seg,
  type SegmentFields,
  shadowedAddress,
  TR,
  XCR0,
} from "./state.js";
import { stringRun } from "./string-runs.js";
import { readTimestamp } from "./timestamp.js";
import { farReturn } from "./transfers/far-return.js";
import { interruptReturn } from "./transfers/interrupt-return.js";
import { farCall, farJump } from "./transfers/jump-and-call.js";
import { enterGuest } from "./vmx/entry.js";
import { checkVmxInstruction, executeVmxInstruction } from "./vmx/instructions.js";
import { intercept } from "./vmx/intercepts.js";
import { OPERANDS_SHIFT, VmxInstruction } from "./vmx/vmx-instruction.js";
import { highHalf, lowHalf, wide } from "./wide.js";

const VMX_INSTRUCTION = 15;
/** A lock that is free soon is waited for without a change of processors. */
const PAUSES_PER_TURN = 32;

function setResult(cpu: X86Cpu, value: bigint): typeof Status.next {
  cpu.core.setResult(lowHalf(value), highHalf(value));
  return Status.next;
}

/** What the lifter's calls do (helper-ids.ts). Faults are thrown. */
export function runHelper(
  cpu: X86Cpu,
  id: number,
  constant: number,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
): Status {
  const { core } = cpu;
  if (cpu.vmx.active) {
    const done = intercept(cpu, id, constant, aLo, aHi, bLo);
    if (done !== undefined) return done;
  }
  const size = (constant & 15) as 2 | 4 | 8;
  switch (id) {
    case Helper.undefined:
      throw invalidOpcode();
    case Helper.raise:
      if ((constant & 0xff) === Vector.math) return cpu.floatErrors.upon();
      throw new Fault(constant & 0xff, (constant & 0x100) !== 0 ? constant >> 9 : -1);
    case Helper.stringRun:
      return stringRun(core, constant);
    case Helper.segmentLimit:
      return segmentLimit(cpu, constant, bLo >>> 0);
    case Helper.storeWord:
      return storeWord(cpu, constant, bLo >>> 0, bHi & 0xffff);
    case Helper.popFlags:
      return popFlags(cpu, constant, bLo);
    case Helper.loadMxcsr:
      if ((aLo & ~0xffff) !== 0) throw generalProtection();
      writeMxcsr(core, aLo);
      cpu.modeChanged();
      return Status.next;
    case Helper.storeMxcsr:
      core.setResult(readMxcsr(core), 0);
      return Status.next;
    case Helper.simdExceptions:
      if (!settleSimdExceptions(core, aLo)) return Status.next;
      throw (core.lo(CR4) & CR4_BIT.OSXMMEXCPT) === 0 ? invalidOpcode() : new Fault(Vector.simd);
    case Helper.pause:
      return pause(cpu, constant);
    case Helper.monitor:
      cpu.monitor.monitor(wide(aLo, aHi));
      return Status.next;
    case Helper.mwait:
      return cpu.monitor.wait();
    case Helper.vmxCheck:
      return checkVmxInstruction(cpu, constant as VmxInstruction);
    case Helper.vmx: {
      const instruction = (constant & VMX_INSTRUCTION) as VmxInstruction;
      const operands = constant >> OPERANDS_SHIFT;
      if (instruction === VmxInstruction.vmlaunch) return enterGuest(cpu, true);
      if (instruction === VmxInstruction.vmresume) return enterGuest(cpu, false);
      executeVmxInstruction(cpu, instruction, operands, wide(aLo, aHi), wide(bLo, bHi));
      return instruction === VmxInstruction.vmxoff && releaseInit(cpu) ? Status.redispatch : Status.next;
    }
    case Helper.syscall:
      syscall(cpu);
      return Status.redispatch;
    case Helper.divideWide:
      return divideWide(cpu, constant, wide(bLo, bHi));
    case Helper.skip:
      return cpu.skip(constant);
    case Helper.depositBits:
      return setResult(cpu, depositBits(wide(aLo, aHi), wide(bLo, bHi)));
    case Helper.extractBits:
      return setResult(cpu, extractBits(wide(aLo, aHi), wide(bLo, bHi)));
    case Helper.loadSegment:
      loadSegment(cpu, constant & 7, aLo & 0xffff);
      if (constant === Seg.ss) {
        core.set(interruptShadow, 2, 0);
        // The end of the shadow has to be seen.
        core.requestDispatch();
      }
      return Status.next;
    case Helper.farJump:
      farJump(cpu, aLo & 0xffff, wide(bLo, bHi), size, cpu.currentIp + BigInt(constant >> 4));
      return Status.redispatch;
    case Helper.farCall:
      farCall(cpu, aLo & 0xffff, wide(bLo, bHi), size, cpu.currentIp + BigInt(constant >> 4));
      return Status.redispatch;
    case Helper.farReturn:
      farReturn(cpu, size, aLo & 0xffff);
      return Status.redispatch;
    case Helper.interruptReturn:
      returnFromInterrupt(cpu, size, constant >> 4);
      return Status.redispatch;
    case Helper.softwareInterrupt:
      return softwareInterrupt(cpu, constant);
    case Helper.writeSystem:
      return writeSystem(cpu, constant, wide(aLo, aHi), bLo);
    case Helper.readSystem:
      return setResult(cpu, readSystem(cpu, constant));
    case Helper.writeControl:
      writeControl(cpu, constant, wide(aLo, aHi));
      return Status.next;
    case Helper.readControl:
      return setResult(cpu, readControl(cpu, constant));
    case Helper.writeDebug:
      writeDebug(cpu, constant, wide(aLo, aHi));
      return Status.next;
    case Helper.readDebug:
      return setResult(cpu, readDebug(cpu, constant));
    case Helper.readMsr:
      requireRing0(cpu);
      setPair(core, cpu.msrs.read(core.lo(GPR[Gpr.rcx]!) >>> 0));
      return Status.next;
    case Helper.writeMsr:
      requireRing0(cpu);
      cpu.msrs.write(core.lo(GPR[Gpr.rcx]!) >>> 0, pair(core));
      return Status.next;
    case Helper.cpuid:
      return cpuid(cpu);
    case Helper.timestamp:
      return readTimestamp(cpu, constant === 1);
    case Helper.performanceCounter:
      // There are no counters.
      throw generalProtection();
    case Helper.halt:
      return halt(cpu);
    case Helper.interruptFlag:
      return interruptFlag(cpu, constant === 1);
    case Helper.invalidatePage:
      requireRing0(cpu);
      cpu.contexts.dropPage(aLo, aHi);
      return Status.next;
    case Helper.invalidatePcid:
      return invalidatePcid(cpu, aLo, wide(bLo, bHi));
    case Helper.privileged:
      requireRing0(cpu);
      if (constant === Privileged.clearTaskSwitched) {
        core.set(CR0, core.lo(CR0) & ~CR0_BIT.TS, 0);
        cpu.modeChanged();
      }
      return Status.next;
    case Helper.inspectSegment:
      return setResult(cpu, inspectSegment(cpu, constant, aLo & 0xffff));
    case Helper.sysret:
      sysret(cpu, constant);
      return Status.redispatch;
    case Helper.sysenter:
      sysenter(cpu);
      return Status.redispatch;
    case Helper.sysexit:
      sysexit(cpu, constant);
      return Status.redispatch;
    case Helper.xgetbv:
      if ((core.lo(CR4) & CR4_BIT.OSXSAVE) === 0) throw invalidOpcode();
      if (core.lo(GPR[Gpr.rcx]!) !== 0) throw generalProtection();
      setPair(core, core.big(XCR0));
      return Status.next;
    case Helper.xsetbv:
      return setExtendedControl(cpu);
    case Helper.portRead:
      core.setResult(readPort(cpu, aLo & 0xffff, constant as 1 | 2 | 4) | 0, 0);
      return Status.next;
    case Helper.portWrite:
      writePort(
        cpu,
        aLo & 0xffff,
        constant as 1 | 2 | 4,
        bLo & (constant === 4 ? -1 : 2 ** (8 * constant) - 1),
      );
      return Status.next;
    case Helper.portCheck:
      checkPort(cpu, aLo & 0xffff, constant & 7);
      return Status.next;
    case Helper.random:
      return setResult(cpu, cpu.random());
    default: {
      const status = cpu.x87.run(id, constant, aLo, aHi, bLo, bHi);
      if (status === undefined) throw new RangeError(`no helper ${id}`);
      return status;
    }
  }
}

/** IRET unblocks NMIs even where it faults. */
function returnFromInterrupt(cpu: X86Cpu, size: 2 | 4 | 8, length: number): void {
  const { vmx, interrupts } = cpu;
  vmx.unblockedNmi = vmx.unblocksNmi && interrupts.unblockNmi();
  const quick = size === 8 ? quickReturn : size === 4 ? quickProtectedReturn : undefined;
  if (!quick?.(cpu)) interruptReturn(cpu, size, cpu.currentIp + BigInt(length));
  vmx.unblockedNmi = false;
}

function segmentLimit(cpu: X86Cpu, constant: number, offset: number): Status {
  const segment = constant & 7;
  if (cpu.segments.allows(segment, offset, constant >> 4, (constant & 8) !== 0)) return Status.next;
  throw new Fault(segment === Seg.ss ? Vector.stack : Vector.generalProtection, 0);
}

/** A processor that spins gives the rest of its turn away, if there are others. */
function pause(cpu: X86Cpu, length: number): Status {
  const { core } = cpu;
  const count = (core.lo(pauses) + 1) % PAUSES_PER_TURN;
  core.set(pauses, count, 0);
  if (count !== 0 || cpu.cpuid.processors === 1) return Status.next;
  cpu.skip(length);
  core.exit = YIELD_EXIT;
  return Status.exit;
}

function storeWord(cpu: X86Cpu, segment: number, offset: number, value: number): Status {
  const { core, memory } = cpu;
  if (!cpu.segments.allows(segment, offset, 2, true))
    throw new Fault(segment === Seg.ss ? Vector.stack : Vector.generalProtection, 0);
  const linear = (core.lo((SEGMENTS[segment] as SegmentFields).base) + offset) >>> 0;
  memory.write(BigInt(linear), 2, BigInt(value), cpu.cpl === 3);
  return Status.next;
}

/** POPF, the pointer of the stack included. */
function popFlags(cpu: X86Cpu, size: number, value: number): Status {
  const { core } = cpu;
  const flags = readFlags(core);
  let kept = RFLAG.VM | RFLAG.VIF | RFLAG.VIP | RFLAG.RF;
  if (cpu.protectedMode && cpu.cpl > cpu.iopl) kept |= RFLAG.IF;
  if (cpu.cpl !== 0 || cpu.virtual8086) kept |= IOPL;
  if (size === 2) kept |= ~0xffff;
  const stack = StackTarget.current(cpu);
  stack.install(stack.above(size));
  writeFlagFields(core, ((value & ~kept) | (flags & kept)) & ~RFLAG.RF);
  cpu.modeChanged();
  cpu.interrupts.refresh();
  // 9D, or 66 9D.
  const plain = cpu.bits64 ? 8 : cpu.codeSize / 8;
  return cpu.skip(size === plain ? 1 : 2);
}

function divideWide(cpu: X86Cpu, constant: number, divisor: bigint): Status {
  const { core } = cpu;
  const divide = (constant & 0x100) !== 0 ? divideSigned : divideUnsigned;
  const result = divide(core.big(GPR[Gpr.rdx]!), core.big(GPR[Gpr.rax]!), divisor);
  if (result === undefined) throw new Fault(Vector.divide);
  core.setBig(GPR[Gpr.rax]!, result.quotient);
  core.setBig(GPR[Gpr.rdx]!, result.remainder);
  return cpu.skip(constant & 0xff);
}

function softwareInterrupt(cpu: X86Cpu, constant: number): Status {
  const vector = constant & 0xff;
  const next = cpu.currentIp + BigInt((constant >> 8) & 0xff);
  const exception = (constant & 0x1_0000) !== 0;
  // INT n in virtual-8086 mode asks IOPL; INT3 and INTO do not.
  const byNumber = (constant & 0x2_0000) !== 0;
  if (byNumber && cpu.virtual8086 && cpu.iopl !== 3) throw generalProtection();
  return cpu.exceptions.deliver(vector, exception ? "exception" : "software", -1, next);
}

function writeSystem(cpu: X86Cpu, which: number, value: bigint, limit: number): Status {
  const { core } = cpu;
  if (which === SystemRegister.localTable || which === SystemRegister.task) {
    if (!cpu.protectedMode || cpu.virtual8086) throw invalidOpcode();
    requireRing0(cpu);
    if (which === SystemRegister.task) loadTaskRegister(cpu, Number(value & 0xffffn));
    else loadLocalTable(cpu, Number(value & 0xffffn));
    return Status.next;
  }
  requireRing0(cpu);
  if (which === SystemRegister.machineStatus) {
    writeMachineStatus(cpu, Number(value & 0xffffn));
    return Status.next;
  }
  if (cpu.bits64 && !isCanonical(value)) throw generalProtection();
  const table = which === SystemRegister.gdtBase ? GDTR : IDTR;
  core.setBig(table.base, value);
  core.set(table.limit, limit & 0xffff, 0);
  return Status.next;
}

function readSystem(cpu: X86Cpu, which: number): bigint {
  const { core } = cpu;
  // User-mode instruction prevention.
  if ((core.lo(CR4) & CR4_BIT.UMIP) !== 0 && cpu.cpl !== 0) throw generalProtection();
  switch (which) {
    case SystemRegister.gdtBase:
      return core.big(GDTR.base);
    case SystemRegister.gdtLimit:
      return core.big(GDTR.limit);
    case SystemRegister.idtBase:
      return core.big(IDTR.base);
    case SystemRegister.idtLimit:
      return core.big(IDTR.limit);
    case SystemRegister.machineStatus:
      return core.big(CR0);
    default:
      if (!cpu.protectedMode || cpu.virtual8086) throw invalidOpcode();
      return core.big((which === SystemRegister.task ? TR : LDTR).selector);
  }
}

function cpuid(cpu: X86Cpu): Status {
  const { core } = cpu;
  const [eax, ebx, ecx, edx] = cpu.cpuid.leaf(core.lo(GPR[Gpr.rax]!), core.lo(GPR[Gpr.rcx]!));
  for (const [register, value] of [
    [Gpr.rax, eax],
    [Gpr.rbx, ebx],
    [Gpr.rcx, ecx],
    [Gpr.rdx, edx],
  ] as const)
    core.set(GPR[register]!, value | 0, 0);
  return Status.next;
}

function halt(cpu: X86Cpu): Status {
  const { core } = cpu;
  requireRing0(cpu);
  cpu.skip(1);
  // What STI held back was held back for this instruction.
  core.set(interruptShadow, 0, 0);
  // A step ends it, too.
  return cpu.interrupts.wait((core.lo(RFLAGS) & RFLAG.TF) !== 0);
}

/** CLI and STI of one byte each. */
function interruptFlag(cpu: X86Cpu, set: boolean): Status {
  const { core } = cpu;
  if (cpu.protectedMode && cpu.cpl > cpu.iopl) throw generalProtection();
  const flags = core.lo(RFLAGS);
  if (set && (flags & RFLAG.IF) === 0) {
    core.set(interruptShadow, 1, 0);
    core.set(shadowedAddress, (core.pcLo() + 1) | 0, 0);
  }
  core.set(RFLAGS, set ? flags | RFLAG.IF : flags & ~RFLAG.IF, 0);
  return Status.next;
}

function invalidatePcid(cpu: X86Cpu, type: number, at: bigint): Status {
  const { core, memory, contexts } = cpu;
  requireRing0(cpu);
  const pcid = memory.read(at, 8);
  const address = memory.read(at + 8n, 8);
  if (type < 0 || type > 3 || pcid >> 12n !== 0n) throw generalProtection();
  const pcids = (core.lo(CR4) & CR4_BIT.PCIDE) !== 0;
  if (type < 2 && !pcids && pcid !== 0n) throw generalProtection();
  if (type === 0) {
    if (!isCanonical(address)) throw generalProtection();
    contexts.dropPage(lowHalf(address), highHalf(address));
  } else if (type === 1) contexts.dropPcid(Number(pcid));
  else contexts.dropAll();
  return Status.next;
}

function setExtendedControl(cpu: X86Cpu): Status {
  const { core } = cpu;
  if ((core.lo(CR4) & CR4_BIT.OSXSAVE) === 0) throw invalidOpcode();
  requireRing0(cpu);
  cpu.setExtendedControl(core.lo(GPR[Gpr.rcx]!), pair(core));
  return Status.next;
}
