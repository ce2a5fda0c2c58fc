import { expect, it } from "vitest";
import type { DeviceWidth } from "../contracts.js";
import { PortBus } from "./port-bus.js";

function recorder() {
  const seen: string[] = [];
  const device = {
    read: (offset: number, width: DeviceWidth) => {
      seen.push(`r${offset}.${width}`);
      return [0x11, 0x22, 0x33, 0x44][offset & 3]! * [0, 1, 0x101, 0, 0x1010101][width]!;
    },
    write: (offset: number, width: DeviceWidth, value: number) => {
      seen.push(`w${offset}.${width}=${value.toString(16)}`);
    },
  };
  return { seen, device };
}

it("gives devices accesses as wide as they take them", () => {
  const bus = new PortBus();
  const { seen, device } = recorder();
  bus.addDevice("bytes", [{ base: 0x40, size: 4 }], device);
  bus.addDevice("words", [{ base: 0x604, size: 2, widest: 2 }], device);
  bus.addDevice("doublewords", [{ base: 0xc000, size: 8, widest: 4 }], device);
  expect([bus.read(0x40, 4), bus.read(0x604, 2), bus.read(0xc001, 4)]).toEqual([
    0x44332211, 0x1111, 0x22222222,
  ]);
  bus.write(0x40, 2, 0xabcd);
  bus.write(0x604, 2, 0x2000);
  bus.write(0xc004, 4, 0x89abcdef);
  expect(seen.join(" ")).toBe("r0.1 r1.1 r2.1 r3.1 r0.2 r1.4 w0.1=cd w1.1=ab w0.2=2000 w4.4=89abcdef");
});

it("reads ones where nothing is, and says so to who asks", () => {
  const bus = new PortBus();
  const { seen, device } = recorder();
  bus.addDevice("bytes", [{ base: 0x40, size: 1 }], device);
  expect([bus.read(0x80, 1), bus.read(0x80, 4), bus.write(0x80, 2, 1)]).toEqual([-1, -1, false]);
  expect([bus.read(0x3f, 2), bus.read(0x40, 4), bus.write(0x3f, 4, 0x11223344)]).toEqual([
    0x11ff,
    0xffffff11,
    true,
  ]);
  const { processorFace } = bus;
  expect([processorFace.read(0x80, 1), processorFace.read(0x80, 2), processorFace.read(0x80, 4)]).toEqual([
    0xff, 0xffff, 0xffff_ffff,
  ]);
  processorFace.write(0x40, 1, 7);
  expect(seen.slice(-2)).toEqual(["w0.1=33", "w0.1=7"]);
  // At the end of the space.
  expect([bus.read(0xffff, 4), bus.write(0xffff, 2, 0)]).toEqual([-1, false]);
});

it("counts offsets of several ranges from the first", () => {
  const bus = new PortBus();
  const { seen, device } = recorder();
  const ranges = [
    { base: 0x60, size: 1 },
    { base: 0x64, size: 1 },
  ];
  bus.addDevice("keyboard", ranges, device);
  bus.read(0x64, 1);
  bus.write(0x60, 1, 5);
  expect(seen).toEqual(["r4.1", "w0.1=5"]);
  expect(() => bus.addDevice("other", [{ base: 0x5f, size: 2 }], device)).toThrow(
    'port regions overlap: "other" at 0x5f, 0x2 bytes and "keyboard" at 0x60, 0x1 bytes',
  );
});
