import { CNTHCTL, CNTKCTL } from "../control-bits.js";
import { EL1, EL2, TIMER } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { registerNumber } from "../system-register.js";
import { type Check, Rule } from "../system-registers.js";
import type { TimerName } from "../timers.js";

/** The generic timer's registers and who may use them (CNTKCTL_EL1, CNTHCTL_EL2). */
export function defineTimers(pe: ArmPe): void {
  const { core, registers, timers } = pe;
  const el0 = (crm: number, op2: number): number => registerNumber(3, 3, 14, crm, op2);
  /** A bit that EL0 needs, and one that EL1 and EL0 need. */
  const needs =
    (user: number, guest: number): Check =>
    () => {
      if (pe.el === 0 && (core.lo(EL1.cntkctl) & user) === 0) return Rule.trapEl1;
      return guest !== 0 && (core.lo(EL2.cnthctl) & guest) === 0 ? Rule.trapEl2 : Rule.allowed;
    };
  registers.define(el0(0, 0), "CNTFRQ_EL0", {
    read: () => registers.set(core.lo(TIMER.frequency), 0),
    write: (lo) => core.set(TIMER.frequency, lo, 0),
    writeLevel: 2,
    check: needs(CNTKCTL.EL0PCTEN | CNTKCTL.EL0VCTEN, 0),
  });
  const count = (virtual: boolean) => (): void => {
    timers.sampleAndUpdate();
    if (virtual) timers.subtractOffset();
    registers.set(timers.lo, timers.hi);
  };
  registers.define(el0(0, 1), "CNTPCT_EL0", {
    read: count(false),
    write: undefined,
    check: needs(CNTKCTL.EL0PCTEN, CNTHCTL.EL1PCTEN),
  });
  registers.define(el0(0, 2), "CNTVCT_EL0", {
    read: count(true),
    write: undefined,
    check: needs(CNTKCTL.EL0VCTEN, 0),
  });
  const timer = (which: TimerName, name: string, number: (op2: number) => number, check?: Check): void => {
    const rule = check === undefined ? {} : { check };
    registers.define(number(0), `${name}_TVAL`, {
      read: () => registers.set(timers.readValue(which), 0),
      write: (lo) => timers.writeValue(which, lo),
      ...rule,
    });
    registers.define(number(1), `${name}_CTL`, {
      read: () => registers.set(timers.readControl(which), 0),
      write: (lo) => timers.writeControl(which, lo),
      ...rule,
    });
    registers.define(number(2), `${name}_CVAL`, {
      read: () => registers.set(core.lo(TIMER[which].cval), core.hi(TIMER[which].cval)),
      write: (lo, hi) => timers.writeCompare(which, lo, hi),
      ...rule,
    });
  };
  timer("physical", "CNTP", (op2) => el0(2, op2), needs(CNTKCTL.EL0PTEN, CNTHCTL.EL1PCEN));
  timer("virtual", "CNTV", (op2) => el0(3, op2), needs(CNTKCTL.EL0VTEN, 0));
  timer("hyp", "CNTHP", (op2) => registerNumber(3, 4, 14, 2, op2));
  registers.storage(registerNumber(3, 0, 14, 1, 0), "CNTKCTL_EL1", EL1.cntkctl, {
    maskLo: 0x3ff,
    maskHi: 0,
    changed: () => pe.events.stream.restart(),
  });
  registers.storage(registerNumber(3, 4, 14, 1, 0), "CNTHCTL_EL2", EL2.cnthctl, {
    maskLo: 0xff,
    maskHi: 0,
    changed: () => pe.events.stream.restart(),
  });
  registers.storage(registerNumber(3, 4, 14, 0, 3), "CNTVOFF_EL2", EL2.cntvoff, {
    changed: () => timers.update(),
  });
}
