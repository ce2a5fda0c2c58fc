import { Status } from "@hypercraft/engine";
import { DAIF, HCR, SCTLR } from "./control-bits.js";
import { WAIT_EXIT } from "./exit.js";
import { EL1, EL2 } from "./fields.js";
import { Helper } from "./helper-ids.js";
import type { ArmPe } from "./pe.js";
import { semihostingCall } from "./semihosting.js";
import { PSTATE } from "./state.js";
import { Ec, ISS_ALWAYS } from "./syndrome.js";
import { registerNumber } from "./system-register.js";

/** What the lifter's calls do (helper-ids.ts). */
export function runHelper(
  pe: ArmPe,
  id: number,
  constant: number,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
): Status {
  const { exceptions, registers } = pe;
  switch (id) {
    case Helper.undefined:
      return exceptions.undefined();
    case Helper.svc:
      return exceptions.call(exceptions.target, Ec.svc, constant & 0xffff);
    case Helper.hvc:
      return hypervisorCall(pe, constant & 0xffff);
    case Helper.smc:
      return secureMonitorCall(pe, constant & 0xffff);
    case Helper.brk:
      return exceptions.brk(constant & 0xffff);
    case Helper.hlt:
      // Halting debug is not there.
      return semihostingCall(pe, constant & 0xffff) ?? exceptions.undefined();
    case Helper.eret:
      return exceptions.eret();
    case Helper.readSystem:
      return registers.read(constant);
    case Helper.writeSystem:
      return registers.write(constant, aLo, aHi);
    case Helper.systemOperation:
      return pe.operations.execute(constant, aLo, aHi);
    case Helper.writePstate:
      return writePstate(pe, constant);
    case Helper.wfi:
      return waitForInterrupt(pe);
    case Helper.wfe:
      return waitForEvent(pe);
    case Helper.fpTrap:
      return fpAccess(pe);
    case Helper.stackAlignment:
      return exceptions.raise(exceptions.target, Ec.spAlignment, 0);
    case Helper.pcAlignment:
      return exceptions.pcAlignment(pe.core.pcLo(), pe.core.pcHi());
    case Helper.clearExclusive:
      pe.core.clearReservation();
      return Status.next;
    case Helper.sendEvent:
      pe.events.send();
      return Status.next;
    case Helper.zeroTrapped:
      return pe.operations.execute(constant, bLo, bHi);
    default:
      throw new RangeError(`no helper ${id}`);
  }
}

function hypervisorCall(pe: ArmPe, immediate: number): Status {
  const { core, el, exceptions } = pe;
  if (el === 0 || (core.lo(EL2.hcr) & HCR.HCD) !== 0) return exceptions.undefined();
  return exceptions.call(2, Ec.hvc, immediate);
}

/** Without EL3, SMC is UNDEFINED where EL2 does not trap it, unless the board plays the firmware. */
function secureMonitorCall(pe: ArmPe, immediate: number): Status {
  const { core, el, exceptions } = pe;
  if (el === 0) return exceptions.undefined();
  if (el === 1 && (core.lo(EL2.hcr) & HCR.TSC) !== 0) return exceptions.raise(2, Ec.smc, immediate);
  return pe.firmware?.(immediate) ?? exceptions.undefined();
}

/** MSR (immediate): op1 << 7 | CRm << 3 | op2. */
function writePstate(pe: ArmPe, constant: number): Status {
  const { core, el, exceptions } = pe;
  const op1 = constant >>> 7;
  const immediate = (constant >>> 3) & 15;
  const op2 = constant & 7;
  if (op1 === 0 && op2 === 5 && el > 0) {
    pe.setLevel(el, immediate & 1);
    return Status.next;
  }
  if (op1 === 0 && op2 === 4 && el > 0) {
    core.set(PSTATE.pan, immediate & 1, 0);
    pe.contexts.modeChanged();
    return Status.next;
  }
  if (op1 !== 3 || (op2 !== 6 && op2 !== 7)) return exceptions.undefined();
  if (el === 0 && (core.lo(EL1.sctlr) & SCTLR.UMA) === 0)
    return exceptions.systemAccess(1, registerNumber(0, op1, 4, immediate, op2), false);
  const bits = immediate << 6;
  const old = core.lo(PSTATE.daif) & (DAIF.D | DAIF.A | DAIF.I | DAIF.F);
  core.set(PSTATE.daif, op2 === 6 ? old | bits : old & ~bits, 0);
  pe.interrupts.refresh();
  return Status.next;
}

/** Is WFI (bit 0 of TI clear) or WFE trapped where the PE would wait? */
function waitTrap(pe: ArmPe, userAllowed: number, hypervisorTraps: number, ti: number): Status | undefined {
  const { core, el, exceptions } = pe;
  const iss = ISS_ALWAYS | ti;
  if (el === 0 && (core.lo(EL1.sctlr) & userAllowed) === 0)
    return exceptions.raise(exceptions.target, Ec.wfx, iss);
  if (el < 2 && (core.lo(EL2.hcr) & hypervisorTraps) !== 0) return exceptions.raise(2, Ec.wfx, iss);
  return undefined;
}

function waitForInterrupt(pe: ArmPe): Status {
  const { core, interrupts, timers } = pe;
  timers.sampleAndUpdate();
  if (interrupts.wakeUp) return Status.next;
  const trapped = waitTrap(pe, SCTLR.nTWI, HCR.TWI, 0);
  if (trapped !== undefined) return trapped;
  // A step of it ends it.
  if (core.singleStep) return Status.next;
  const next = (core.pcLo() + 4) | 0;
  core.setPc(next, (core.pcHi() + (next === 0 ? 1 : 0)) | 0);
  core.exit = WAIT_EXIT;
  return Status.exit;
}

function waitForEvent(pe: ArmPe): Status {
  pe.timers.sampleAndUpdate();
  // An interrupt that can be taken ends the wait before it begins.
  if (pe.events.take() || pe.interrupts.arrived() !== undefined) return Status.next;
  return waitTrap(pe, SCTLR.nTWE, HCR.TWE, 1) ?? (pe.core.singleStep ? Status.next : pe.events.wait());
}

function fpAccess(pe: ArmPe): Status {
  const target = pe.modeBits.fpTrap();
  // Only code of a mode that has it trapped calls this.
  if (target === 0) return Status.redispatch;
  return pe.exceptions.raise(target, Ec.fpAccess, ISS_ALWAYS);
}
