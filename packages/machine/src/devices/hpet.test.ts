import { describe, expect, it } from "vitest";
import { Hpet } from "./hpet.js";
import { Rig, TestLine, throughJson } from "./testing/rig.js";

// IA-PC HPET specification 1.0a. A tick is 10 ns.

function rig() {
  const outer = new Rig();
  const inputs = Array.from({ length: 32 }, () => new TestLine());
  const [irq0, irq8] = [new TestLine(), new TestLine()];
  const { clock, timers } = outer;
  const hpet = new Hpet({ clock, timers, route: (input) => inputs[input]!, irq0, irq8 });
  const get = (offset: number) => hpet.read(offset, 4);
  const set = (offset: number, value: number) => hpet.write(offset, 4, value);
  const get64 = (offset: number) => BigInt(get(offset)) | (BigInt(get(offset + 4)) << 32n);
  const set64 = (offset: number, value: bigint) => {
    set(offset, Number(value & 0xffff_ffffn));
    set(offset + 4, Number(value >> 32n));
  };
  const to = (tick: number) => outer.runTo(tick * 10);
  return { outer, hpet, inputs, irq0, irq8, get, set, get64, set64, to };
}
const config = (timer: number) => 0x100 + 0x20 * timer;
const comparator = (timer: number) => 0x108 + 0x20 * timer;

describe("registers", () => {
  it("tell 100 MHz, 64 bits, three timers and legacy replacement", () => {
    const { get, get64 } = rig();
    expect(get(0)).toBe(0x8086_a201);
    expect(get(4)).toBe(10_000_000);
    for (const timer of [0, 1, 2]) {
      expect([get(config(timer)), get(config(timer) + 4)]).toEqual([0x30, 0x00f0_0004]);
      expect(get64(comparator(timer))).toBe(2n ** 64n - 1n);
    }
    expect([get(config(3)), get(0x10), get(0x20), get64(0xf0), get(0x08), get(0x110)]).toEqual([
      0,
      0,
      0,
      0n,
      0,
      0,
    ]);
  });

  it("keep what can be written", () => {
    const { get, set } = rig();
    set(0x10, 0xffff_fffc);
    expect(get(0x10)).toBe(0);
    // Level, enable, periodic, VAL_SET, 32 bits; no FSB. Input 31 is none that it has.
    set(config(1), 0xffff_ffff);
    expect(get(config(1))).toBe(0x17e);
    set(config(1), (21 << 9) | 4);
    expect(get(config(1))).toBe((21 << 9) | 0x34);
    set(0, 0);
    expect(get(0)).toBe(0x8086_a201);
  });

  it("are accessed by 1, 2 and 4 bytes", () => {
    const { hpet, get } = rig();
    expect([hpet.read(0, 1), hpet.read(1, 1), hpet.read(2, 2), hpet.read(5, 1)]).toEqual([
      1, 0xa2, 0x8086, 0x96,
    ]);
    hpet.write(0xf2, 2, 0x1234);
    hpet.write(0xf0, 1, 0x56);
    hpet.write(0xf7, 1, 0x78);
    expect([get(0xf0), get(0xf4)]).toEqual([0x1234_0056, 0x7800_0000]);
  });
});

describe("the counter", () => {
  it("counts while it is enabled, and stands still else", async () => {
    const { get64, set, set64, to } = rig();
    await to(100);
    expect(get64(0xf0)).toBe(0n);
    set64(0xf0, 0x1_ffff_fff0n);
    set(0x10, 1);
    await to(200);
    expect(get64(0xf0)).toBe(0x2_0000_0054n);
    set(0x10, 0);
    await to(300);
    expect(get64(0xf0)).toBe(0x2_0000_0054n);
    set(0x10, 1);
    await to(301);
    expect(get64(0xf0)).toBe(0x2_0000_0055n);
  });

  it("is one value for a read of both halves, low first", async () => {
    const { outer, get, set, set64 } = rig();
    set64(0xf0, 0xffff_ffffn);
    set(0x10, 1);
    const lower = get(0xf0);
    await outer.runTo(10);
    expect([lower, get(0xf4), get(0xf4)]).toEqual([0xffff_ffff, 0, 1]);
  });
});

describe("comparators", () => {
  it("interrupt once, by edge, at the input they are routed to", async () => {
    const { inputs, get, set, to, outer } = rig();
    set(config(1), (20 << 9) | 4);
    set(comparator(1), 100);
    set(comparator(1) + 4, 0);
    await to(500);
    expect(inputs[20]!.rises).toBe(0);
    set(0x10, 1);
    await to(599);
    expect(inputs[20]!.rises).toBe(0);
    await to(600);
    expect([inputs[20]!.rises, get(0x20)]).toEqual([1, 0]);
    await to(100_000);
    expect(inputs[20]!.rises).toBe(1);
    expect(outer.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it("hold a level until its status is cleared", async () => {
    const { inputs, get, set, to } = rig();
    set(config(2), (23 << 9) | 6);
    set(comparator(2), 50);
    set(comparator(2) + 4, 0);
    set(0x10, 1);
    await to(50);
    expect([inputs[23]!.level, get(0x20)]).toEqual([true, 4]);
    set(0x20, 3);
    expect(inputs[23]!.level).toBe(true);
    set(0x20, 4);
    expect([inputs[23]!.level, get(0x20)]).toEqual([false, 0]);
  });

  it("do not interrupt while they are disabled", async () => {
    const { inputs, set, to } = rig();
    set(config(0), 20 << 9);
    set(comparator(0), 50);
    set(comparator(0) + 4, 0);
    set(0x10, 1);
    await to(60);
    expect(inputs[20]!.rises).toBe(0);
  });

  it("of 32 bits match each time the low half comes round", async () => {
    const { inputs, get64, set, set64, to } = rig();
    set64(0xf0, 0x5_ffff_ffffn);
    set(config(0), (20 << 9) | 0x104);
    set64(comparator(0), 0x7_0000_0009n);
    expect(get64(comparator(0))).toBe(9n);
    set(0x10, 1);
    await to(10);
    expect(inputs[20]!.rises).toBe(1);
    await to(2 ** 32 + 9);
    expect(inputs[20]!.rises).toBe(1);
    await to(2 ** 32 + 10);
    expect(inputs[20]!.rises).toBe(2);
  });

  it("are periodic, from an accumulator that software sets", async () => {
    const { inputs, get64, set, to } = rig();
    // As Linux does it: VAL_SET, the first comparator, then the period.
    set(config(0), (20 << 9) | 0x4c);
    set(comparator(0), 1000);
    expect(get64(comparator(0)) & 0xffff_ffffn).toBe(1000n);
    set(comparator(0) + 4, 0);
    set(comparator(0), 250);
    set(comparator(0) + 4, 0);
    expect(get64(comparator(0))).toBe(1000n);
    set(0x10, 1);
    await to(999);
    expect(inputs[20]!.rises).toBe(0);
    await to(2000);
    expect([inputs[20]!.rises, get64(comparator(0))]).toEqual([5, 2250n]);
  });

  it("interrupt once for periods that the machine was stopped for", async () => {
    const { outer, inputs, get64, set } = rig();
    set(config(0), (20 << 9) | 0x4c);
    set(comparator(0), 100);
    set(comparator(0) + 4, 0);
    set(0x10, 1);
    outer.clock.advanceTo(10_555);
    await outer.timers.runDue(10_555);
    expect([inputs[20]!.rises, get64(comparator(0))]).toEqual([1, 1100n]);
  });

  it("follow when the counter is stopped and set", async () => {
    const { outer, inputs, set, set64, to } = rig();
    set(config(0), (20 << 9) | 4);
    set64(comparator(0), 1000n);
    set(0x10, 1);
    await to(500);
    set(0x10, 0);
    expect(outer.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    set64(0xf0, 990n);
    await to(5000);
    set(0x10, 1);
    await to(5010);
    expect(inputs[20]!.rises).toBe(1);
  });
});

it("replaces the timer and the clock as interrupts 0 and 8", async () => {
  const { hpet, irq0, irq8, inputs, set, set64, to } = rig();
  hpet.pit.set(true);
  hpet.rtc.set(true);
  expect([irq0.level, irq8.level]).toEqual([true, true]);
  set(config(0), (20 << 9) | 4);
  set64(comparator(0), 100n);
  set(config(1), 4);
  set64(comparator(1), 200n);
  set(0x10, 3);
  expect([irq0.level, irq8.level]).toEqual([false, false]);
  hpet.rtc.set(false);
  hpet.rtc.set(true);
  expect(irq8.level).toBe(false);
  await to(100);
  expect([irq0.level, irq0.rises, irq8.level, inputs[20]!.rises]).toEqual([true, 2, false, 0]);
  await to(200);
  expect(irq8.rises).toBe(2);
  hpet.pit.set(false);
  set(0x10, 1);
  expect([irq0.level, irq8.level]).toEqual([false, true]);
});

it("goes on after a restore", async () => {
  const [a, b] = [rig(), rig()];
  a.set(config(0), (20 << 9) | 0x4c);
  a.set64(comparator(0), 300n);
  a.set(config(2), (23 << 9) | 6);
  a.set64(comparator(2), 50n);
  a.set(0x10, 1);
  await a.to(120);
  const state = throughJson(a.hpet.state());
  b.outer.clock.advanceTo(1200);
  b.hpet.restore(state);
  expect(b.hpet.state()).toEqual(a.hpet.state());
  expect([b.inputs[23]!.level, b.get(0x20)]).toEqual([true, 4]);
  for (const it of [a, b]) await it.to(1000);
  expect(b.hpet.state()).toEqual(a.hpet.state());
  expect(b.inputs[20]!.rises).toBe(a.inputs[20]!.rises);
  expect(() => b.hpet.restore({ ...state, comparators: [] })).toThrow("no valid 'comparators'");
  b.hpet.reset();
  expect([b.inputs[23]!.level, b.get64(0xf0), b.outer.timers.nextDeadline()]).toEqual([
    false,
    0n,
    Number.POSITIVE_INFINITY,
  ]);
});
