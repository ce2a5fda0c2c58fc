import { describe, expect, it } from "vitest";
import { GoldfishRtc } from "./goldfish-rtc.js";
import { Rig, throughJson } from "./testing/rig.js";

const EPOCH = 1_700_000_000_000_000_000n;

function rtc(epochNs = EPOCH) {
  const rig = new Rig();
  const device = new GoldfishRtc({ irq: rig.irq, clock: rig.clock, timers: rig.timers, epochNs });
  const get = (offset: number) => device.read(offset, 4);
  const set = (offset: number, value: number) => device.write(offset, 4, value);
  const time = () => BigInt(get(0)) | (BigInt(get(4)) << 32n);
  const setAlarm = (at: bigint) => {
    set(0x0c, Number(at >> 32n));
    set(0x08, Number(at & 0xffff_ffffn));
  };
  return { rig, device, get, set, time, setAlarm };
}

describe("goldfish RTC", () => {
  it("counts nanoseconds since 1970", async () => {
    const { rig, time } = rtc();
    expect(time()).toBe(EPOCH);
    await rig.runTo(12_345);
    expect(time()).toBe(EPOCH + 12_345n);
  });

  it("latches the upper half when the lower is read", async () => {
    const { rig, get } = rtc(0xffff_fff0n);
    expect(get(0)).toBe(0xffff_fff0);
    await rig.runTo(0x20);
    expect(get(4)).toBe(0);
    expect([get(0), get(4)]).toEqual([0x10, 1]);
  });

  it("can be set", async () => {
    const { rig, set, time } = rtc();
    set(4, 0x100);
    set(0, 0x200);
    expect(time()).toBe(0x100_0000_0200n);
    await rig.runTo(5);
    expect(time()).toBe(0x100_0000_0205n);
  });

  it("rings its alarm once, if enabled", async () => {
    const { rig, get, set, setAlarm } = rtc();
    set(0x10, 1);
    setAlarm(EPOCH + 1000n);
    expect([get(0x18), get(0x08), get(0x0c)]).toEqual([
      1,
      Number((EPOCH + 1000n) & 0xffff_ffffn),
      Number((EPOCH + 1000n) >> 32n),
    ]);
    await rig.runTo(999);
    expect(rig.irq.level).toBe(false);
    await rig.runTo(1000);
    expect([rig.irq.level, get(0x18)]).toEqual([true, 0]);
    set(0x1c, 1);
    expect(rig.irq.level).toBe(false);
    await rig.runTo(1_000_000);
    expect(rig.irq.level).toBe(false);
  });

  it("remembers an alarm that rang while interrupts were off", async () => {
    const { rig, set, setAlarm } = rtc();
    setAlarm(EPOCH + 10n);
    await rig.runTo(20);
    expect(rig.irq.level).toBe(false);
    set(0x10, 1);
    expect(rig.irq.level).toBe(true);
    set(0x10, 0);
    expect(rig.irq.level).toBe(false);
  });

  it("rings at once for the past, and never when cleared", async () => {
    const { rig, get, set, setAlarm } = rtc();
    set(0x10, 1);
    setAlarm(EPOCH - 1n);
    expect([rig.irq.level, get(0x18)]).toEqual([true, 0]);
    set(0x1c, 1);
    setAlarm(EPOCH + 50n);
    set(0x14, 1);
    expect(get(0x18)).toBe(0);
    await rig.runTo(1000);
    expect(rig.irq.level).toBe(false);
  });

  it("moves the alarm when the time is set", async () => {
    const { rig, set, setAlarm } = rtc(0n);
    set(0x10, 1);
    setAlarm(1_000_000n);
    set(0, 999_990);
    await rig.runTo(9);
    expect(rig.irq.level).toBe(false);
    await rig.runTo(10);
    expect(rig.irq.level).toBe(true);
  });

  it("takes alarms beyond any time without complaint", () => {
    const { set, setAlarm, get } = rtc();
    set(0x10, 1);
    setAlarm(0xffff_ffff_ffff_ffffn);
    expect(get(0x18)).toBe(1);
  });

  it("has 32-bit registers only", () => {
    const { device } = rtc();
    expect(device.read(0, 1)).toBe(0);
    device.write(0x10, 2, 1);
    expect(device.read(0x10, 4)).toBe(0);
    expect(device.read(0x20, 4)).toBe(0);
    device.write(0x20, 4, 1);
  });

  it("keeps time and alarm across a restore", async () => {
    const first = rtc();
    first.set(0x10, 1);
    first.set(4, 1);
    first.setAlarm(BigInt(first.get(0)) + (BigInt(first.get(4)) << 32n) + 500n);
    await first.rig.runTo(100);
    const saved = throughJson(first.device.state());
    const second = rtc(EPOCH);
    second.rig.clock.restore(throughJson(first.rig.clock.state()));
    second.device.restore(saved);
    expect(second.device.state()).toEqual(saved);
    expect(second.time()).toBe(first.time());
    await second.rig.runTo(499);
    expect(second.rig.irq.level).toBe(false);
    await second.rig.runTo(500);
    expect(second.rig.irq.level).toBe(true);
    second.device.reset();
    expect([second.rig.irq.level, second.time()]).toEqual([false, EPOCH + 500n]);
  });
});
