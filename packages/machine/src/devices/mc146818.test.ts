import { describe, expect, it } from "vitest";
import { CmosRtc, cmosMemory } from "./mc146818.js";
import { Rig, throughJson } from "./testing/rig.js";

// MC146818A data sheet.

const MS = 1e6;
const S = 1e9;

function rig(time = "2024-02-28T23:59:58Z", fractionNs = 0n) {
  const outer = new Rig();
  const epochNs = BigInt(Date.parse(time)) * 1_000_000n + fractionNs;
  const { irq, clock, timers } = outer;
  const rtc = new CmosRtc({ irq, clock, timers, epochNs, ram: { 21: 0x80, 22: 2 } });
  const get = (register: number) => {
    rtc.write(0, 1, register);
    return rtc.read(1, 1);
  };
  const set = (register: number, value: number) => {
    rtc.write(0, 1, register);
    rtc.write(1, 1, value);
  };
  /** Century, year, month, day, hour, minute, second. */
  const time7 = () => [0x32, 9, 8, 7, 4, 2, 0].map(get);
  return { ...outer, outer, rtc, get, set, time7 };
}

describe("time", () => {
  it("is BCD with 24 hours, and goes on", async () => {
    const { outer, time7, get } = rig();
    expect(time7()).toEqual([0x20, 0x24, 0x02, 0x28, 0x23, 0x59, 0x58]);
    // A Wednesday.
    expect(get(6)).toBe(4);
    await outer.runTo(2 * S - 1);
    expect(time7()).toEqual([0x20, 0x24, 0x02, 0x28, 0x23, 0x59, 0x59]);
    await outer.runTo(2 * S);
    expect(time7()).toEqual([0x20, 0x24, 0x02, 0x29, 0, 0, 0]);
    expect([get(6), get(0x0d)]).toEqual([5, 0x80]);
  });

  it("is binary, or of 12 hours, where register B says so", () => {
    const { set, get, time7 } = rig();
    set(0x0b, 0x06);
    expect(time7()).toEqual([20, 24, 2, 28, 23, 59, 58]);
    set(0x0b, 0x04);
    expect(get(4)).toBe(0x80 | 11);
    set(0x0b, 0x00);
    expect(get(4)).toBe(0x91);
    for (const [written, hour] of [
      [0x12, 0],
      [0x01, 1],
      [0x92, 12],
      [0x81, 13],
      [0x91, 23],
    ] as const) {
      set(0x0b, 0);
      set(4, written);
      expect(get(4)).toBe(written);
      set(0x0b, 6);
      expect([written, get(4)]).toEqual([written, hour]);
    }
  });

  it("stands still while it is set, and goes on from there", async () => {
    const { outer, set, time7, get } = rig();
    await outer.runTo(0.25 * S);
    set(0x0b, 0x82);
    await outer.runTo(5 * S);
    expect(get(0)).toBe(0x58);
    // The 31st exists once the month is set, too.
    for (const [register, value] of [
      [7, 0x31],
      [8, 0x12],
      [9, 0x99],
      [0x32, 0x19],
      [4, 0x23],
      [2, 0x59],
      [0, 0x59],
      [6, 6],
    ] as const)
      set(register, value);
    set(0x0b, 0x02);
    expect(time7()).toEqual([0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59]);
    await outer.runTo(6 * S);
    expect([...time7(), get(6)]).toEqual([0x20, 0, 1, 1, 0, 0, 0, 7]);
  });

  it("begins a second anew half a second after the divider's reset", async () => {
    const { outer, set, get } = rig();
    await outer.runTo(0.3 * S);
    set(0x0a, 0x70);
    await outer.runTo(3 * S);
    expect([get(0), get(0x0a) & 0x80]).toEqual([0x58, 0]);
    set(0x0a, 0x26);
    await outer.runTo(3.499 * S);
    expect(get(0)).toBe(0x58);
    await outer.runTo(3.5 * S);
    expect(get(0)).toBe(0x59);
  });

  it("is under update for the last 2.2 ms of each second", async () => {
    const { outer, get } = rig("2024-02-28T23:59:58Z", 500_000_000n);
    await outer.runTo(0.5 * S - 2.3 * MS);
    expect(get(0x0a)).toBe(0x26);
    await outer.runTo(0.5 * S - 2.2 * MS);
    expect([get(0x0a), get(0)]).toEqual([0xa6, 0x58]);
    await outer.runTo(0.5 * S);
    expect([get(0x0a), get(0)]).toEqual([0x26, 0x59]);
  });
});

describe("interrupts", () => {
  it("are periodic at 2 Hz to 8192 Hz", async () => {
    for (const [rate, hz] of [
      [1, 256],
      [2, 128],
      [3, 8192],
      [6, 1024],
      [15, 2],
    ] as const) {
      const { outer, irq, get, set } = rig();
      set(0x0a, 0x20 | rate);
      set(0x0b, 0x42);
      let count = 0;
      while (outer.timers.nextDeadline() <= S) {
        await outer.runTo(outer.timers.nextDeadline());
        count += irq.level ? 1 : 0;
        expect(get(0x0c) & 0xc0).toBe(0xc0);
      }
      expect([rate, count]).toEqual([rate, hz]);
      expect(irq.level).toBe(false);
    }
    const { outer, set } = rig();
    set(0x0a, 0x20);
    set(0x0b, 0x42);
    expect(outer.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it("tell of updates", async () => {
    const { outer, irq, get, set } = rig();
    set(0x0b, 0x12);
    await outer.runTo(S - 1);
    expect(irq.level).toBe(false);
    await outer.runTo(S);
    expect(irq.level).toBe(true);
    expect([get(0x0c), irq.level, get(0x0c)]).toEqual([0x90 | 0x40, false, 0]);
    // SET takes the enable back.
    set(0x0b, 0x92);
    expect(get(0x0b)).toBe(0x82);
  });

  it("ring the alarm at a time of day, or wherever it does not matter", async () => {
    const { outer, irq, get, set } = rig("2024-02-28T22:59:50Z");
    set(1, 0x05);
    set(3, 0x00);
    set(5, 0x23);
    set(0x0b, 0x22);
    expect([get(1), get(3), get(5)]).toEqual([5, 0, 0x23]);
    await outer.runTo(14 * S);
    expect(irq.level).toBe(false);
    await outer.runTo(15 * S);
    expect(irq.level).toBe(true);
    expect(get(0x0c) & 0xa0).toBe(0xa0);
    set(3, 0xff);
    set(5, 0xc0);
    await outer.runTo(74 * S);
    expect(irq.level).toBe(false);
    await outer.runTo(75 * S);
    expect(irq.level).toBe(true);
  });

  it("set flags even where they are not enabled", async () => {
    const { outer, irq, get, set } = rig();
    for (const register of [1, 3, 5]) set(register, 0xff);
    get(0x0c);
    await outer.runTo(1.5 * S);
    expect([irq.level, get(0x0c), get(0x0c)]).toEqual([false, 0x70, 0]);
    expect(outer.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });
});

it("has RAM, which tells of memory and processors", () => {
  const { get, set, rtc } = rig();
  expect([get(0x15), get(0x16), rtc.read(0, 1)]).toEqual([0x80, 2, 0xff]);
  set(0x7f, 0xa5);
  // Bit 7 of the index is the NMI mask's.
  expect([get(0xff), rtc.get(0x7f)]).toEqual([0xa5, 0xa5]);
  rtc.set(0x0f, 5);
  rtc.reset();
  expect([get(0x0f), get(0x0b), get(0x0a)]).toEqual([5, 2, 0x26]);

  const MIB = 1 << 20;
  const word = (ram: Record<number, number>, at: number) => ram[at]! | (ram[at + 1]! << 8);
  const small = cmosMemory({ low: 16 * MIB, cpus: 1 });
  expect([0x15, 0x17, 0x30, 0x34].map((at) => word(small, at))).toEqual([640, 15 * 1024, 15 * 1024, 0]);
  const large = cmosMemory({ low: 3 * 1024 * MIB, high: 5 * 1024 * MIB, cpus: 4 });
  expect([0x17, 0x34, 0x5b].map((at) => word(large, at))).toEqual([0xffff, 0xbf00, 0x4000]);
  expect([large[0x5d], large[0x5f]]).toEqual([1, 3]);
});

it("goes on after a restore", async () => {
  const [a, b] = [rig(), rig("1999-01-01T00:00:00Z")];
  a.set(0x0b, 0x72);
  a.set(1, 0x10);
  a.set(3, 0xff);
  a.set(5, 0xff);
  await a.outer.runTo(3.25 * S);
  const state = throughJson(a.rtc.state());
  b.clock.advanceTo(3.25 * S);
  b.rtc.restore(state);
  expect(b.rtc.state()).toEqual(a.rtc.state());
  for (const it of [a, b]) await it.outer.runTo(13 * S);
  expect(b.time7()).toEqual(a.time7());
  expect([b.get(0x0c), b.irq.rises]).toEqual([a.get(0x0c), 1]);
  a.set(0x0b, 0x82);
  b.rtc.restore(throughJson(a.rtc.state()));
  expect(b.time7()).toEqual(a.time7());
  expect(() => b.rtc.restore({ ...state, ram: [256] })).toThrow("no valid 'ram'");
});
