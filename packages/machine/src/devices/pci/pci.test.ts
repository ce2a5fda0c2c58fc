import { describe, expect, it } from "vitest";
import type { DeviceWidth, MmioDevice } from "../../contracts.js";
import { TestLine, throughJson } from "../testing/rig.js";
import { PciConfigPorts } from "./config-ports.js";
import { assignPciResources } from "./firmware.js";
import { PciFunction } from "./function.js";
import { PciHost } from "./host.js";
import { GenericHostBridge, MemoryControllerHub } from "./host-bridges.js";

const IDENTITY = {
  vendor: 0x1234,
  device: 0x5678,
  classCode: 0xff0203,
  subsystemVendor: 0x9abc,
  subsystem: 0xdef0,
};

/** Registers that remember what was done to them. */
class Storage implements MmioDevice {
  readonly bytes = new DataView(new ArrayBuffer(0x1000));
  read(offset: number, width: DeviceWidth): number {
    return width === 4 ? this.bytes.getUint32(offset, true) : this.bytes.getUint8(offset);
  }
  write(offset: number, width: DeviceWidth, value: number): void {
    if (width === 4) this.bytes.setUint32(offset, value, true);
    else this.bytes.setUint8(offset, value);
  }
}

/** A BAR of each kind, and MSI-X. */
class TestFunction extends PciFunction {
  readonly ports = new Storage();
  readonly small = new Storage();
  readonly large = new Storage();

  constructor({ messages = true, pin = 1 }: { readonly messages?: boolean; readonly pin?: number } = {}) {
    super({ ...IDENTITY, interruptPin: pin });
    this.addBar(0, { kind: "ports", size: 0x20, device: this.ports });
    this.addBar(1, { kind: "memory32", size: 0x100, device: this.small });
    this.addBar(2, { kind: "memory64", prefetchable: true, size: 0x1000, device: this.large });
    if (messages) this.addMsiX(4, 3);
  }
}

function bus(count = 1) {
  const lines = [new TestLine(), new TestLine()];
  const messages: [number, number][] = [];
  const host = new PciHost({
    lines,
    lineOf: (device, pin) => (device + pin) % 2,
    message: (address, data) => messages.push([address, data]),
  });
  host.add(() => new MemoryControllerHub(0xb000_0000));
  const functions = Array.from({ length: count }, () =>
    host.add(({ messages: on }) => new TestFunction({ messages: on })),
  );
  return { host, lines, messages, functions, func: functions[0]! };
}

/** Offset in ECAM of a register of a device. */
const at = (device: number, register: number) => device * 0x8000 + register;

describe("configuration space", () => {
  it("says who the function is", () => {
    const { host } = bus();
    const words = [0, 8, 0x2c].map((register) => host.read(at(1, register), 4).toString(16));
    expect(words).toEqual(["56781234", "ff020300", "def09abc"]);
    expect([host.read(at(1, 2), 2), host.read(at(1, 0x0b), 1)]).toEqual([0x5678, 0xff]);
    expect(host.read(at(1, 0x3d), 1)).toBe(1);
    expect(host.read(at(0, 0), 4)).toBe(0x29c0_8086);
  });

  it("gives ones where nobody answers, and takes writes there", () => {
    const { host } = bus();
    for (const offset of [at(2, 0), at(1, 0x1000), at(1, 0x100), at(1, 0xfff), 0x10_0000, 0xfff_fffc]) {
      host.write(offset, 1, 0);
      expect([host.read(offset, 1), host.read(offset & ~3, 4)]).toEqual([0xff, 0xffff_ffff]);
    }
  });

  it("keeps what is read-only", () => {
    const { host } = bus();
    for (let register = 0; register < 0x100; register += 4) host.write(at(1, register), 4, 0xffff_ffff);
    expect(host.read(at(1, 0), 4)).toBe(0x5678_1234);
    // Command bits that there are; of the status, the list of capabilities.
    expect(host.read(at(1, 4), 4)).toBe(0x0010_0507);
    expect(host.read(at(1, 0x0c), 4)).toBe(0xff);
    expect(host.read(at(1, 0x3c), 4)).toBe(0x1ff);
  });

  it("tells the sizes of BARs", () => {
    const { host } = bus();
    const sizes = [0, 1, 2, 3, 4, 5].map((index) => {
      const register = at(1, 0x10 + 4 * index);
      const before = host.read(register, 4);
      host.write(register, 4, 0xffff_ffff);
      return [before, host.read(register, 4)].map((value) => value.toString(16));
    });
    expect(sizes).toEqual([
      ["1", "ffffffe1"],
      ["0", "ffffff00"],
      ["c", "fffff00c"],
      ["0", "ffffffff"],
      ["0", "fffff000"],
      ["0", "0"],
    ]);
  });

  it("is reached by address and data register, too", () => {
    const { host } = bus();
    const beside = new Storage();
    const ports = new PciConfigPorts({ host, beside });
    expect(ports.read(4, 4)).toBe(0xffff_ffff);
    ports.write(0, 4, 0x8000_0803);
    expect(ports.read(0, 4)).toBe(0x8000_0800);
    expect([ports.read(4, 4), ports.read(6, 2), ports.read(7, 1)]).toEqual([0x5678_1234, 0x5678, 0x56]);
    ports.write(0, 4, 0x8000_083c);
    ports.write(4, 1, 0x5a);
    expect(host.read(at(1, 0x3c), 4)).toBe(0x15a);
    // Another bus, another function, a device that is not there; and not enabled.
    for (const address of [0x8001_0800, 0x8000_0900, 0x8000_1000, 0x0000_0800]) {
      ports.write(0, 4, address);
      expect(ports.read(4, 4)).toBe(0xffff_ffff);
    }
    // Narrower accesses of the address register are somebody else's.
    ports.write(1, 1, 6);
    expect([beside.bytes.getUint8(1), ports.read(1, 1), ports.read(0, 4)]).toEqual([6, 6, 0x800]);
    const again = new PciConfigPorts({ host });
    again.restore(throughJson(ports.state()));
    expect([again.read(0, 4), again.read(1, 1)]).toEqual([0x800, 0xff]);
  });
});

describe("windows", () => {
  it("show BARs that are decoded, where they are", () => {
    const { host, func } = bus();
    const memory = host.window("memory", 0xc000_0000);
    const ports = host.window("ports", 0xc000);
    host.write(at(1, 0x10), 4, 0xc100);
    host.write(at(1, 0x14), 4, 0xc000_1000);
    host.write(at(1, 0x18), 4, 0xc000_2000);
    func.small.write(4, 4, 0x1111);
    func.large.write(0, 4, 0x2222);
    expect([memory.read(0x1004, 4), ports.read(0x100, 4)]).toEqual([0xffff_ffff, 0xffff_ffff]);
    host.write(at(1, 4), 2, 2);
    expect([memory.read(0x1004, 4), memory.read(0x2000, 4), ports.read(0x100, 1)]).toEqual([
      0x1111, 0x2222, 0xff,
    ]);
    host.write(at(1, 4), 2, 1);
    ports.write(0x11c, 4, 0x3333);
    expect([memory.read(0x1004, 4), ports.read(0x11c, 4)]).toEqual([0xffff_ffff, 0x3333]);
    // Across its end, and behind it.
    expect([ports.read(0x11e, 4), ports.read(0x120, 1)]).toEqual([0xffff_ffff, 0xff]);
    host.write(at(1, 4), 2, 2);
    host.write(at(1, 0x1c), 4, 1);
    expect(memory.read(0x2000, 4)).toBe(0xffff_ffff);
    host.reset();
    expect(memory.read(0x1004, 4)).toBe(0xffff_ffff);
  });

  it("are filled by firmware, the largest first, without overlaps", () => {
    const { host, functions } = bus(3);
    const resources = {
      memory: { base: 0xfe00_0000, size: 0x10_0000 },
      ports: { base: 0xc000, size: 0x100 },
      interruptLine: (device: number) => 5 + device,
    };
    assignPciResources(host, resources);
    const ranges = functions.flatMap(({ bars }) =>
      bars.map(({ address, spec }) => ({ start: address, end: address + spec.size, size: spec.size })),
    );
    ranges.sort((a, b) => a.start - b.start);
    for (const [i, { start, size }] of ranges.entries()) {
      expect(start % size).toBe(0);
      if (i > 0) expect(start).toBeGreaterThanOrEqual(ranges[i - 1]!.end);
    }
    expect(ranges[0]!.start).toBe(0xc000);
    expect(ranges[3]!.start).toBe(0xfe00_0000);
    expect([host.read(at(2, 4), 2), host.read(at(2, 0x3c), 1)]).toEqual([7, 7]);
    expect(() => assignPciResources(host, { ...resources, ports: { base: 0xc000, size: 0x40 } })).toThrow(
      "the PCI devices do not fit the window at 0xc000",
    );
  });
});

describe("interrupt pins", () => {
  it("share lines: a line is high while any pin is", () => {
    const { lines, functions, host } = bus(3);
    functions[0]!.setInterrupt(true);
    functions[2]!.setInterrupt(true);
    expect(lines.map(({ level }) => level)).toEqual([true, false]);
    expect(host.read(at(1, 6), 2) & 8).toBe(8);
    functions[0]!.setInterrupt(false);
    expect([lines[0]!.level, host.read(at(1, 6), 2) & 8]).toEqual([true, 0]);
    functions[1]!.setInterrupt(true);
    functions[2]!.setInterrupt(false);
    expect(lines.map(({ level }) => level)).toEqual([false, true]);
  });

  it("can be disabled; the status tells all the same", () => {
    const { lines, func, host } = bus();
    func.setInterrupt(true);
    host.write(at(1, 4), 2, 0x400);
    expect([lines[0]!.level, host.read(at(1, 6), 2) & 8]).toEqual([false, 8]);
    host.write(at(1, 4), 2, 0);
    expect(lines[0]!.level).toBe(true);
  });
});

describe("MSI-X", () => {
  const CONTROL = 2;
  const ENABLE = 0x8000;
  const MASK_ALL = 0x4000;

  function messages() {
    const all = bus();
    const { host } = all;
    host.write(at(1, 4), 2, 6);
    host.write(at(1, 0x20), 4, 0xc000_0000);
    const capability = host.read(at(1, 0x34), 1);
    const table = host.window("memory", 0xc000_0000);
    for (const vector of [0, 1, 2]) {
      table.write(16 * vector, 4, 0xfee0_1000);
      table.write(16 * vector + 4, 4, vector === 2 ? 1 : 0);
      table.write(16 * vector + 8, 4, 0x40 + vector);
      table.write(16 * vector + 12, 4, 0);
    }
    const control = (value: number) => host.write(at(1, capability + CONTROL), 2, value);
    return { ...all, capability, table, control, msix: all.func.msix! };
  }

  it("is told of by a capability", () => {
    const { host, capability } = messages();
    const words = [0, 4, 8].map((offset) => host.read(at(1, capability + offset), 4).toString(16));
    expect(words).toEqual(["20011", "4", "804"]);
    expect(host.read(at(1, 6), 2) & 0x10).toBe(0x10);
  });

  it("sends when on, by the vector's address and data", () => {
    const { msix, control, messages: sent } = messages();
    msix.signal(1);
    expect(sent).toEqual([]);
    control(ENABLE);
    msix.signal(1);
    msix.signal(2);
    msix.signal(3);
    expect(sent).toEqual([
      [0xfee0_1000, 0x41],
      [0x1_fee0_1000, 0x42],
    ]);
  });

  it("keeps what is masked until it is not", () => {
    const { msix, control, table, messages: sent } = messages();
    control(ENABLE | MASK_ALL);
    msix.signal(0);
    msix.signal(2);
    expect([sent.length, table.read(0x800, 4), table.read(0x804, 4)]).toEqual([0, 5, 0]);
    table.write(0x800, 4, 0);
    table.write(16 * 2 + 12, 4, 1);
    control(ENABLE);
    expect([sent, table.read(0x800, 4)]).toEqual([[[0xfee0_1000, 0x40]], 4]);
    msix.signal(2);
    table.write(16 * 2 + 12, 4, 0);
    expect([sent.length, table.read(0x800, 4)]).toEqual([2, 0]);
  });

  it("begins masked, and is of words only", () => {
    const { func, host } = bus();
    host.write(at(1, 4), 2, 6);
    host.write(at(1, 0x20), 4, 0xc000_0000);
    const table = host.window("memory", 0xc000_0000);
    expect([0, 4, 8, 12].map((offset) => table.read(offset, 4))).toEqual([0, 0, 0, 1]);
    table.write(8, 2, 0x1234);
    expect([table.read(8, 4), table.read(12, 1), table.read(0x30, 4)]).toEqual([0, 1, 0]);
    expect(func.msix!.enabled).toBe(false);
  });

  it("needs a bus master", () => {
    const { msix, control, host, messages: sent } = messages();
    control(ENABLE);
    host.write(at(1, 4), 2, 2);
    msix.signal(0);
    expect(sent).toEqual([]);
  });

  it("is not there where nothing takes messages", () => {
    const host = new PciHost({ lines: [new TestLine()], lineOf: () => 0 });
    host.add(() => new GenericHostBridge());
    host.add(({ messages: on }) => new TestFunction({ messages: on }));
    expect([host.read(at(0, 0), 4), host.read(at(1, 0x34), 1), host.read(at(1, 6), 2)]).toEqual([
      0x0008_1b36, 0, 0,
    ]);
  });
});

describe("a bus", () => {
  it("has 32 devices", () => {
    const { host } = bus(31);
    expect(() => host.add(() => new TestFunction())).toThrow("no room for another one");
    expect(() => host.add(() => new TestFunction(), 3)).toThrow("the PCI bus has a device 3 already");
    expect(() => host.add(() => new TestFunction(), 32)).toThrow("32 devices");
  });

  it("is in snapshots, interrupts that wait included", () => {
    const { host, func } = bus(2);
    assignPciResources(host, {
      memory: { base: 0xfe00_0000, size: 0x10_0000 },
      ports: { base: 0xc000, size: 0x100 },
      interruptLine: () => 11,
    });
    host.write(at(1, func.config.bytes[0x34]! + 2), 2, 0xc000);
    func.msix!.signal(1);
    func.setInterrupt(true);
    const saved = throughJson(host.state());
    const other = bus(2);
    other.host.restore(saved);
    expect(other.host.state()).toEqual(host.state());
    expect(other.lines[0]!.level).toBe(true);
    expect(other.func.bars.map(({ address }) => address)).toEqual(func.bars.map(({ address }) => address));
    other.host.write(at(1, func.config.bytes[0x34]! + 2), 2, 0x8000);
    expect(other.messages).toEqual([]);
    expect(() => bus(1).host.restore(saved)).toThrow("the snapshot has other PCI devices than this machine");
  });

  it("survives whatever is written anywhere", () => {
    const { host } = bus(2);
    const windows = [
      host.window("memory", 0xc000_0000),
      host.window("ports", 0),
      host,
      new PciConfigPorts({ host }),
    ];
    let seed = 1;
    const random = (limit: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * limit);
    };
    for (let i = 0; i < 50_000; i++) {
      const target = windows[random(4)]!;
      const width = ([1, 2, 4] as const)[random(3)]!;
      const limit = [0x4000, 0x1_0000, 0x2_0000, 8][windows.indexOf(target)]!;
      const offset = random(limit / width) * width;
      if (random(2) === 0) target.write(offset, width, random(2 ** (8 * width)));
      const value = target.read(offset, width);
      if (!(value >= 0 && value < 2 ** (8 * width))) throw new Error(`read ${value} at ${offset}`);
    }
    expect(host.read(at(1, 0), 4)).toBe(0x5678_1234);
    host.restore(throughJson(host.state()));
  });
});
