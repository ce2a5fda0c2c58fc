import { describe, expect, it } from "vitest";
import type { ComponentState } from "../../contracts.js";
import { Echo } from "../testing/echo-device.js";
import { throughJson } from "../testing/rig.js";
import { RAM_BASE, RAM_SIZE, VirtioDriver } from "../testing/virtio-driver.js";
import { VirtioMmio } from "./mmio.js";

const INDIRECT = 1n << 28n;
const EVENT_IDX = 1n << 29n;
const NEEDS_RESET = 64;

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

describe("virtio-mmio registers", () => {
  it("identify the device", () => {
    const driver = new VirtioDriver(new Echo());
    expect([0, 4, 8, 12].map((at) => driver.get(at))).toEqual([0x74726976, 2, 42, 0x554d4551]);
    expect(driver.get(0x0c)).toBeGreaterThan(0);
    expect(new VirtioDriver(undefined).get(8)).toBe(0);
  });

  it("offer features by word, and nothing beyond the second", () => {
    const driver = new VirtioDriver(new Echo());
    expect(driver.features()).toBe((1n << 32n) | EVENT_IDX | INDIRECT | 8n);
    driver.set(0x14, 2);
    expect(driver.get(0x10)).toBe(0);
  });

  it("let a driver that sees only 32 features go on without VERSION_1", () => {
    const driver = new VirtioDriver(new Echo());
    driver.set(0x70, 3);
    driver.acceptFeatures(8n);
    driver.set(0x70, 11);
    expect(driver.get(0x70)).toBe(11);
    expect(driver.transport.hasFeature(3)).toBe(true);
  });

  it("refuse FEATURES_OK with features not offered", () => {
    const driver = new VirtioDriver(new Echo());
    driver.set(0x70, 3);
    driver.acceptFeatures((1n << 32n) | 1n);
    driver.set(0x70, 11);
    expect(driver.get(0x70)).toBe(3);
    driver.acceptFeatures((1n << 32n) | 8n);
    driver.set(0x70, 11);
    expect(driver.get(0x70)).toBe(11);
    // Now they are fixed.
    driver.acceptFeatures(1n << 32n);
    expect(driver.transport.hasFeature(3)).toBe(true);
  });

  it("say how large each queue may be, 0 for none", () => {
    const driver = new VirtioDriver(new Echo());
    const sizes = [0, 1, 2, 0xffff_ffff].map((index) => {
      driver.set(0x30, index);
      return driver.get(0x34);
    });
    expect(sizes).toEqual([16, 4, 0, 0]);
  });

  it("have no shared memory regions", () => {
    const driver = new VirtioDriver(new Echo());
    expect([0xb0, 0xb4, 0xb8, 0xbc].map((at) => driver.get(at))).toEqual(new Array(4).fill(0xffff_ffff));
  });

  it("are of 32 bits only, configuration space is not", () => {
    const echo = new Echo();
    const driver = new VirtioDriver(echo);
    expect([driver.get(0, 1), driver.get(0, 2)]).toEqual([0, 0]);
    expect([driver.get(0x100, 1), driver.get(0x102, 2), driver.get(0x100, 4)]).toEqual([
      1, 0x0403, 0x0403_0201,
    ]);
    expect([driver.get(0x104, 4), driver.get(0x104, 2), driver.get(0x1fc, 4)]).toEqual([0, 0x0605, 0]);
    driver.set(0x105, 0xaa, 1);
    driver.set(0x104, 0xaa, 4);
    expect(echo.written).toEqual([[5, 1, 0xaa]]);
    driver.set(0x70, 1, 1);
    expect(driver.get(0x70)).toBe(0);
  });

  it("empty slots ignore everything", () => {
    const { transport } = new VirtioDriver(undefined);
    for (let offset = 0; offset < 0x200; offset += 4) {
      transport.write(offset, 4, 0xffff_ffff);
      transport.read(offset, 4);
    }
    expect(transport.status).toBe(0);
  });

  it("describe themselves", () => {
    const { transport } = new VirtioDriver(new Echo());
    const node = transport.fdt({ base: 0x1000_1000, size: 0x1000, addressCells: 1, sizeCells: 1 });
    expect(node.name).toBe("virtio_mmio@10001000");
    expect(node.getStrings("compatible")).toEqual(["virtio,mmio"]);
    expect(node.getCells("reg")).toEqual([0x1000_1000, 0x1000]);
  });
});

for (const version of [2, 1] as const) {
  describe(`virtio-mmio version ${version} queues`, () => {
    it("serve a buffer of several descriptors", () => {
      const driver = new VirtioDriver(new Echo(), { version }).start();
      const [queue] = driver.queues;
      const done = queue!.request(bytes("ab"), bytes("cdef"), 3, 5);
      expect(done.written).toBe(6);
      expect(text(done.answer.subarray(0, 6))).toBe("fedcba");
      expect([...done.answer.subarray(6)]).toEqual([0xee, 0xee]);
      expect(driver.rig.irq.level).toBe(true);
      expect(driver.acknowledge()).toBe(1);
      expect(driver.rig.irq.level).toBe(false);
    });

    it("may be larger than what was offered", () => {
      const driver = new VirtioDriver(new Echo(), { version }).start({ accept: EVENT_IDX, queueSize: 64 });
      const queue = driver.queues[1]!;
      for (let i = 0; i < 65; i++) expect(queue.request(bytes("ab"), 2).written).toBe(2);
      expect(driver.rig.irq.level).toBe(true);
    });

    it("go round the ring many times, past index 65535", () => {
      const driver = new VirtioDriver(new Echo(), { version }).start({ queueSize: 4 });
      const queue = driver.queues[1]!;
      const room = driver.alloc(1, 1);
      const word = driver.alloc(1, 1);
      queue.describe(0, word, 1, 1, 1);
      queue.describe(1, room, 1, 2, 0);
      for (let round = 0; round < 65_600; round++) {
        driver.ram.writeU8(word, round & 0xff);
        queue.publish(0);
        queue.kick();
        if (driver.ram.readU8(room) !== (round & 0xff)) throw new Error(`round ${round} was not served`);
      }
      expect(driver.ram.readU16(queue.used + 2)).toBe(65_600 & 0xffff);
      expect(driver.faults).toEqual([]);
    });

    it("serve indirect tables, alone and behind direct descriptors", () => {
      const driver = new VirtioDriver(new Echo(), { version }).start({ accept: INDIRECT });
      const queue = driver.queues[0]!;
      const parts = Array.from({ length: 40 }, (_, at) => Uint8Array.of(at));
      queue.add([...parts, 40], { indirect: true });
      queue.kick();
      expect([...queue.take()!.answer]).toEqual(Array.from({ length: 40 }, (_, at) => 39 - at));
      // Section 2.7.5.3.1 allows an indirect descriptor at the end of a direct chain.
      const table = driver.alloc(32, 16);
      const room = driver.alloc(2, 1);
      const word = driver.alloc(2, 1);
      driver.ram.write(word, bytes("xy"));
      queue.describe(0, word + 1, 1, 1, 1, table);
      queue.describe(1, room, 2, 2, 0, table);
      queue.describe(5, word, 1, 1, 6);
      queue.describe(6, table, 32, 4, 0);
      queue.publish(5);
      queue.kick();
      expect(text(driver.ram.read(room, 2))).toBe("yx");
    });

    it("interrupt as the available flags say", () => {
      const driver = new VirtioDriver(new Echo(), { version }).start();
      const queue = driver.queues[0]!;
      driver.ram.writeU16(queue.available, 1);
      queue.request(bytes("a"), 1);
      expect(driver.rig.irq.level).toBe(false);
      driver.ram.writeU16(queue.available, 0);
      queue.request(bytes("a"), 1);
      expect(driver.rig.irq.level).toBe(true);
    });

    it("interrupt at the used event, and say which buffer they wait for", () => {
      const driver = new VirtioDriver(new Echo(), { version }).start({ accept: EVENT_IDX });
      const queue = driver.queues[0]!;
      const usedEvent = queue.available + 4 + 2 * queue.size;
      const availEvent = queue.used + 4 + 8 * queue.size;
      driver.ram.writeU16(usedEvent, 2);
      // The flags have no say with event indices.
      driver.ram.writeU16(queue.available, 1);
      const levels = [0, 1, 2, 3].map(() => {
        queue.request(bytes("a"), 1);
        return driver.rig.irq.level;
      });
      expect(levels).toEqual([false, false, true, true]);
      expect(driver.ram.readU16(availEvent)).toBe(4);
      driver.acknowledge();
      // A batch that runs over the event interrupts once.
      driver.ram.writeU16(usedEvent, 5);
      const before = driver.rig.irq.rises;
      for (let i = 0; i < 4; i++) queue.add([bytes("b"), 1]);
      queue.kick();
      expect([driver.rig.irq.rises - before, driver.ram.readU16(availEvent)]).toEqual([1, 8]);
    });

    it("start over after a reset", () => {
      const echo = new Echo();
      const driver = new VirtioDriver(echo, { version }).start();
      driver.queues[0]!.request(bytes("a"), 1);
      const resets = echo.resets;
      driver.set(0x70, 0);
      expect([echo.resets - resets, driver.get(0x70), driver.get(0x60), driver.rig.irq.level]).toEqual([
        1,
        0,
        0,
        false,
      ]);
      driver.start();
      expect(text(driver.queues[0]!.request(bytes("again"), 5).answer)).toBe("niaga");
    });

    it("survive a snapshot between two buffers", () => {
      const driver = new VirtioDriver(new Echo(), { version }).start({ accept: EVENT_IDX | INDIRECT });
      const queue = driver.queues[0]!;
      for (let i = 0; i < 5; i++) queue.request(bytes("a"), 1);
      queue.add([bytes("bc"), 2]);
      const saved = throughJson(driver.transport.state());
      const line = { level: false };
      const other = new VirtioMmio({
        irq: {
          set: (level) => {
            line.level = level;
          },
        },
        memory: driver.ram,
        device: new Echo(),
        version,
      });
      other.restore(saved);
      expect(throughJson(other.state())).toEqual(saved);
      expect(line.level).toBe(true);
      other.write(0x50, 4, 0);
      expect(text(queue.take()!.answer)).toBe("cb");
      expect(() => other.restore({ ...saved, device: "virtio-blk" })).toThrow(
        "the snapshot has virtio device 'virtio-blk' where this machine has 'echo'",
      );
      expect(() => other.restore({ ...saved, queues: [] })).toThrow("has 0 queues");
      const outside = (saved.queues as ComponentState[]).map((q) => ({ ...q, descriptors: 0x1000 }));
      expect(() => other.restore({ ...saved, queues: outside })).toThrow("misaligned or not in RAM");
    });
  });
}

describe("virtio-mmio version 2", () => {
  it("serves nothing before DRIVER_OK, and what waits at DRIVER_OK", () => {
    const echo = new Echo();
    const driver = new VirtioDriver(echo).start();
    const queue = driver.queues[0]!;
    const { descriptors, available, used } = queue;
    driver.set(0x70, 0);
    driver.set(0x70, 3);
    driver.acceptFeatures(1n << 32n);
    driver.set(0x70, 11);
    driver.set(0x30, 0);
    driver.set(0x38, 16);
    for (const [register, address] of [
      [0x80, descriptors],
      [0x90, available],
      [0xa0, used],
    ] as const) {
      driver.set(register, address);
      driver.set(register + 4, 0);
    }
    driver.set(0x44, 1);
    expect(driver.get(0x44)).toBe(1);
    queue.add([bytes("ab"), 2]);
    echo.notified.length = 0;
    queue.kick();
    expect([queue.take(), echo.notified]).toEqual([undefined, []]);
    driver.set(0x70, 15);
    expect(text(queue.take()!.answer)).toBe("ba");
  });

  it("does not move a queue that is in use", () => {
    const driver = new VirtioDriver(new Echo()).start();
    driver.set(0x30, 0);
    driver.set(0x80, 0);
    driver.set(0x38, 1);
    expect(text(driver.queues[0]!.request(bytes("ab"), 2).answer)).toBe("ba");
    driver.set(0x44, 0);
    expect(driver.get(0x44)).toBe(0);
    driver.queues[0]!.add([bytes("ab"), 2]);
    driver.queues[0]!.kick();
    expect(driver.queues[0]!.take()).toBeUndefined();
  });

  it("tells of configuration changes and counts them", () => {
    const echo = new Echo();
    const driver = new VirtioDriver(echo);
    echo.host.configChanged();
    expect([driver.rig.irq.level, driver.get(0xfc)]).toEqual([false, 1]);
    driver.start();
    echo.host.configChanged();
    expect([driver.rig.irq.level, driver.get(0xfc), driver.acknowledge()]).toEqual([true, 2, 2]);
  });

  it("lets programming errors of devices through, and nothing of the guest's", () => {
    const echo = new Echo();
    const driver = new VirtioDriver(echo).start();
    echo.notify = () => {
      throw new TypeError("a bug");
    };
    expect(() => driver.set(0x50, 0)).toThrow("a bug");
  });
});

describe("virtio-mmio version 1", () => {
  it("reads the page number back and forgets the queue at 0", () => {
    const driver = new VirtioDriver(new Echo(), { version: 1 }).start();
    const queue = driver.queues[0]!;
    driver.set(0x30, 0);
    expect(driver.get(0x40)).toBe(queue.descriptors / 4096);
    driver.set(0x40, 0);
    expect(driver.get(0x40)).toBe(0);
    queue.add([bytes("a"), 1]);
    queue.kick();
    expect(queue.take()).toBeUndefined();
  });

  it("works for drivers that never say DRIVER_OK and write the high feature word", () => {
    const driver = new VirtioDriver(new Echo(), { version: 1 });
    expect([driver.get(4), driver.features() >> 32n]).toEqual([1, 0n]);
    driver.start();
    driver.set(0x70, 3);
    expect(text(driver.queues[0]!.request(bytes("ab"), 2).answer)).toBe("ba");
    expect(driver.transport.hasFeature(32)).toBe(false);
  });

  it("places the used ring by the alignment given", () => {
    const driver = new VirtioDriver(new Echo(), { version: 1 }).start();
    const base = driver.alloc(0x1000, 4096);
    driver.set(0x30, 1);
    driver.set(0x40, 0);
    driver.set(0x38, 4);
    driver.set(0x3c, 64);
    driver.set(0x40, base / 4096);
    const [available, used] = [base + 64, base + 128];
    const [word, room] = [driver.alloc(1, 1), driver.alloc(1, 1)];
    driver.ram.writeU8(word, 0x5a);
    driver.queues[1]!.describe(0, word, 1, 1, 1, base);
    driver.queues[1]!.describe(1, room, 1, 2, 0, base);
    driver.ram.writeU16(available + 2, 1);
    driver.set(0x50, 1);
    expect([driver.ram.readU8(room), driver.ram.readU16(used + 2)]).toEqual([0x5a, 1]);
  });
});

describe("virtio-mmio against a hostile driver", () => {
  /** Sets the device up, lets `spoil` do its worst, notifies. */
  function attack(
    spoil: (driver: VirtioDriver) => void,
    options: { accept?: bigint; version?: 1 | 2 } = {},
  ): VirtioDriver {
    const driver = new VirtioDriver(new Echo(), { version: options.version ?? 2 });
    driver.start({ accept: options.accept ?? INDIRECT });
    spoil(driver);
    driver.set(0x50, 0);
    return driver;
  }

  const cases: [what: string, message: RegExp, spoil: (driver: VirtioDriver) => void, accept?: bigint][] = [
    [
      "a chain in a circle",
      /chain without an end/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 4, 1, 1);
        q!.describe(1, RAM_BASE, 4, 1, 0);
        q!.publish(0);
      },
    ],
    [
      "a descriptor that follows itself",
      /chain without an end/,
      ({ queues: [q] }) => {
        q!.describe(3, RAM_BASE, 4, 1, 3);
        q!.publish(3);
      },
    ],
    ["a head beyond the table", /descriptor 16 of a table of 16/, ({ queues: [q] }) => q!.publish(16)],
    [
      "a next beyond the table",
      /descriptor 65535 of a table/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 4, 1, 0xffff);
        q!.publish(0);
      },
    ],
    [
      "a buffer outside RAM",
      /buffer of 4 bytes at 0x1000, not in RAM/,
      ({ queues: [q] }) => {
        q!.describe(0, 0x1000, 4, 0, 0);
        q!.publish(0);
      },
    ],
    [
      "a buffer that runs over the end of RAM",
      /not in RAM/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE + RAM_SIZE - 2, 4, 2, 0);
        q!.publish(0);
      },
    ],
    [
      "a buffer of 4 GiB",
      /buffer of 4294967295 bytes/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 0xffff_ffff, 2, 0);
        q!.publish(0);
      },
    ],
    [
      "an address of 64 ones",
      /not in RAM/,
      ({ queues: [q], ram }) => {
        q!.describe(0, RAM_BASE, 4, 0, 0);
        ram.writeU64(q!.descriptors, 0xffff_ffff_ffff_ffffn);
        q!.publish(0);
      },
    ],
    [
      "reading behind writing",
      /readable descriptor behind a writable one/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 4, 3, 1);
        q!.describe(1, RAM_BASE, 4, 0, 0);
        q!.publish(0);
      },
    ],
    [
      "more buffers than the ring holds",
      /has 17 buffers available/,
      ({ queues: [q], ram }) => ram.writeU16(q!.available + 2, 17),
    ],
    [
      "an indirect table that was not negotiated",
      /indirect descriptor where none may be/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 16, 4, 0);
        q!.publish(0);
      },
      0n,
    ],
    [
      "an indirect table in an indirect table",
      /indirect descriptor where none may be/,
      (driver) => {
        const table = driver.alloc(16, 16);
        driver.queues[0]!.describe(0, table, 16, 4, 0, table);
        driver.queues[0]!.describe(0, table, 16, 4, 0);
        driver.queues[0]!.publish(0);
      },
    ],
    [
      "an indirect table with a successor",
      /indirect descriptor where none may be/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 16, 5, 1);
        q!.publish(0);
      },
    ],
    [
      "an indirect table of odd size",
      /indirect table of 17 bytes/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 17, 4, 0);
        q!.publish(0);
      },
    ],
    [
      "an empty indirect table",
      /indirect table of 0 bytes/,
      ({ queues: [q] }) => {
        q!.describe(0, RAM_BASE, 0, 4, 0);
        q!.publish(0);
      },
    ],
    [
      "an indirect table outside RAM",
      /not in RAM/,
      ({ queues: [q] }) => {
        q!.describe(0, 0x10, 64, 4, 0);
        q!.publish(0);
      },
    ],
    [
      "an endless indirect table",
      /chain without an end/,
      (driver) => {
        const table = driver.alloc(16 * 4096, 16);
        for (let at = 0; at < 4096; at++) driver.queues[0]!.describe(at, RAM_BASE, 1, 1, at + 1, table);
        driver.queues[0]!.describe(0, table, 16 * 4096, 4, 0);
        driver.queues[0]!.publish(0);
      },
    ],
  ];

  for (const [what, message, spoil, accept] of cases) {
    it(`${what} needs a reset, which helps`, () => {
      const driver = attack(spoil, accept === undefined ? {} : { accept });
      expect(driver.faults).toHaveLength(1);
      expect(driver.faults[0]).toMatch(message);
      expect(driver.get(0x70) & NEEDS_RESET).toBe(NEEDS_RESET);
      expect([driver.rig.irq.level, driver.get(0x60)]).toEqual([true, 2]);
      // Dead until then, even if the driver claims otherwise.
      driver.set(0x70, 15);
      driver.set(0x50, 0);
      expect([driver.get(0x70) & NEEDS_RESET, driver.faults.length]).toEqual([NEEDS_RESET, 1]);
      driver.start();
      expect(text(driver.queues[0]!.request(bytes("ok"), 2).answer)).toBe("ko");
    });
  }

  it("refuses queues that cannot be", () => {
    const place = (size: number, descriptors: number, available: number, used: number) => {
      const driver = new VirtioDriver(new Echo());
      driver.set(0x30, 0);
      driver.set(0x38, size);
      for (const [register, address] of [
        [0x80, descriptors],
        [0x90, available],
        [0xa0, used],
      ] as const) {
        driver.set(register, address % 2 ** 32);
        driver.set(register + 4, Math.floor(address / 2 ** 32));
      }
      driver.set(0x44, 1);
      expect(driver.get(0x70)).toBe(NEEDS_RESET);
      expect(driver.get(0x44)).toBe(0);
      return driver.faults[0];
    };
    const R = RAM_BASE;
    expect(place(0, R, R, R)).toMatch("queue 0 has size 0, not a power of two up to 1024");
    expect(place(3, R, R, R)).toMatch("size 3");
    expect(place(2048, R, R, R)).toMatch("size 2048");
    expect(place(0x8000_0000, R, R, R)).toMatch("size 2147483648");
    expect(place(8, R + 8, R, R)).toMatch("descriptor table of queue 0 at 0x80000008 is misaligned");
    expect(place(8, R, R + 1, R)).toMatch("available ring");
    expect(place(8, R, R, R + 2)).toMatch("used ring");
    expect(place(8, 0x1000, R, R)).toMatch("descriptor table of queue 0 at 0x1000");
    expect(place(8, R, R + RAM_SIZE - 8, R)).toMatch("available ring");
    expect(place(8, R, R, 2 ** 63)).toMatch("used ring");
  });

  it("refuses legacy queues that cannot be", () => {
    const driver = new VirtioDriver(new Echo(), { version: 1 });
    driver.set(0x28, 0xffff_ffff);
    driver.set(0x30, 0);
    driver.set(0x38, 16);
    driver.set(0x3c, 0);
    driver.set(0x40, 0xffff_ffff);
    expect(driver.get(0x70)).toBe(NEEDS_RESET);
    expect(driver.faults[0]).toMatch("misaligned or not in RAM");
    driver.set(0x70, 0);
    driver.set(0x28, 0);
    driver.set(0x40, 5);
    expect(driver.get(0x40)).toBe(0);
  });

  it("takes random register writes and random rings without an exception", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 300; round++) {
      const driver = new VirtioDriver(new Echo(), { version: round % 2 === 0 ? 2 : 1 });
      driver.start({ accept: INDIRECT | EVENT_IDX });
      const queue = driver.queues[0]!;
      const interesting = [0, 1, 2, 4, 16, 0xffff, RAM_BASE, RAM_BASE + RAM_SIZE - 1, 0xffff_ffff];
      for (let step = 0; step < 40; step++) {
        const value = random(2) === 0 ? interesting[random(interesting.length)]! : random(2 ** 32);
        switch (random(4)) {
          case 0:
            driver.set(4 * random(0x80), value);
            break;
          case 1:
            driver.ram.writeU32(queue.descriptors + 4 * random(64), value);
            break;
          case 2:
            driver.ram.writeU16(queue.available + 2 * random(18), value & 0xffff);
            break;
          default:
            driver.set(0x50, random(3));
        }
      }
    }
  });
});
