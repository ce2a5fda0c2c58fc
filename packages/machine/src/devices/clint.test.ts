import { describe, expect, it } from "vitest";
import { FdtNode } from "../fdt/node.js";
import { DeviceTree } from "../fdt/tree.js";
import { HostMemory } from "../memory/host-memory.js";
import { SystemBus } from "../memory/system-bus.js";
import { Clint, clintInterrupts } from "./clint.js";
import { Rig, throughJson } from "./testing/rig.js";

function clint(count = 2) {
  const rig = new Rig();
  const software = new Array<boolean>(count).fill(false);
  const timer = new Array<boolean>(count).fill(false);
  const device = new Clint({
    harts: {
      count,
      setSoftware: (hart, level) => {
        software[hart] = level;
      },
      setTimer: (hart, level) => {
        timer[hart] = level;
      },
    },
    clock: rig.clock,
    timers: rig.timers,
  });
  const bus = new SystemBus(new HostMemory({ size: 65536, arenaSize: 0 }));
  bus.addDevice({ name: "clint", base: 0x200_0000, size: 0x10000, device });
  const read64 = (offset: number) => {
    const low = bus.read(0x200_0000 + offset, 8);
    return BigInt(low) | (BigInt(bus.high) << 32n);
  };
  const write64 = (offset: number, value: bigint) =>
    bus.write(0x200_0000 + offset, 8, Number(value & 0xffff_ffffn), Number(value >> 32n));
  return { rig, device, software, timer, read64, write64 };
}

describe("CLINT timer", () => {
  it("counts at 10 MHz", async () => {
    const { rig, read64, device } = clint();
    expect(read64(0xbff8)).toBe(0n);
    await rig.runTo(1_000_099);
    expect(read64(0xbff8)).toBe(10_000n);
    expect(device.ticks(1)).toBe(10_001n);
  });

  it("raises the timer of each hart when mtime reaches mtimecmp, and only then", async () => {
    const { rig, timer, write64, read64 } = clint();
    expect(read64(0x4000)).toBe(0xffff_ffff_ffff_ffffn);
    write64(0x4000, 10n);
    write64(0x4008, 20n);
    await rig.runTo(999);
    expect(timer).toEqual([false, false]);
    await rig.runTo(1000);
    expect(timer).toEqual([true, false]);
    await rig.runTo(2000);
    expect(timer).toEqual([true, true]);
    // Level: a later deadline takes it back, an earlier one raises it at once.
    write64(0x4000, 30n);
    expect(timer).toEqual([false, true]);
    write64(0x4000, 5n);
    expect(timer).toEqual([true, true]);
  });

  it("accepts the two halves one by one, as RV32 code writes them", async () => {
    const { rig, timer, device } = clint(1);
    device.write(0x4000, 4, 0xffff_ffff);
    device.write(0x4004, 4, 0);
    device.write(0x4000, 4, 7);
    expect(timer).toEqual([false]);
    await rig.runTo(700);
    expect(timer).toEqual([true]);
    expect([device.read(0x4000, 4), device.read(0x4004, 4)]).toEqual([7, 0]);
  });

  it("never fires for a deadline beyond any time", async () => {
    const { rig, timer, write64 } = clint(1);
    write64(0x4000, 0xffff_ffff_ffff_ffffn);
    expect(rig.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    await rig.runTo(1e12);
    expect(timer).toEqual([false]);
  });

  it("can be set forward and back", async () => {
    const { rig, timer, read64, write64 } = clint(1);
    write64(0x4000, 1000n);
    write64(0xbff8, 5000n);
    expect([read64(0xbff8), timer[0]]).toEqual([5000n, true]);
    write64(0xbff8, 0n);
    expect(timer[0]).toBe(false);
    await rig.runTo(99_999);
    expect(timer[0]).toBe(false);
    await rig.runTo(100_000);
    expect([read64(0xbff8), timer[0]]).toEqual([1000n, true]);
  });

  it("keeps its deadline when set back while time runs", async () => {
    const { rig, timer, write64 } = clint(1);
    await rig.runTo(50_000);
    write64(0xbff8, 100n);
    write64(0x4000, 110n);
    await rig.runTo(50_999);
    expect(timer[0]).toBe(false);
    await rig.runTo(51_000);
    expect(timer[0]).toBe(true);
  });
});

describe("CLINT software interrupts", () => {
  it("have one bit for each hart", () => {
    const { device, software } = clint(2);
    device.write(4, 4, 0xffff_ffff);
    expect(software).toEqual([false, true]);
    expect([device.read(0, 4), device.read(4, 4), device.read(8, 4)]).toEqual([0, 1, 0]);
    device.write(4, 4, 0xffff_fffe);
    expect(software).toEqual([false, false]);
  });

  it("ignores harts, widths and addresses that do not exist", () => {
    const { device, software, timer } = clint(1);
    device.write(4, 4, 1);
    device.write(0, 1, 1);
    device.write(0x4008, 4, 0);
    device.write(0x400c, 4, 0);
    device.write(0xc000, 4, 1);
    device.write(0xfffc, 4, 1);
    expect([software, timer]).toEqual([[false], [false]]);
    for (const offset of [4, 0x4008, 0xc000, 0xfffc]) expect(device.read(offset, 4)).toBe(0);
    expect(device.read(0xbff8, 2)).toBe(0);
  });
});

describe("CLINT as a part", () => {
  it("refuses a number of harts the layout has no room for", () => {
    expect(() => clint(4096)).toThrow("a CLINT serves 1 to 4095 harts, not 4096");
    expect(() => clint(0)).toThrow("not 0");
  });

  it("describes its connections to the harts", () => {
    const { device } = clint(2);
    const tree = new DeviceTree();
    const harts = [0, 1].map((hart) => tree.root.child(`cpu@${hart}`).child("interrupt-controller"));
    const node = tree.root.add(
      device.fdt({ base: 0x200_0000, size: 0x10000, addressCells: 2, sizeCells: 2 }),
    );
    clintInterrupts(node, harts);
    tree.assignPhandles();
    expect(node.getStrings("compatible")).toEqual(["sifive,clint0", "riscv,clint0"]);
    expect(node.getCells("interrupts-extended")).toEqual([1, 3, 1, 7, 2, 3, 2, 7]);
    expect(node).toBeInstanceOf(FdtNode);
  });

  it("goes on in another machine, negative offset included", async () => {
    const first = clint(2);
    await first.rig.runTo(1_000_000);
    first.write64(0xbff8, 7n);
    first.write64(0x4008, 20n);
    first.device.write(0, 4, 1);
    const saved = throughJson(first.device.state());
    const second = clint(2);
    second.rig.clock.restore(throughJson(first.rig.clock.state()));
    second.device.restore(saved);
    expect(second.device.state()).toEqual(saved);
    expect(second.software).toEqual([true, false]);
    expect(second.read64(0xbff8)).toBe(7n);
    await second.rig.runTo(1_001_299);
    expect(second.timer).toEqual([false, false]);
    await second.rig.runTo(1_001_300);
    expect(second.timer).toEqual([false, true]);
    expect(() => clint(1).device.restore(saved)).toThrow("state of 'clint' is for 2 harts, not 1");
    expect(() => second.device.restore({ ...saved, compare: ["x", "y"] })).toThrow("no valid");
    second.device.reset();
    expect([second.software, second.timer]).toEqual([
      [false, false],
      [false, false],
    ]);
  });
});
