import { describe, expect, it } from "vitest";
import { InputQueue, OutputBuffer } from "../console/bytes.js";
import { DeviceTree } from "../fdt/tree.js";
import { BusMemory } from "../memory/guest-memory.js";
import { HostMemory } from "../memory/host-memory.js";
import { SystemBus } from "../memory/system-bus.js";
import { EmptyPciBus } from "./empty-pci-bus.js";
import { Htif } from "./htif.js";
import { chacha20Block, SeededEntropy } from "./seeded-entropy.js";
import { type FinisherEvent, finisherActions, TestFinisher } from "./test-finisher.js";
import { throughJson } from "./testing/rig.js";

describe("test finisher", () => {
  it("tells pass, fail with code, and reset", () => {
    const events: FinisherEvent[] = [];
    const device = new TestFinisher((event) => events.push(event));
    device.write(0, 4, 0x5555);
    device.write(0, 4, 0x0007_3333);
    device.write(0, 2, 0x3333);
    device.write(0, 4, 0xffff_7777);
    expect(events).toEqual([
      { kind: "pass" },
      { kind: "fail", code: 7 },
      { kind: "fail", code: 0 },
      { kind: "reset" },
    ]);
    // Neither other values nor other places do anything.
    device.write(0, 4, 0x1234);
    device.write(4, 4, 0x5555);
    device.write(0, 1, 0x55);
    expect([events.length, device.read(0, 4)]).toEqual([4, 0]);
    device.restore(throughJson(device.state()));
    expect(() => device.restore({ version: 3 })).toThrow("'test-finisher' has version 3");
  });

  it("is described as a syscon with power-off and reboot", () => {
    const tree = new DeviceTree();
    const node = tree.root.add(
      new TestFinisher(() => {}).fdt({ base: 0x10_0000, size: 0x1000, addressCells: 2, sizeCells: 2 }),
    );
    finisherActions(tree.root, node);
    tree.assignPhandles();
    expect(tree.find("/test")!.getStrings("compatible")).toEqual(["sifive,test1", "sifive,test0", "syscon"]);
    expect(tree.find("/poweroff")!.getCells("value")).toEqual([0x5555]);
    expect(tree.find("/reboot")!.getCells("regmap")).toEqual([node.phandle]);
    expect(tree.find("/reboot")!.getString("compatible")).toBe("syscon-reboot");
  });
});

describe("PCI bus without devices", () => {
  it("reads as all ones, whatever is written", () => {
    const device = new EmptyPciBus();
    device.write(0x10, 4, 0);
    expect([device.read(0, 2), device.read(0x10, 4), device.read(0xfff_ffff, 1)]).toEqual([
      0xffff, 0xffff_ffff, 0xff,
    ]);
    device.restore(throughJson(device.state()));
    expect(() => device.restore({ version: 2 })).toThrow("'PCI bus' has version 2");
  });
});

describe("HTIF", () => {
  const TOHOST = 0x8000_1000;
  const FROMHOST = 0x8000_1040;

  function htif() {
    const bus = new SystemBus(new HostMemory({ size: 0x40000, arenaSize: 0 }));
    bus.addRam({ name: "ram", base: 0x8000_0000, size: 0x4000, offset: 0x1000 });
    const memory = new BusMemory(bus);
    const [sink, source] = [new OutputBuffer(), new InputQueue()];
    const codes: number[] = [];
    const other: bigint[] = [];
    const device = new Htif({
      memory,
      tohost: TOHOST,
      fromhost: FROMHOST,
      sink,
      source,
      onExit: (code) => codes.push(code),
      onUnsupported: (value) => other.push(value),
    });
    return { memory, sink, source, codes, other, device };
  }

  it("takes the exit code of riscv-tests: (test << 1) | 1", () => {
    const { memory, device, codes } = htif();
    expect(device.poll()).toBe(false);
    memory.writeU64(TOHOST, 1n);
    expect(device.poll()).toBe(true);
    memory.writeU64(TOHOST, (7n << 1n) | 1n);
    device.poll();
    expect(codes).toEqual([0, 7]);
    expect(memory.readU64(TOHOST)).toBe(0n);
  });

  it("prints characters", () => {
    const { memory, device, sink } = htif();
    for (const char of "ok") {
      memory.writeU64(TOHOST, (1n << 56n) | (1n << 48n) | BigInt(char.charCodeAt(0)));
      device.poll();
    }
    expect(sink.text()).toBe("ok");
  });

  it("answers a read once there is a character and room for it", () => {
    const { memory, device, source } = htif();
    const ask = 1n << 56n;
    memory.writeU64(TOHOST, ask);
    device.poll();
    expect(memory.readU64(FROMHOST)).toBe(0n);
    const saved = throughJson(device.state());
    device.reset();
    source.push("hi");
    device.poll();
    expect(memory.readU64(FROMHOST)).toBe(0n);
    device.restore(saved);
    memory.writeU64(FROMHOST, 99n);
    device.poll();
    expect(memory.readU64(FROMHOST)).toBe(99n);
    memory.writeU64(FROMHOST, 0n);
    expect(device.poll()).toBe(true);
    expect(memory.readU64(FROMHOST)).toBe(ask | 0x100n | BigInt("h".charCodeAt(0)));
    memory.writeU64(FROMHOST, 0n);
    expect(device.poll()).toBe(false);
  });

  it("tells of requests it does not know, such as system calls", () => {
    const { memory, device, other, codes } = htif();
    memory.writeU64(TOHOST, 0x8000_2000n);
    device.poll();
    expect([other, codes]).toEqual([[0x8000_2000n], []]);
  });

  it("is silent where tohost is not in RAM", () => {
    const { memory } = htif();
    const codes: number[] = [];
    const device = new Htif({ memory, tohost: 0x1000, onExit: (code) => codes.push(code) });
    expect(device.poll()).toBe(false);
  });
});

describe("seeded entropy", () => {
  it("is ChaCha20 (RFC 8439 section 2.3.2)", () => {
    const key = new Uint32Array(8);
    const view = new DataView(Uint8Array.from({ length: 32 }, (_, index) => index).buffer);
    for (let word = 0; word < 8; word++) key[word] = view.getUint32(4 * word, true);
    // Nonce 00:00:00:09:00:00:00:4a:00:00:00:00; its first word is the upper half of the counter here.
    const block = chacha20Block(key, 0x0900_0000_0000_0001n, [0x4a00_0000, 0]);
    const hex = [...block].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    expect(hex).toBe(
      "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e" +
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e",
    );
  });

  it("depends on the seed alone, not on how it is read", () => {
    const [a, b] = [new SeededEntropy(42), new SeededEntropy(42)];
    const whole = new Uint8Array(300);
    a.fill(whole);
    const parts = new Uint8Array(300);
    for (let at = 0; at < 300; at += 7) b.fill(parts.subarray(at, at + 7));
    expect(parts).toEqual(whole);
    const other = new Uint8Array(300);
    new SeededEntropy(43).fill(other);
    expect(other).not.toEqual(whole);
  });

  it("goes on after a restore in the middle of a block", () => {
    const a = new SeededEntropy(Uint8Array.of(1, 2, 3));
    a.fill(new Uint8Array(100));
    const b = new SeededEntropy(0);
    b.restore(throughJson(a.state()));
    const [x, y] = [new Uint8Array(200), new Uint8Array(200)];
    a.fill(x);
    b.fill(y);
    expect(y).toEqual(x);
  });
});
