import { describe, expect, it } from "vitest";
import type { BlockBackEnd } from "../../disk/back-end.js";
import { MemoryDisk } from "../../disk/memory-disk.js";
import { OverlayDisk } from "../../disk/overlay-disk.js";
import { RealTimeIo, VirtualTimeIo } from "../../io/device-io.js";
import { Rig, throughJson } from "../testing/rig.js";
import { VirtioDriver } from "../testing/virtio-driver.js";
import { VirtioBlock } from "./block.js";

const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13] as const;
const [OK, IOERR, UNSUPPORTED] = [0, 1, 2] as const;

const sector = (value: number, count = 1) => new Uint8Array(512 * count).fill(value);

function header(type: number, at: number | bigint = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(at), true);
  return bytes;
}

function range(at: number | bigint, count: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(at), true);
  view.setUint32(8, count, true);
  view.setUint32(12, flags, true);
  return bytes;
}

function numbered(sectors: number): MemoryDisk {
  const disk = new MemoryDisk(sectors * 512);
  for (let at = 0; at < sectors; at++) disk.write(at * 512, sector(at + 1));
  return disk;
}

function block(backEnd: BlockBackEnd, options: { version?: 1 | 2; serial?: string } = {}) {
  const rig = new Rig();
  const io = new RealTimeIo({ timers: rig.timers });
  const device = new VirtioBlock({
    backEnd,
    io,
    ...(options.serial === undefined ? {} : { serial: options.serial }),
  });
  const driver = new VirtioDriver(device, { version: options.version ?? 2, rig }).start();
  return { rig, io, device, driver, queue: driver.queues[0]! };
}

const status = (answer: Uint8Array) => answer[answer.length - 1];

describe("virtio-blk configuration", () => {
  it("gives capacity, segments and block size", () => {
    const { driver } = block(numbered(20));
    expect([driver.get(0x100), driver.get(0x104)]).toEqual([20, 0]);
    expect([driver.get(0x10c), driver.get(0x114)]).toEqual([254, 512]);
    expect(driver.get(0x08)).toBe(2);
  });

  it("offers what the back end can do", () => {
    const bit = (driver: VirtioDriver, at: number) => (driver.features() >> BigInt(at)) & 1n;
    const { driver } = block(numbered(1));
    expect([5, 6, 9, 13, 14].map((at) => Number(bit(driver, at)))).toEqual([0, 1, 1, 1, 1]);
    const readOnly = block(new MemoryDisk(512, { readOnly: true })).driver;
    expect([5, 6, 9, 13, 14].map((at) => Number(bit(readOnly, at)))).toEqual([1, 1, 1, 0, 0]);
  });
});

for (const version of [2, 1] as const) {
  describe(`virtio-blk requests, version ${version}`, () => {
    it("read sectors", () => {
      const { queue } = block(numbered(8), { version });
      const done = queue.request(header(IN, 3), 1024, 1);
      expect(done.written).toBe(1025);
      expect(done.answer.subarray(0, 512)).toEqual(sector(4));
      expect(done.answer.subarray(512, 1024)).toEqual(sector(5));
      expect(status(done.answer)).toBe(OK);
    });

    it("write sectors", () => {
      const disk = numbered(8);
      const { queue } = block(disk, { version });
      const done = queue.request(header(OUT, 6), sector(0xab, 2), 1);
      expect([done.written, status(done.answer)]).toEqual([1, OK]);
      expect(disk.bytes.subarray(6 * 512)).toEqual(sector(0xab, 2));
    });

    it("take any framing: the header split, header and data joined, status behind data", () => {
      const disk = numbered(8);
      const { queue } = block(disk, { version });
      const head = header(OUT, 1);
      const all = new Uint8Array(16 + 512);
      all.set(head);
      all.set(sector(7), 16);
      expect(
        status(queue.request(all.subarray(0, 5), all.subarray(5, 100), all.subarray(100), 1).answer),
      ).toBe(OK);
      expect(disk.bytes.subarray(512, 1024)).toEqual(sector(7));
      const read = queue.request(header(IN, 1), 100, 412, 0, 1);
      expect([status(read.answer), read.answer[0], read.answer[511]]).toEqual([OK, 7, 7]);
      const joined = queue.request(header(IN, 2), 513);
      expect([status(joined.answer), joined.answer[0], joined.written]).toEqual([OK, 3, 513]);
    });
  });
}

describe("virtio-blk requests", () => {
  it("flush, and give their serial number", () => {
    let flushed = 0;
    const disk = Object.assign(numbered(1), {
      flush: () => {
        flushed++;
      },
    });
    const { queue } = block(disk, { serial: "disk-0" });
    expect([status(queue.request(header(FLUSH), 1).answer), flushed]).toEqual([OK, 1]);
    const id = queue.request(header(GET_ID), 20, 1);
    expect(new TextDecoder().decode(id.answer.subarray(0, 20))).toBe(`disk-0${"\0".repeat(14)}`);
    expect(status(id.answer)).toBe(OK);
  });

  it("discard and write zeroes", () => {
    const disk = numbered(8);
    const { queue } = block(disk);
    expect(status(queue.request(header(DISCARD), range(1, 2), 1).answer)).toBe(OK);
    expect(disk.bytes.subarray(512, 1536)).toEqual(sector(0, 2));
    expect(disk.bytes[1536]).toBe(4);
    expect(status(queue.request(header(WRITE_ZEROES), range(5, 1, 1), 1).answer)).toBe(OK);
    expect(disk.bytes.subarray(5 * 512, 6 * 512)).toEqual(sector(0));
    expect(status(queue.request(header(WRITE_ZEROES), range(7, 2), 1).answer)).toBe(IOERR);
    expect(status(queue.request(header(WRITE_ZEROES), range(1n << 62n, 1), 1).answer)).toBe(IOERR);
    expect(status(queue.request(header(DISCARD), range(0, 1, 1), 1).answer)).toBe(UNSUPPORTED);
    expect(status(queue.request(header(DISCARD), new Uint8Array(32), 1).answer)).toBe(IOERR);
  });

  it("write zeroes through a back end that cannot discard", async () => {
    const disk = numbered(4);
    const plain: BlockBackEnd = {
      size: disk.size,
      readOnly: false,
      read: (offset, target) => disk.read(offset, target),
      write: (offset, bytes) => disk.write(offset, bytes),
      flush() {},
    };
    const { queue, io } = block(plain);
    queue.add([header(WRITE_ZEROES), range(1, 2), 1]);
    queue.kick();
    await io.quiesce();
    expect(status(queue.take()!.answer)).toBe(OK);
    expect(disk.bytes.subarray(512, 1536)).toEqual(sector(0, 2));
    expect(status(queue.request(header(DISCARD), range(0, 1), 1).answer)).toBe(UNSUPPORTED);
  });

  it("fail out of range, of odd length, on read-only disks and of unknown type", () => {
    const { queue } = block(numbered(4));
    const cases = [
      [header(IN, 4), 512, 1],
      [header(IN, 3), 1024, 1],
      [header(IN, 2n ** 63n), 512, 1],
      [header(IN, 0), 511, 1],
      [header(OUT, 4), sector(1), 1],
      [header(OUT, 0), sector(1).subarray(1), 1],
      [header(OUT, 2n ** 55n), sector(1), 1],
      [new Uint8Array(15), 1],
    ];
    for (const parts of cases) expect(status(queue.request(...parts).answer)).toBe(IOERR);
    expect(status(queue.request(header(99), 1).answer)).toBe(UNSUPPORTED);
    const readOnly = block(new MemoryDisk(1024, { readOnly: true }));
    expect(status(readOnly.queue.request(header(OUT, 0), sector(1), 1).answer)).toBe(IOERR);
    expect(status(readOnly.queue.request(header(DISCARD), range(0, 1), 1).answer)).toBe(UNSUPPORTED);
  });

  it("turn errors of the back end into I/O errors", async () => {
    const disk: BlockBackEnd = {
      size: 4096,
      readOnly: false,
      read() {
        throw new Error("bad sector");
      },
      write: () => Promise.reject(new Error("disk full")),
      flush: () => Promise.resolve(),
    };
    const { queue, io } = block(disk);
    expect(status(queue.request(header(IN, 0), 512, 1).answer)).toBe(IOERR);
    queue.add([header(OUT, 0), sector(1), 1]);
    queue.kick();
    await io.quiesce();
    expect(status(queue.take()!.answer)).toBe(IOERR);
  });

  it("without room for a status need a reset", () => {
    const { queue, driver } = block(numbered(1));
    queue.add([header(FLUSH)]);
    queue.kick();
    expect(driver.faults).toEqual(["virtio-blk: a disk request has no room for its status"]);
  });

  it("are bounded in what they make the host allocate", () => {
    const huge: BlockBackEnd = {
      size: 2 ** 45,
      readOnly: true,
      read() {
        throw new Error("asked for");
      },
      write() {},
      flush() {},
    };
    const { queue, driver } = block(huge);
    const ram = driver.alloc(0x10_0000, 4096);
    driver.set(0x70, 0);
    driver.start({ accept: 1n << 28n });
    // 1000 times the same mebibyte.
    const table = driver.alloc(16 * 1002, 16);
    const head = driver.alloc(16, 1);
    driver.ram.write(head, header(IN));
    queue.describe(0, head, 16, 1, 1, table);
    for (let at = 1; at <= 1000; at++) queue.describe(at, ram, 0x10_0000, 3, at + 1, table);
    const statusAt = driver.alloc(1, 1);
    queue.describe(1001, statusAt, 1, 2, 0, table);
    const fresh = driver.queues[0]!;
    fresh.describe(0, table, 16 * 1002, 4, 0);
    fresh.publish(0);
    fresh.kick();
    expect([driver.faults, driver.ram.readU8(statusAt)]).toEqual([[], IOERR]);
  });
});

describe("virtio-blk with a late back end", () => {
  /** Answers when the test says so. */
  function lateDisk() {
    const waiting: (() => void)[] = [];
    const disk: BlockBackEnd = {
      size: 8192,
      readOnly: false,
      read: (offset, target) =>
        new Promise((resolve) => {
          waiting.push(() => {
            target.fill(offset / 512 + 1);
            resolve();
          });
        }),
      write: () => new Promise((resolve) => waiting.push(resolve)),
      flush: () => Promise.resolve(),
    };
    return { disk, waiting };
  }

  it("completes between slices, in the order the back end answers", async () => {
    const { disk, waiting } = lateDisk();
    const { queue, rig, driver } = block(disk);
    queue.add([header(IN, 0), 512, 1]);
    queue.add([header(IN, 1), 512, 1]);
    queue.kick();
    expect([queue.take(), waiting.length]).toEqual([undefined, 2]);
    waiting[1]!();
    await new Promise((resolve) => setTimeout(resolve));
    expect([queue.take(), rig.irq.level]).toEqual([undefined, false]);
    rig.timers.runDue(rig.clock.now());
    expect(rig.irq.level).toBe(true);
    expect(queue.take()!.answer[0]).toBe(2);
    driver.acknowledge();
    waiting[0]!();
    await new Promise((resolve) => setTimeout(resolve));
    rig.timers.runDue(rig.clock.now());
    expect(queue.take()!.answer[0]).toBe(1);
  });

  it("touches no memory for requests from before a reset", async () => {
    const { disk, waiting } = lateDisk();
    const { queue, io, driver } = block(disk);
    queue.add([header(IN, 0), 512, 1]);
    queue.kick();
    driver.set(0x70, 0);
    const writes: number[] = [];
    driver.ram.bus.host.onWrite((offset) => writes.push(offset));
    waiting[0]!();
    await io.quiesce();
    expect([writes, queue.take()]).toEqual([[], undefined]);
  });

  it("cannot be saved with a request under way, only at rest", async () => {
    const { disk, waiting } = lateDisk();
    const { queue, io, driver } = block(disk);
    queue.add([header(IN, 0), 512, 1]);
    queue.kick();
    expect(() => driver.transport.state()).toThrow("a disk request is under way");
    waiting[0]!();
    await io.quiesce();
    expect(driver.transport.state().device).toBe("virtio-blk");
  });
});

describe("virtio-blk in virtual time", () => {
  function virtualBlock(disk: BlockBackEnd, rig = new Rig()) {
    const io = new VirtualTimeIo({ clock: rig.clock, timers: rig.timers, latencyNs: 1000 });
    return { rig, device: new VirtioBlock({ backEnd: disk, io }) };
  }

  it("completes at fixed times, whatever the host does", async () => {
    const { rig, device } = virtualBlock(new OverlayDisk(numbered(8)));
    const queue = new VirtioDriver(device, { rig }).start().queues[0]!;
    queue.add([header(OUT, 2), sector(9), 1]);
    queue.add([header(IN, 2), 512, 1]);
    queue.kick();
    await rig.runTo(999);
    expect(queue.take()).toBeUndefined();
    await rig.runTo(1000);
    expect([status(queue.take()!.answer), queue.take()!.answer[0]]).toEqual([OK, 9]);
  });

  it("goes on from a snapshot with requests under way, at the same times with the same data", async () => {
    const first = virtualBlock(new OverlayDisk(numbered(8)));
    const driver = new VirtioDriver(first.device, { rig: first.rig }).start();
    const queue = driver.queues[0]!;
    queue.add([header(IN, 2), 512, 1]);
    queue.add([header(OUT, 2), sector(9), 1]);
    queue.kick();
    await first.rig.runTo(500);
    queue.add([header(IN, 2), 512, 1]);
    queue.kick();

    const saved = driver.transport.state();
    const clockState = throughJson(first.rig.clock.state());
    const ramBefore = driver.ram.read(0x8000_0000, 0x40_0000);
    const run = async (rig: Rig, ram: { read(a: number, l: number): Uint8Array }) => {
      await rig.runTo(1000);
      const early = ram.read(0x8000_0000, 0x40_0000);
      await rig.runTo(1500);
      return [early, ram.read(0x8000_0000, 0x40_0000)];
    };
    const expected = await run(first.rig, driver.ram);

    const rig = new Rig();
    rig.clock.restore(clockState);
    const second = virtualBlock(new OverlayDisk(numbered(8)), rig);
    const other = new VirtioDriver(second.device, { rig });
    other.ram.write(0x8000_0000, ramBefore);
    other.transport.restore(saved);
    expect(other.transport.state()).toEqual(saved);
    const actual = await run(rig, other.ram);
    expect(Buffer.compare(actual[0]!, expected[0]!)).toBe(0);
    expect(Buffer.compare(actual[1]!, expected[1]!)).toBe(0);
    expect(rig.irq.level).toBe(true);
    expect(queue.take()!.answer[0]).toBe(3);
    expect(status(queue.take()!.answer)).toBe(OK);
    expect(queue.take()!.answer[0]).toBe(9);
  });

  it("refuses a snapshot whose requests make no sense", () => {
    const { rig, device } = virtualBlock(numbered(8));
    const driver = new VirtioDriver(device, { rig }).start();
    const saved = driver.transport.state();
    const inner = (request: object) => ({ ...saved, inner: { version: 1, disk: null, requests: [request] } });
    const good = { head: 0, due: 5, readable: [[0x8000_0000, 16]], writable: [[0x8000_0000, 1]] };
    driver.transport.restore(inner(good) as never);
    const bad = (change: object) => () => driver.transport.restore(inner({ ...good, ...change }) as never);
    expect(bad({ head: 70_000 })).toThrow("no valid 'head'");
    expect(bad({ readable: [[0x1000, 16]] })).toThrow("not in RAM");
    expect(bad({ writable: [] })).toThrow("no room for its status");
    expect(bad({ writable: [["x", 1]] })).toThrow("makes no sense");
  });
});
