import { describe, expect, it } from "vitest";
import { SeededEntropy } from "../seeded-entropy.js";
import { Rig, throughJson } from "../testing/rig.js";
import { VirtioDriver } from "../testing/virtio-driver.js";
import { VirtioConsole } from "./console.js";
import { VirtioEntropy } from "./entropy.js";
import { EV_ABS, EV_KEY, EV_LED, VirtioInput } from "./input.js";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

describe("virtio-console", () => {
  function console(options: { columns?: number; rows?: number } = {}) {
    const rig = new Rig();
    const device = new VirtioConsole({ sink: rig.output, source: rig.input, ...options });
    const driver = new VirtioDriver(device, { rig });
    return { rig, device, driver };
  }

  it("sends what the driver transmits", () => {
    const { driver, rig } = console();
    const [, transmit] = driver.start().queues;
    expect(transmit!.request(bytes("hello, "), bytes("world")).written).toBe(0);
    expect(rig.output.text()).toBe("hello, world");
  });

  it("receives into waiting buffers, and keeps what does not fit", () => {
    const { driver, rig } = console();
    const [receive] = driver.start().queues;
    rig.input.push("before");
    receive!.add([4]);
    receive!.kick();
    const first = receive!.take()!;
    expect([first.written, text(first.answer)]).toEqual([4, "befo"]);
    receive!.add([16]);
    receive!.kick();
    expect(text(receive!.take()!.answer.subarray(0, 2))).toBe("re");
    driver.acknowledge();
    receive!.add([16]);
    receive!.kick();
    expect(receive!.take()).toBeUndefined();
    rig.input.push("later");
    expect(rig.irq.level).toBe(true);
    expect(text(receive!.take()!.answer.subarray(0, 5))).toBe("later");
  });

  it("has a size that can change, and emergency writes before any driver", () => {
    const { driver, device, rig } = console({ columns: 132, rows: 43 });
    driver.set(0x108, 0x21);
    expect(rig.output.text()).toBe("!");
    driver.start();
    expect([driver.get(0x100, 2), driver.get(0x102, 2), driver.get(0x104)]).toEqual([132, 43, 1]);
    device.resize(80, 24);
    expect([driver.get(0x100, 2), driver.get(0x102, 2), driver.acknowledge()]).toEqual([80, 24, 2]);
    const other = console();
    other.driver.transport.restore(throughJson(driver.transport.state()));
    expect([other.driver.get(0x100, 2), other.driver.get(0x102, 2)]).toEqual([80, 24]);
  });

  it("takes input before the driver exists, without a fault", () => {
    const { driver, rig } = console();
    rig.input.push("early");
    expect(driver.faults).toEqual([]);
    const [receive] = driver.start().queues;
    receive!.add([16]);
    receive!.kick();
    expect(text(receive!.take()!.answer.subarray(0, 5))).toBe("early");
  });
});

describe("virtio-rng", () => {
  it("fills buffers from its source, which is part of its state", () => {
    const driver = new VirtioDriver(new VirtioEntropy(new SeededEntropy(1))).start();
    const expected = new Uint8Array(150);
    new SeededEntropy(1).fill(expected);
    const first = driver.queues[0]!.request(60, 40);
    expect([first.written, first.answer]).toEqual([100, expected.slice(0, 100)]);
    const saved = throughJson(driver.transport.state());
    const fresh = new VirtioEntropy(new SeededEntropy(99));
    fresh.restore(saved.inner as never);
    expect(fresh.state()).toEqual(saved.inner);
    expect(driver.queues[0]!.request(50).answer).toEqual(expected.slice(100));
  });

  it("gives at most 64 KiB for one buffer", () => {
    const driver = new VirtioDriver(new VirtioEntropy(new SeededEntropy(1))).start();
    expect(driver.queues[0]!.request(100_000).written).toBe(65_536);
    // Nothing to fill is no mistake.
    expect(driver.queues[0]!.request(bytes("x")).written).toBe(0);
  });
});

describe("virtio-input", () => {
  function keyboard() {
    const leds: number[][] = [];
    const device = new VirtioInput({
      name: "Keyboard",
      serial: "k-1",
      codes: { [EV_KEY]: [1, 30, 115], [EV_LED]: [0, 1], [EV_ABS]: [0] },
      axes: { 0: { min: 0, max: 32767 } },
      onStatus: (...event) => leds.push(event),
    });
    const driver = new VirtioDriver(device);
    const select = (which: number, sub: number) => {
      driver.set(0x100, which, 1);
      driver.set(0x101, sub, 1);
      const size = driver.get(0x102, 1);
      return Uint8Array.from({ length: size }, (_, at) => driver.get(0x108 + at, 1));
    };
    return { device, driver, select, leds };
  }

  it("tells its name, ids, codes and ranges", () => {
    const { select, driver } = keyboard();
    expect(driver.get(8)).toBe(18);
    expect(text(select(0x01, 0))).toBe("Keyboard");
    expect(text(select(0x02, 0))).toBe("k-1");
    expect([...select(0x03, 0)]).toEqual([6, 0, 0, 0, 0, 0, 1, 0]);
    const keys = select(0x11, EV_KEY);
    expect([keys.length, keys[0], keys[3], keys[14]]).toEqual([15, 0b10, 0b0100_0000, 0b1000]);
    expect([...select(0x11, EV_LED)]).toEqual([0b11]);
    expect(select(0x11, 2).length).toBe(0);
    const axis = select(0x12, 0);
    expect([axis.length, new DataView(axis.buffer).getUint32(4, true)]).toEqual([20, 32767]);
    expect([select(0x12, 1).length, select(0x77, 0).length, select(0, 0).length]).toEqual([0, 0, 0]);
  });

  it("sends events with their report, one to a buffer", () => {
    const { device, driver } = keyboard();
    const [events] = driver.start().queues;
    for (let i = 0; i < 3; i++) events!.add([8]);
    events!.kick();
    device.send({ type: EV_KEY, code: 30, value: 1 });
    expect(driver.rig.irq.level).toBe(true);
    expect([...events!.take()!.answer]).toEqual([1, 0, 30, 0, 1, 0, 0, 0]);
    expect([...events!.take()!.answer]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    // More than there are buffers for waits, and goes through a snapshot.
    device.send({ type: EV_KEY, code: 30, value: 0 });
    expect([...events!.take()!.answer]).toEqual([1, 0, 30, 0, 0, 0, 0, 0]);
    const saved = throughJson(device.state());
    expect(saved.waiting).toEqual([[0, 0, 0, 0, 0, 0, 0, 0]]);
    const other = keyboard();
    other.device.restore(saved);
    expect(throughJson(other.device.state())).toEqual(saved);
  });

  it("keeps a bounded number of events", () => {
    const { device } = keyboard();
    for (let i = 0; i < 2000; i++) device.send({ type: EV_KEY, code: 30, value: i & 1 });
    expect((device.state().waiting as unknown[]).length).toBe(1024);
  });

  it("hears of lights", () => {
    const { driver, leds } = keyboard();
    const [, status] = driver.start().queues;
    status!.request(Uint8Array.of(17, 0, 1, 0, 1, 0, 0, 0));
    expect(leds).toEqual([[17, 1, 1]]);
  });
});
