import { expect, test } from "vitest";
import { atLevel, fakeMachine } from "../testing/cpu/fake-machine.js";
import { Helper } from "./helper-ids.js";
import { registerNumber } from "./system-register.js";

const TICK = 16;

test("CNTP fires at the tick that CVAL names, and tells when", () => {
  const { pe, clock } = fakeMachine();
  const levels: string[] = [];
  pe.timers.onChange = (which, level) => levels.push(`${which} ${level}`);
  pe.writeSystem("CNTP_CVAL", 1000n);
  pe.writeSystem("CNTP_CTL", 1n);
  expect(pe.nextDeadline()).toBe(1000 * TICK);
  clock.ns = 1000 * TICK - 1;
  pe.updateTimers();
  expect(pe.readSystem("CNTP_CTL")).toBe(1n);
  clock.ns++;
  pe.updateTimers();
  expect(pe.readSystem("CNTP_CTL")).toBe(5n);
  pe.writeSystem("CNTP_CTL", 3n);
  expect(pe.readSystem("CNTP_CTL")).toBe(7n);
  expect(levels).toEqual(["physical true", "physical false"]);
});

test("CNTVOFF_EL2 moves the virtual count and its timer", () => {
  const { pe, clock } = fakeMachine();
  clock.ns = 5000 * TICK;
  pe.writeSystem("CNTVOFF_EL2", 4000n);
  expect(pe.readSystem("CNTPCT_EL0")).toBe(5000n);
  expect(pe.readSystem("CNTVCT_EL0")).toBe(1000n);
  pe.writeSystem("CNTV_TVAL", 0xffff_ffffn);
  expect(pe.readSystem("CNTV_CVAL")).toBe(999n);
  pe.writeSystem("CNTV_TVAL", 50n);
  pe.writeSystem("CNTV_CTL", 1n);
  expect(pe.nextDeadline()).toBe(5050 * TICK);
  pe.writeSystem("CNTVOFF_EL2", 6000n);
  // The count is below zero, which is a large number.
  expect(pe.readSystem("CNTV_CTL")).toBe(5n);
});

test("CNTKCTL_EL1 and CNTHCTL_EL2 trap", () => {
  for (const [level, cntkctl, cnthctl, esr] of [
    [0, 0n, 3n, "ESR_EL1"],
    [0, 1n, 0n, "ESR_EL2"],
    [1, 0n, 0n, "ESR_EL2"],
    [1, 0n, 3n, undefined],
    [0, 1n, 3n, undefined],
  ] as const) {
    const machine = fakeMachine();
    const { pe } = machine;
    pe.writeSystem("CNTKCTL_EL1", cntkctl);
    pe.writeSystem("CNTHCTL_EL2", cnthctl);
    atLevel(machine, level);
    pe.helper(Helper.readSystem, registerNumber(3, 3, 14, 0, 1), 0, 0);
    if (esr === undefined) expect(pe.el).toBe(level);
    else expect(pe.readSystem(esr) >> 26n).toBe(0x18n);
  }
});
