import { describe, expect, it } from "vitest";
import type { DeviceWidth, MmioDevice } from "../contracts.js";
import { BusMemory } from "./guest-memory.js";
import { HostMemory, MAX_HOST_MEMORY } from "./host-memory.js";
import { BUS_FAULT, SystemBus } from "./system-bus.js";

const MIB = 1024 * 1024;

function host(): HostMemory {
  return new HostMemory({ size: 4 * MIB, arenaSize: MIB });
}

/** Registers of 32 bits that remember every access. */
class Probe implements MmioDevice {
  readonly log: string[] = [];
  read(offset: number, width: DeviceWidth): number {
    this.log.push(`r${width}@${offset}`);
    return 0xf000_0000 + offset;
  }
  write(offset: number, width: DeviceWidth, value: number): void {
    this.log.push(`w${width}@${offset}=${value.toString(16)}`);
  }
}

describe("HostMemory", () => {
  it("has an arena, then frames", () => {
    const memory = host();
    expect(memory.bytes.length).toBe(4 * MIB);
    expect(memory.allocZeroed()).toBe(MIB);
    expect(memory.frames.freeFrames).toBe((3 * MIB) / 4096 - 1);
  });

  it("gives zeros, where frames were in use before as well", () => {
    const memory = host();
    const first = memory.allocZeroed(2)!;
    memory.write(first, new Uint8Array(8192).fill(7));
    memory.free(first + 4096);
    const written: [number, number][] = [];
    memory.onWrite((offset, length) => written.push([offset, length]));
    expect(memory.allocZeroed()).toBe(first + 4096);
    expect(memory.bytes.subarray(first, first + 8192).indexOf(0)).toBe(4096);
    memory.free(first, 2);
    // Two frames were in use, one was not.
    expect(memory.allocZeroed(3)).toBe(first);
    expect(written).toEqual([
      [first + 4096, 4096],
      [first, 8192],
    ]);
    expect(memory.bytes.subarray(first, first + 3 * 4096).every((byte) => byte === 0)).toBe(true);
  });

  it("says what is wrong with its sizes", () => {
    const make =
      (size: number, arenaSize = 0) =>
      () =>
        new HostMemory({ size, arenaSize });
    expect(make(MAX_HOST_MEMORY + 65536)).toThrow("over the limit of 4 GiB");
    expect(make(0)).toThrow("over the limit");
    expect(make(65537)).toThrow("not a multiple of 64 KiB");
    expect(make(65536, 100)).toThrow("not a multiple of 4 KiB");
    expect(make(65536, 65536)).toThrow("engine arena of 64 KiB leaves no frame in 64 KiB of host memory");
  });

  it("reserves the full 4 GiB", () => {
    const memory = new HostMemory({ size: MAX_HOST_MEMORY, arenaSize: 0 });
    memory.write(MAX_HOST_MEMORY - 4, Uint8Array.of(1, 2, 3, 4));
    expect(memory.view.getUint32(MAX_HOST_MEMORY - 4, true)).toBe(0x04030201);
  });

  it("tells listeners of every write and forgets removed ones", () => {
    const memory = host();
    const seen: [number, number][] = [];
    const remove = memory.onWrite((offset, length) => seen.push([offset, length]));
    memory.write(MIB, Uint8Array.of(1, 2));
    memory.fill(2 * MIB, 4096, 0);
    remove();
    memory.write(MIB, Uint8Array.of(3));
    expect(seen).toEqual([
      [MIB, 2],
      [2 * MIB, 4096],
    ]);
    expect(() => memory.write(4 * MIB - 1, Uint8Array.of(1, 2))).toThrow("outside host memory");
  });

  it("hands out zeroed frames", () => {
    const memory = host();
    const frame = memory.allocZeroed(2)!;
    memory.fill(frame, 8192, 0xff);
    memory.free(frame, 2);
    const again = memory.allocZeroed(2)!;
    expect(again).toBe(frame);
    expect(memory.bytes.subarray(again, again + 8192).every((byte) => byte === 0)).toBe(true);
  });

  it("can be shared", () => {
    const memory = new HostMemory({ size: 65536, arenaSize: 0, shared: true });
    expect(memory.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});

describe("SystemBus", () => {
  function bus() {
    const memory = host();
    const result = new SystemBus(memory);
    const probe = new Probe();
    result.addRam({ name: "ram", base: 0x8000_0000, size: MIB, offset: MIB });
    result.addDevice({ name: "probe", base: 0x1000_0000, size: 0x100, device: probe });
    return { memory, bus: result, probe };
  }

  it("names both regions of an overlap", () => {
    const { bus: b, probe } = bus();
    expect(() => b.addDevice({ name: "late", base: 0x1000_00f8, size: 0x10, device: probe })).toThrow(
      "'late' at 0x100000f8..0x10000108 overlaps 'probe' at 0x10000000..0x10000100",
    );
    expect(() => b.addDevice({ name: "all", base: 0, size: 2 ** 40, device: probe })).toThrow(
      "overlaps 'ram'",
    );
    expect(() => b.addRam({ name: "r2", base: 0x8000_f000, size: 4096, offset: 0 })).toThrow(
      "overlaps 'ram'",
    );
    expect(() => b.addRam({ name: "r2", base: 0x100, size: 4096, offset: 0 })).toThrow("not aligned");
    expect(() => b.addRam({ name: "r2", base: 0, size: 8 * MIB, offset: 0 })).toThrow("outside host memory");
    expect(() => b.addDevice({ name: "x", base: 2 ** 52 - 4, size: 8, device: probe })).toThrow(
      "beyond 52 bits",
    );
    expect(() => b.addDevice({ name: "x", base: -4, size: 8, device: probe })).toThrow("no valid base");
    expect(b.regions.map((region) => region.name)).toEqual(["probe", "ram"]);
  });

  it("translates RAM addresses at both ends and nothing else", () => {
    const { bus: b } = bus();
    expect(b.ramOffset(0x8000_0000)).toBe(MIB);
    expect(b.ramOffset(0x800f_ffff)).toBe(2 * MIB - 1);
    expect(b.ramOffset(0x8010_0000)).toBe(-1);
    expect(b.ramOffset(0x7fff_ffff)).toBe(-1);
    expect(b.ramOffset(0x1000_0000)).toBe(-1);
    expect(b.ramRun(0x800f_f000)).toBe(0x1000);
  });

  it("dispatches to devices by offset and width", () => {
    const { bus: b, probe } = bus();
    expect(b.read(0x1000_0010, 4)).toBe(0xf000_0010);
    expect(b.write(0x1000_00ff, 1, 0xab)).toBe(true);
    expect(probe.log).toEqual(["r4@16", "w1@255=ab"]);
  });

  it("splits 8-byte device accesses, low half first", () => {
    const { bus: b, probe } = bus();
    expect(b.read(0x1000_0008, 8)).toBe(0xf000_0008);
    expect(b.high).toBe(0xf000_000c);
    b.write(0x1000_0008, 8, 0x1111, 0x2222);
    expect(probe.log).toEqual(["r4@8", "r4@12", "w4@8=1111", "w4@12=2222"]);
  });

  it("faults where nothing answers", () => {
    const { bus: b, probe } = bus();
    expect(b.read(0x5000_0000, 4)).toBe(BUS_FAULT);
    expect(b.write(0x5000_0000, 4, 1)).toBe(false);
    expect(b.read(0x1000_0001, 2)).toBe(BUS_FAULT);
    expect(b.read(0x1000_00fc, 8)).toBe(BUS_FAULT);
    expect(b.write(0x1000_0004, 8, 1, 2)).toBe(false);
    expect(b.read(0x800f_fffc, 8)).toBe(BUS_FAULT);
    expect(b.write(0x800f_ffff, 2, 1)).toBe(false);
    expect(probe.log).toEqual([]);
  });

  it("reads and writes RAM of every width, telling of the write", () => {
    const { bus: b, memory } = bus();
    const seen: [number, number][] = [];
    memory.onWrite((offset, length) => seen.push([offset, length]));
    expect(b.write(0x8000_0008, 8, 0x89abcdef, 0x01234567)).toBe(true);
    expect(seen).toEqual([[MIB + 8, 8]]);
    expect(b.read(0x8000_0008, 8)).toBe(0x89abcdef);
    expect(b.high).toBe(0x01234567);
    expect([b.read(0x8000_0009, 1), b.read(0x8000_0009, 2), b.read(0x8000_000a, 4)]).toEqual([
      0xcd, 0xabcd, 0x456789ab,
    ]);
  });

  it("puts a device over a page of RAM", () => {
    const { bus: b, probe } = bus();
    const changes: number[] = [];
    b.onChange(() => changes.push(1));
    b.overlay({ name: "tohost", base: 0x8000_1000, size: 0x1000, device: probe });
    expect(changes.length).toBeGreaterThan(0);
    expect(b.ramOffset(0x8000_0fff)).toBe(MIB + 0xfff);
    expect(b.ramOffset(0x8000_1000)).toBe(-1);
    expect(b.read(0x8000_1008, 4)).toBe(0xf000_0008);
    expect(b.ramOffset(0x8000_2000)).toBe(MIB + 0x2000);
    expect(() => b.overlay({ name: "x", base: 0x9000_0000, size: 0x1000, device: probe })).toThrow(
      "not inside RAM",
    );
  });

  it("finds each of many regions, and the gaps", () => {
    const b = new SystemBus(host());
    const probe = new Probe();
    for (const i of [5, 3, 9, 1, 7, 0, 8, 2, 6, 4]) {
      b.addDevice({ name: `d${i}`, base: i * 0x1000, size: 0x800, device: probe });
    }
    for (let i = 0; i < 10; i++) {
      expect(b.find(i * 0x1000)?.name).toBe(`d${i}`);
      expect(b.find(i * 0x1000 + 0x7ff)?.name).toBe(`d${i}`);
      expect(b.find(i * 0x1000 + 0x800)).toBeUndefined();
    }
    b.remove(0x3000);
    expect(b.find(0x3000)).toBeUndefined();
    expect(b.find(0x4000)?.name).toBe("d4");
    expect(() => b.remove(0x3000)).toThrow("no region starts at 0x3000");
  });
});

describe("BusMemory", () => {
  function guest() {
    const memory = host();
    const bus = new SystemBus(memory);
    // Adjacent guest addresses, apart in host memory.
    bus.addRam({ name: "low", base: 0x8000_0000, size: 0x1000, offset: 2 * MIB });
    bus.addRam({ name: "high", base: 0x8000_1000, size: 0x1000, offset: MIB });
    bus.addDevice({ name: "probe", base: 0x8000_2000, size: 0x100, device: new Probe() });
    return { memory, ram: new BusMemory(bus) };
  }

  it("runs over adjacent regions", () => {
    const { memory, ram } = guest();
    const seen: [number, number][] = [];
    memory.onWrite((offset, length) => seen.push([offset, length]));
    ram.write(0x8000_0ffe, Uint8Array.of(1, 2, 3, 4));
    expect(seen).toEqual([
      [2 * MIB + 0xffe, 2],
      [MIB, 2],
    ]);
    expect([...ram.read(0x8000_0ffd, 6)]).toEqual([0, 1, 2, 3, 4, 0]);
    expect(ram.readU32(0x8000_0ffe)).toBe(0x04030201);
    ram.writeU64(0x8000_0ffc, 0x1122334455667788n);
    expect(ram.readU64(0x8000_0ffc)).toBe(0x1122334455667788n);
    expect(ram.readU16(0x8000_0fff)).toBe(0x4455);
  });

  it("reads and writes little-endian scalars", () => {
    const { ram, memory } = guest();
    let writes = 0;
    memory.onWrite(() => writes++);
    ram.writeU8(0x8000_0000, 0x11);
    ram.writeU16(0x8000_0002, 0x2233);
    ram.writeU32(0x8000_0004, 0x44556677);
    ram.writeU64(0x8000_0008, 0x8899aabbccddeeffn);
    expect(writes).toBe(4);
    expect(ram.readU8(0x8000_0008)).toBe(0xff);
    expect(ram.readU32(0x8000_0000)).toBe(0x22330011);
    ram.fill(0x8000_0000, 16, 0x5a);
    expect(ram.readU64(0x8000_0008)).toBe(0x5a5a5a5a5a5a5a5an);
  });

  it("says which ranges it has", () => {
    const { ram } = guest();
    expect(ram.contains(0x8000_0000, 0x2000)).toBe(true);
    expect(ram.contains(0x8000_0000, 0x2001)).toBe(false);
    expect(ram.contains(0x8000_1fff, 0)).toBe(true);
    expect(ram.contains(0x7fff_ffff, 1)).toBe(false);
    for (const bad of [Number.NaN, -1, 2 ** 60, 0.5]) expect(ram.contains(bad, 1)).toBe(false);
    expect(ram.contains(0x8000_0000, Number.NaN)).toBe(false);
  });

  it("throws OutOfRange and writes nothing when a range is not all RAM", () => {
    const { ram } = guest();
    expect(() => ram.write(0x8000_1fff, Uint8Array.of(7, 7))).toThrow(
      "0x80001fff..0x80002001 is not all RAM",
    );
    expect(ram.readU8(0x8000_1fff)).toBe(0);
    expect(() => ram.read(0x8000_0000, 2 ** 40)).toThrow("is not all RAM");
    expect(() => ram.readU32(0x8000_1ffe)).toThrow("is not all RAM");
    expect(() => ram.writeU64(0x1000, 1n)).toThrow(expect.objectContaining({ code: "OutOfRange" }));
    expect(ram.read(0, 0).length).toBe(0);
  });
});
