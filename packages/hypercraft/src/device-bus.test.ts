import { describe, expect, it } from "vitest";
import { DeviceBus, type MmioDevice } from "./device-bus.js";

function recorder(answer: (offset: number, width: number) => number) {
  const log: unknown[] = [];
  const device: MmioDevice = {
    read(offset, width) {
      log.push(["r", offset, width]);
      return answer(offset, width);
    },
    write(offset, width, value) {
      log.push(["w", offset, width, value]);
    },
  };
  return { device, log };
}

const code = (name: string) => expect.objectContaining({ code: name });

describe("DeviceBus", () => {
  it("dispatches by address, with offsets from the region's base", () => {
    const bus = DeviceBus.mmio();
    const [a, b] = [recorder(() => 1), recorder(() => 2)];
    bus.add({ name: "b", base: 0x2_0000_0000, size: 0x100, device: b.device });
    bus.add({ name: "a", base: 0x1000, size: 0x10, device: a.device });
    expect(bus.read(0x1004, 4)).toBe(1);
    expect(bus.read(0x2_0000_00ff, 1)).toBe(2);
    expect(bus.write(0x100e, 2, 0x1_2345)).toBe(true);
    expect(a.log).toEqual([
      ["r", 4, 4],
      ["w", 14, 2, 0x2345],
    ]);
    expect(b.log).toEqual([["r", 0xff, 1]]);
    expect(bus.regions.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("finds nothing before, between, behind and across the end of regions", () => {
    const bus = DeviceBus.mmio();
    const { device, log } = recorder(() => 0);
    bus.add({ name: "a", base: 0x1000, size: 6, device });
    bus.add({ name: "b", base: 0x1008, size: 8, device });
    for (const [address, width] of [
      [0xfff, 1],
      [0xfff, 2],
      [0x1006, 1],
      [0x1004, 4],
      [0x100e, 4],
      [0x1010, 1],
    ] as const) {
      expect(bus.read(address, width)).toBe(-1);
      expect(bus.write(address, width, 0)).toBe(false);
    }
    expect(bus.read8(0x1000)).toBe(false);
    expect(bus.write8(0x1009, 0, 0)).toBe(false);
    expect(log).toEqual([]);
  });

  it("makes two accesses of 4 from one of 8, low half first", () => {
    const bus = DeviceBus.mmio();
    const { device, log } = recorder((offset) => (offset === 8 ? -1 : 0x8000_0000));
    bus.add({ name: "a", base: 0x1000, size: 0x10, device });
    expect(bus.read8(0x1008)).toBe(true);
    expect([bus.lo, bus.hi]).toEqual([0xffff_ffff, 0x8000_0000]);
    expect(bus.write8(0x1000, -2, 0xffff_ffff)).toBe(true);
    expect(log).toEqual([
      ["r", 8, 4],
      ["r", 12, 4],
      ["w", 0, 4, 0xffff_fffe],
      ["w", 4, 4, 0xffff_ffff],
    ]);
  });

  it("cuts a device's answers to the width, unsigned", () => {
    const bus = DeviceBus.mmio();
    const { device } = recorder(() => -1);
    bus.add({ name: "a", base: 0, size: 8, device });
    expect([bus.read(0, 1), bus.read(0, 2), bus.read(0, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
  });

  it("keeps its own answer when the device uses the bus meanwhile", () => {
    const bus = DeviceBus.mmio();
    bus.add({ name: "inner", base: 0x100, size: 8, device: recorder((offset) => 100 + offset).device });
    const outer = recorder((offset) => {
      bus.read8(0x100);
      return 1 + offset;
    });
    bus.add({ name: "outer", base: 0, size: 8, device: outer.device });
    expect(bus.read8(0)).toBe(true);
    expect([bus.lo, bus.hi]).toEqual([1, 5]);
  });

  it("refuses regions that overlap, and names both", () => {
    const bus = DeviceBus.mmio();
    const { device } = recorder(() => 0);
    bus.add({ name: "uart", base: 0x1000, size: 0x100, device });
    for (const [base, size] of [
      [0x1000, 1],
      [0xf00, 0x101],
      [0x10ff, 0x100],
      [0, 0x10000],
    ] as const) {
      expect(() => bus.add({ name: "disk", base, size, device })).toThrow(code("AlreadyExists"));
      expect(() => bus.add({ name: "disk", base, size, device })).toThrow(/"disk" at .*"uart" at 0x1000/);
    }
    bus.add({ name: "before", base: 0xf00, size: 0x100, device });
    bus.add({ name: "behind", base: 0x1100, size: 0x100, device });
    expect(bus.regions.map(({ name }) => name)).toEqual(["before", "uart", "behind"]);
  });

  it("refuses regions that cannot be", () => {
    const bus = DeviceBus.ports();
    const { device } = recorder(() => 0);
    for (const [base, size] of [
      [-1, 1],
      [0, 0],
      [0.5, 1],
      [0, Number.NaN],
    ] as const)
      expect(() => bus.add({ name: "x", base, size, device })).toThrow(code("InvalidParam"));
    expect(() => bus.add({ name: "x", base: 0xffff, size: 2, device })).toThrow(code("OutOfRange"));
    bus.add({ name: "x", base: 0xffff, size: 1, device });
  });

  it("forgets a region that is removed, also the one used last", () => {
    const bus = DeviceBus.mmio();
    bus.add({ name: "a", base: 0, size: 8, device: recorder(() => 7).device });
    expect(bus.read(0, 1)).toBe(7);
    bus.remove(0);
    expect(bus.read(0, 1)).toBe(-1);
    expect(() => bus.remove(0)).toThrow(code("NotFound"));
  });

  it("finds any of many regions", () => {
    const bus = DeviceBus.mmio();
    const order = Array.from({ length: 101 }, (_, i) => (i * 37) % 101);
    for (const i of order)
      bus.add({ name: `${i}`, base: i * 0x100, size: 0x80, device: recorder(() => i).device });
    for (const i of order) {
      expect(bus.read(i * 0x100 + 0x7f, 1)).toBe(i);
      expect(bus.read(i * 0x100 + 0x80, 1)).toBe(-1);
    }
  });
});
