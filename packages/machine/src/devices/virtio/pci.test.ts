import { describe, expect, it } from "vitest";
import type { MmioDevice } from "../../contracts.js";
import { Echo } from "../testing/echo-device.js";
import { throughJson } from "../testing/rig.js";
import { VirtioPciDriver } from "../testing/virtio-pci-driver.js";
import { VIRTIO_ID_BLOCK } from "./constants.js";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** A device whose kind has a legacy interface, too. */
class Transitional extends Echo {
  override readonly deviceId = VIRTIO_ID_BLOCK;
}

const modern = () => new VirtioPciDriver(new Echo());
const transitional = () => new VirtioPciDriver(new Transitional());
const legacy = () => new VirtioPciDriver(new Transitional(), { legacy: true });

describe("virtio-pci, who it is", () => {
  it("has numbers of virtio 1.x, or those of transitional devices", () => {
    const ids = [modern(), transitional()].map((driver) => [
      driver.config(0, 4).toString(16),
      driver.config(8, 1),
      driver.config(0x2e, 2),
      driver.config(0x10, 1) & 1,
    ]);
    expect(ids).toEqual([
      ["106a1af4", 1, 0x1100, 0],
      ["10011af4", 0, 2, 1],
    ]);
  });

  it("says where its registers are", () => {
    const driver = modern();
    expect(driver.capabilities().map(({ id, offset }) => [id, offset])).toEqual([
      [0x11, 0x98],
      [9, 0x84],
      [9, 0x70],
      [9, 0x60],
      [9, 0x50],
      [9, 0x40],
    ]);
    const regions = [1, 2, 3, 4].map((type) => driver.region(type).address - driver.region(1).address);
    expect(regions).toEqual([0, 0x3000, 0x1000, 0x2000]);
  });
});

describe("virtio-pci's modern registers", () => {
  it("show features, queues and configuration", () => {
    const driver = modern();
    const features = [0, 1, 2].map((word) => {
      driver.set(0, 4, word);
      return driver.get(4, 4);
    });
    expect(features).toEqual([0x3000_0008, 1, 0]);
    expect(driver.get(0x12, 2)).toBe(2);
    const sizes = [0, 1, 2].map((index) => {
      driver.set(0x16, 2, index);
      return [driver.get(0x18, 2), driver.get(0x1e, 2), driver.get(0x1c, 2)];
    });
    expect(sizes).toEqual([
      [16, 0, 0],
      [4, 1, 0],
      [0, 2, 0],
    ]);
    const { address } = driver.region(4);
    expect([driver.memory.read(address, 4), driver.memory.read(address + 4, 2)]).toEqual([
      0x0403_0201, 0x0605,
    ]);
    driver.memory.write(address + 5, 1, 0xaa);
    expect((driver.func.registers.device as Echo).written).toEqual([[5, 1, 0xaa]]);
  });

  it("carry a request, interrupt by the pin, and acknowledge by being read", () => {
    const driver = modern().start();
    driver.set(0x16, 2, 1);
    const [desc, avail, used] = [0x20, 0x28, 0x30].map((register) => driver.get(register, 4));
    const queue = driver.queues[1]!;
    expect([desc, avail, used]).toEqual([queue.descriptors, queue.available, queue.used]);
    expect(text(queue.request(bytes("hello"), 8).answer.subarray(0, 5))).toBe("olleh");
    expect([driver.line.level, driver.cause(), driver.line.level, driver.cause()]).toEqual([
      true,
      1,
      false,
      0,
    ]);
    expect(driver.messages).toEqual([]);
  });

  it("interrupt by vectors, when there are", () => {
    const driver = modern().start({ vectors: true });
    driver.queues[1]!.request(bytes("x"), 1);
    driver.queues[0]!.request(bytes("x"), 1);
    driver.func.registers.configChanged();
    expect(driver.messages.map(([, data]) => data)).toEqual([0x32, 0x31, 0x30]);
    expect([driver.line.rises, driver.cause()]).toEqual([0, 0]);
    // A vector that there is not, and none.
    driver.set(0x16, 2, 0);
    driver.set(0x1a, 2, 7);
    expect(driver.get(0x1a, 2)).toBe(0xffff);
    driver.queues[0]!.request(bytes("x"), 1);
    expect([driver.messages.length, driver.line.rises]).toEqual([3, 0]);
    driver.set(0x14, 1, 0);
    expect([driver.get(0x10, 2), driver.get(0x1a, 2)]).toEqual([0xffff, 0xffff]);
  });

  it("refuse features that were not offered, and queues that make no sense", () => {
    const driver = modern();
    expect(() => driver.start({ accept: 1n })).toThrow("refused");
    driver.set(0x14, 1, 0);
    driver.set(0x16, 2, 0);
    driver.set(0x18, 2, 3);
    driver.set(0x1c, 2, 1);
    expect(driver.faults).toEqual(["echo: queue 0 has size 3, not a power of two up to 1024"]);
    expect(driver.get(0x14, 1) & 64).toBe(64);
  });

  it("wait for the function to be bus master", () => {
    const driver = modern().start();
    driver.setConfig(4, 2, 3);
    const queue = driver.queues[0]!;
    queue.add([bytes("ab"), 2]);
    driver.kick(0);
    expect(queue.take()).toBeUndefined();
    driver.setConfig(4, 2, 7);
    expect(text(queue.take()!.answer)).toBe("ba");
  });

  it("are reached from configuration space", () => {
    const driver = modern();
    const { capability } = driver.region(5);
    const access = (offset: number, length: number) => {
      driver.setConfig(capability + 4, 1, 4);
      driver.setConfig(capability + 8, 4, offset);
      driver.setConfig(capability + 12, 4, length);
    };
    access(0x2000, 4);
    expect(driver.config(capability + 16, 4)).toBe(0x0403_0201);
    access(0x14, 1);
    driver.setConfig(capability + 16, 1, 1);
    expect([driver.get(0x14, 1), driver.config(capability + 16, 1)]).toEqual([1, 1]);
    // What is no access does nothing.
    for (const [offset, length] of [
      [0x14, 3],
      [0x3fff, 4],
      [0x4000, 1],
      [0xffff_fffc, 4],
    ] as const) {
      access(offset, length);
      driver.setConfig(capability + 16, 4, 0);
      driver.config(capability + 16, 4);
    }
    expect(driver.get(0x14, 1)).toBe(1);
  });
});

describe("virtio-pci's legacy registers", () => {
  it("carry a request", () => {
    const driver = legacy().start();
    expect([driver.port(0, 4), driver.port(18, 1)]).toEqual([0x3000_0008, 7]);
    const queue = driver.queues[0]!;
    driver.setPort(14, 2, 0);
    expect(driver.port(8, 4)).toBe(queue.descriptors / 4096);
    expect(text(queue.request(bytes("legacy"), 6).answer)).toBe("ycagel");
    expect([driver.line.level, driver.cause(), driver.line.level]).toEqual([true, 1, false]);
    expect([driver.port(20, 4), driver.port(24, 2), driver.port(26, 1)]).toEqual([0x0403_0201, 0x0605, 0]);
  });

  it("have vectors before the configuration when MSI-X is on", () => {
    const driver = legacy().start({ vectors: true });
    driver.setPort(14, 2, 0);
    expect([driver.port(20, 2), driver.port(22, 2), driver.port(24, 4)]).toEqual([0, 1, 0x0403_0201]);
    driver.queues[0]!.request(bytes("x"), 1);
    expect(driver.messages).toEqual([[0xfee0_0000, 0x31]]);
  });

  it("make the function bus master: old drivers know nothing of it", () => {
    const driver = legacy();
    driver.setConfig(4, 2, 3);
    driver.start();
    expect(driver.config(4, 2)).toBe(7);
    expect(text(driver.queues[0]!.request(bytes("ab"), 2).answer)).toBe("ba");
  });

  it("leave the device to a modern driver that comes later", () => {
    const driver = new VirtioPciDriver(new Transitional(), { legacy: true }).start();
    driver.set(0x14, 1, 0);
    expect(driver.port(18, 1)).toBe(0);
    expect(driver.func.registers.status).toBe(0);
    driver.set(0x14, 1, 3);
    driver.set(8, 4, 1);
    driver.set(0xc, 4, 3);
    driver.set(0x14, 1, 11);
    expect(driver.get(0x14, 1)).toBe(3);
  });
});

describe("virtio-pci in snapshots", () => {
  it.each([
    ["modern", modern, false],
    ["legacy", legacy, true],
  ])("goes on with a request that nobody noticed: %s", (_, make) => {
    const driver = make().start({ vectors: true });
    const queue = driver.queues[0]!;
    queue.add([bytes("snap"), 4]);
    const saved = throughJson(driver.host.state());
    driver.set(0x14, 1, 0);
    driver.host.reset();
    driver.host.restore(saved);
    expect(driver.host.state()).toEqual(saved);
    driver.kick(0);
    expect(text(queue.take()!.answer)).toBe("pans");
    expect(driver.messages).toEqual([[0xfee0_0000, 0x31]]);
  });

  it("is refused by another device", () => {
    const saved = throughJson(transitional().host.state());
    expect(() => modern().host.restore(saved)).toThrow("no valid 'config'");
  });
});

it("virtio-pci survives whatever is written anywhere", () => {
  const drivers = [modern(), transitional()];
  let seed = 7;
  const random = (limit: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * limit);
  };
  for (let i = 0; i < 40_000; i++) {
    const driver = drivers[random(2)]!;
    // Now and then everything is where it was, or most accesses would meet nothing.
    if (i % 64 === 0) driver.place();
    const [target, base, size] = [
      [driver.host, 0, 0x100],
      [driver.memory, driver.region(1).address, 0x4000],
      [driver.memory, driver.region(1).address, 0x40],
      [driver.memory, 0xc000_0000, 0x1000],
      [driver.ports, 0xc000, 0x80],
    ][random(5)] as [MmioDevice, number, number];
    const width = ([1, 2, 4] as const)[random(3)]!;
    const offset = base + random(size / width) * width;
    // Small numbers make sense to more registers than others.
    const value = random([2, 16, 2 ** 32][random(3)]!) % 2 ** (8 * width);
    if (random(2) === 0) target.write(offset, width, value);
    const read = target.read(offset, width);
    if (!(read >= 0 && read < 2 ** (8 * width))) throw new Error(`read ${read} at ${offset}`);
  }
  // It still does what it is for.
  for (const driver of drivers) {
    driver.setConfig(driver.capabilities()[0]!.offset + 2, 2, 0);
    driver.place();
    driver.start();
    expect(text(driver.queues[0]!.request(bytes("fuzz"), 4).answer)).toBe("zzuf");
  }
});
