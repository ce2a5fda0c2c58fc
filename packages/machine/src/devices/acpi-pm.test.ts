import { expect, it } from "vitest";
import { AcpiPm } from "./acpi-pm.js";
import { Rig, throughJson } from "./testing/rig.js";

// ACPI 6.5, 4.8.3. The timer's highest bit changes every 2^23 / 3579545 s.
const HALF_NS = Math.ceil((2 ** 23 * 1e9) / 3_579_545);

function rig() {
  const outer = new Rig();
  const { irq, clock, timers } = outer;
  const ended: string[] = [];
  const pm = new AcpiPm({ irq, clock, timers, onPowerOff: () => ended.push("off") });
  return { outer, irq, pm, ended };
}

it("has a timer of 24 bits at 3.579545 MHz", async () => {
  const { outer, pm } = rig();
  await outer.runTo(1e9);
  expect(pm.read(8, 4)).toBe(3_579_545);
  expect([pm.read(8, 2), pm.read(10, 2), pm.read(9, 1)]).toEqual([0x9e99, 0x36, 0x9e]);
  await outer.runTo(2 * HALF_NS);
  expect(pm.read(8, 4)).toBe(0);
});

it("tells of the timer's highest bit by SCI, if that is enabled", async () => {
  const { outer, irq, pm } = rig();
  await outer.runTo(HALF_NS);
  expect([pm.read(0, 2), irq.level]).toEqual([1, false]);
  pm.write(0, 2, 1);
  expect(pm.read(0, 2)).toBe(0);
  pm.write(2, 2, 1);
  await outer.runTo(2 * HALF_NS - 1000);
  expect(irq.level).toBe(false);
  await outer.runTo(2 * HALF_NS);
  expect([irq.level, pm.read(0, 4)]).toEqual([true, 0x1_0001]);
  pm.write(0, 1, 1);
  expect(irq.level).toBe(false);
  await outer.runTo(3 * HALF_NS);
  expect(irq.level).toBe(true);
});

it("tells of the power button", () => {
  const { irq, pm } = rig();
  pm.pressPowerButton();
  expect([pm.read(0, 2), irq.level]).toEqual([0x100, false]);
  pm.write(3, 1, 1);
  expect([pm.read(2, 2), irq.level]).toEqual([0x100, true]);
  pm.write(1, 1, 1);
  expect([pm.read(0, 2), irq.level]).toEqual([0, false]);
});

it("keeps what can be written, and is in ACPI mode", () => {
  const { pm } = rig();
  pm.write(2, 2, 0xffff);
  pm.write(4, 2, 0xdfff);
  expect([pm.read(2, 2), pm.read(4, 2), pm.read(6, 2)]).toEqual([0x521, 0x1c03, 0]);
});

it("goes off by SLP_EN with the type of S5, and by that alone", () => {
  const { pm, ended } = rig();
  pm.write(4, 2, 0x0000);
  pm.write(4, 2, 0x3400);
  pm.write(5, 1, 0x00);
  expect(ended).toEqual([]);
  pm.write(4, 2, 0x2000);
  expect(ended).toEqual(["off"]);
  pm.write(5, 1, 0x20);
  expect(ended).toEqual(["off", "off"]);
});

it("goes on after a restore", async () => {
  const [a, b] = [rig(), rig()];
  a.pm.write(2, 2, 0x101);
  a.pm.pressPowerButton();
  await a.outer.runTo(HALF_NS / 2);
  b.outer.clock.advanceTo(HALF_NS / 2);
  b.pm.restore(throughJson(a.pm.state()));
  expect([b.pm.state(), b.irq.level]).toEqual([a.pm.state(), true]);
  b.pm.write(0, 2, 0x100);
  await b.outer.runTo(HALF_NS);
  expect([b.irq.level, b.pm.read(0, 2)]).toEqual([true, 1]);
  b.pm.reset();
  expect([b.irq.level, b.pm.read(2, 2)]).toEqual([false, 0]);
});

it("has the same state whether somebody has looked at the timer or not", async () => {
  const [a, b] = [rig(), rig()];
  for (const { outer } of [a, b]) await outer.runTo(3 * HALF_NS);
  b.pm.restore(throughJson(a.pm.state()));
  for (const { outer } of [a, b]) await outer.runTo(5 * HALF_NS);
  b.pm.read(0, 2);
  expect(a.pm.state()).toEqual(b.pm.state());
});
