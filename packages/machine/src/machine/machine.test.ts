import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Console } from "../console/console.js";
import type { ComponentState, IrqLine } from "../contracts.js";
import { Clint, clintInterrupts } from "../devices/clint.js";
import { type FdtContext, mmioNode } from "../devices/device.js";
import { GoldfishRtc } from "../devices/goldfish-rtc.js";
import { Ns16550a } from "../devices/ns16550a.js";
import { SeededEntropy } from "../devices/seeded-entropy.js";
import { finisherActions, TestFinisher } from "../devices/test-finisher.js";
import { VirtioBlock } from "../devices/virtio/block.js";
import { VirtioConsole } from "../devices/virtio/console.js";
import { VirtioEntropy } from "../devices/virtio/entropy.js";
import { VirtioGpu } from "../devices/virtio/gpu.js";
import { VirtioMmio } from "../devices/virtio/mmio.js";
import { MemoryDisk } from "../disk/memory-disk.js";
import { OverlayDisk } from "../disk/overlay-disk.js";
import type { FdtNode } from "../fdt/node.js";
import { readFdt } from "../fdt/reader.js";
import { writeFdt } from "../fdt/writer.js";
import { HostMemory } from "../memory/host-memory.js";
import { BUS_FAULT } from "../memory/system-bus.js";
import { readSnapshot, snapshotHash, writeSnapshot } from "../snapshot/container.js";
import { RealTimeClock } from "../time/clock.js";
import { hostMemorySize, MachineBuilder } from "./builder.js";
import { type InterruptController, IrqAllocator } from "./interrupts.js";

const MIB = 1024 * 1024;

function have(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

/** Lines that are only remembered. Register 0 reads them as bits. */
class LineController implements InterruptController {
  levels = 0;
  line(source: number): IrqLine {
    return {
      set: (level) => {
        this.levels = level ? this.levels | (1 << source) : this.levels & ~(1 << source);
      },
    };
  }
  read(): number {
    return this.levels >>> 0;
  }
  write(): void {}
  state(): ComponentState {
    return { version: 1, levels: this.levels >>> 0 };
  }
  restore(state: ComponentState): void {
    this.levels = state.levels as number;
  }
}

const CONTROLLER = { base: 0xc00_0000, size: 0x60_0000, firstSource: 1, lastSource: 30 };

describe("MachineBuilder", () => {
  it("puts RAM and devices on the bus, with their interrupts", () => {
    const controller = new LineController();
    const console = new Console("guest");
    const machine = new MachineBuilder({ name: "small" })
      .ram("ram", 0x8000_0000, 4 * MIB)
      .interruptController("lines", { ...CONTROLLER, controller })
      .device("uart", { base: 0x1000_0000, size: 0x100, irq: 10 }, ({ irq, clock, timers }) => {
        return new Ns16550a({ irq, clock, timers, sink: console, source: console.input });
      })
      .build();
    machine.bus.write(0x1000_0001, 1, 1);
    expect(machine.bus.read(0xc00_0000, 4)).toBe(0);
    console.input.push("x");
    expect(machine.bus.read(0xc00_0000, 4)).toBe(1 << 10);
    expect(machine.ram.map(({ name, base, size }) => [name, base, size])).toEqual([
      ["ram", 0x8000_0000, 4 * MIB],
    ]);
    expect(machine.ram[0]!.offset % (2 * MIB)).toBe(0);
    expect(machine.device("uart").irq).toBe(10);
    expect(() => machine.device("nobody")).toThrow("machine 'small' has no device 'nobody'");
    machine.reset();
    expect(machine.bus.read(0x1000_0001, 1)).toBe(0);
    // What a VM serves by exits: the devices without RAM.
    expect(machine.deviceBus().regions.map(({ name }) => name)).toEqual(["lines", "uart"]);
    expect(machine.deviceBus().read(0x8000_0000, 4)).toBe(BUS_FAULT);
  });

  it("says what is in the way of what", () => {
    const nothing = () => ({ read: () => 0, write() {} });
    const base = () =>
      new MachineBuilder({ name: "m" })
        .ram("ram", 0x8000_0000, MIB)
        .interruptController("plic", { ...CONTROLLER, controller: new LineController() })
        .device("a", { base: 0x1000, size: 0x1000, irq: 3 }, nothing);
    expect(() => base().device("b", { base: 0x1800, size: 8 }, nothing).build()).toThrow(
      "'b' at 0x1800..0x1808 overlaps 'a' at 0x1000..0x2000",
    );
    expect(() => base().device("b", { base: 0x800f_f000, size: 0x2000 }, nothing).build()).toThrow(
      "'b' at 0x800ff000..0x80101000 overlaps 'ram' at 0x80000000..0x80100000",
    );
    expect(() => base().device("b", { base: 0x5000, size: 8, irq: 3 }, nothing).build()).toThrow(
      "'b' wants interrupt 3, which 'a' has",
    );
    expect(() => base().device("b", { base: 0x5000, size: 8, irq: 31 }, nothing).build()).toThrow(
      "'b' wants interrupt 31, the controller has 1 to 30",
    );
    expect(() => base().device("a", { base: 0x5000, size: 8 }, nothing).build()).toThrow("two parts 'a'");
    expect(() => base().ram("odd", 0, 100).build()).toThrow(
      "RAM 'odd' of 100 bytes is not a multiple of 4 KiB",
    );
    const without = new MachineBuilder({ name: "m" }).ram("ram", 0, MIB);
    expect(() => without.device("b", { base: 0x50_0000, size: 8, irq: "auto" }, nothing).build()).toThrow(
      "'b' wants an interrupt, but there is no interrupt controller",
    );
  });

  it("says what the limit of RAM is", () => {
    expect(() => new MachineBuilder({ name: "m" }).ram("ram", 0, 8192 * MIB).build()).toThrow(
      "RAM of 8 GiB is over the limit: 4094 MiB in one process",
    );
    expect(hostMemorySize(64 * MIB, MIB)).toBe(67 * MIB);
    const host = new HostMemory({ size: 4 * MIB, arenaSize: 0 });
    expect(() => new MachineBuilder({ name: "m", host }).ram("ram", 0, 8 * MIB).build()).toThrow(
      "RAM 'ram' of 8 MiB does not fit: 4092 KiB of host memory are left",
    );
  });

  it("puts several machines into one host memory", () => {
    const host = new HostMemory({ size: 16 * MIB, arenaSize: MIB });
    const make = () => new MachineBuilder({ name: "m", host }).ram("ram", 0x8000_0000, 2 * MIB).build();
    const [a, b] = [make(), make()];
    a.memory.writeU32(0x8000_0000, 1);
    b.memory.writeU32(0x8000_0000, 2);
    expect([a.memory.readU32(0x8000_0000), b.memory.readU32(0x8000_0000)]).toEqual([1, 2]);
  });

  it("completes I/O in virtual time for a deterministic clock, in real time for others", () => {
    const make = (clock?: RealTimeClock) =>
      new MachineBuilder({ name: "m", ...(clock === undefined ? {} : { clock }) }).ram("ram", 0, MIB).build();
    const job = { work() {}, done() {} };
    expect(make().io.submit(job).due).toBe(100_000);
    expect(make(new RealTimeClock(() => 0)).io.submit(job).due).toBeUndefined();
  });
});

describe("I/O ports", () => {
  const scratch = () => {
    let value = 0;
    return {
      read: () => value,
      write: (_offset: number, _width: number, to: number) => {
        value = to;
      },
      state: () => ({ version: 1, value }),
      restore: (state: ComponentState) => {
        value = state.value as number;
      },
      fdt: (context: FdtContext) => mmioNode("scratch", ["scratch"], context),
    };
  };
  const build = (base = 0x80) =>
    new MachineBuilder({ name: "ports" })
      .ram("ram", 0, MIB)
      .device("memory", { base: MIB, size: 4 }, scratch)
      .device("post", { base, size: 4, space: "ports" }, scratch)
      .device("other", { base: 0x90, size: 4, space: "ports" }, scratch)
      .build();

  it("are a space of their own", () => {
    const machine = build();
    machine.ports.write(0x80, 1, 7);
    expect([machine.ports.read(0x80, 1), machine.bus.read(MIB, 4)]).toEqual([7, 0]);
    expect([machine.ports.read(0x84, 1), machine.bus.read(0x80, 1)]).toEqual([-1, 0]);
    expect(machine.deviceBus().regions.map(({ name }) => name)).toEqual(["memory"]);
    expect([machine.device("post").space, machine.device("memory").space]).toEqual(["ports", "memory"]);
  });

  it("are in snapshots, and in no device tree", () => {
    const machine = build();
    machine.ports.write(0x90, 1, 9);
    const copy = build();
    copy.restore(machine.snapshot());
    expect(copy.ports.read(0x90, 1)).toBe(9);
    const nodes = machine.deviceTree().root.child("soc").children;
    expect(Array.from(nodes, ({ name }) => name)).toEqual(["scratch@100000"]);
  });

  it("may be several ranges of one device", () => {
    const machine = new MachineBuilder({ name: "ports" })
      .ram("ram", 0, MIB)
      .device(
        "keyboard",
        { base: 0x60, size: 1, space: "ports", further: [{ base: 0x64, size: 1 }] },
        () => ({ read: (offset) => 0x10 + offset, write: () => undefined }),
      )
      .build();
    expect([0x60, 0x61, 0x64].map((port) => machine.ports.read(port, 1))).toEqual([0x10, -1, 0x14]);
  });

  it("belong to one device each", () => {
    expect(() => build(0x8e)).toThrow('port regions overlap: "other" at 0x90, 0x4 bytes and "post" at 0x8e');
  });
});

describe("IrqAllocator", () => {
  it("gives fixed and lowest free sources", () => {
    const sources = new IrqAllocator(1, 3);
    expect([sources.take("a", "auto"), sources.take("b", 3), sources.take("c", "auto")]).toEqual([1, 3, 2]);
    expect(sources.ownerOf(3)).toBe("b");
    expect(() => sources.take("d", "auto")).toThrow("there is no interrupt left for 'd'");
  });
});

/** A machine with about everything, like QEMU's `virt` where both have it. */
function large(disk = new OverlayDisk(new MemoryDisk(new Uint8Array(64 * 512).fill(1), { readOnly: true }))) {
  const controller = new LineController();
  const console = new Console("guest");
  const harts = { count: 2, setSoftware() {}, setTimer() {} };
  let intcs: FdtNode[] = [];
  const builder = new MachineBuilder({ name: "virt-like" })
    .ram("ram", 0x8000_0000, 8 * MIB)
    .interruptController("plic", {
      ...CONTROLLER,
      controller,
      fdt: (context: FdtContext) =>
        mmioNode("plic", ["sifive,plic-1.0.0", "riscv,plic0"], context)
          .cells("#interrupt-cells", 1)
          .cells("#address-cells", 0)
          .flag("interrupt-controller")
          .cells("interrupts-extended", ...intcs.flatMap((intc) => [intc, 11, intc, 9])),
    })
    .device("test", { base: 0x10_0000, size: 0x1000 }, () => new TestFinisher(() => {}))
    .device("rtc", { base: 0x10_1000, size: 0x1000, irq: 11 }, ({ irq, clock, timers }) => {
      return new GoldfishRtc({ irq, clock, timers, epochNs: 0n });
    })
    .device(
      "clint",
      { base: 0x200_0000, size: 0x1_0000 },
      ({ clock, timers }) => new Clint({ harts, clock, timers }),
    )
    .device("uart", { base: 0x1000_0000, size: 0x100, irq: 10 }, ({ irq, clock, timers }) => {
      return new Ns16550a({ irq, clock, timers, sink: console, source: console.input });
    })
    .component("input", console.input);
  const kinds = [
    new VirtioConsole({ sink: console, source: console.input }),
    new VirtioEntropy(new SeededEntropy(5)),
    new VirtioGpu(),
    undefined,
  ];
  builder.device("disk", { base: 0x1000_1000, size: 0x1000, irq: 1 }, ({ irq, memory, io }) => {
    return new VirtioMmio({ irq, memory, device: new VirtioBlock({ backEnd: disk, io }) });
  });
  kinds.forEach((device, index) => {
    const spec = { base: 0x1000_2000 + 0x1000 * index, size: 0x1000, irq: 2 + index };
    builder.device(`virtio${index}`, spec, ({ irq, memory }) => new VirtioMmio({ irq, memory, device }));
  });
  const machine = builder.build();
  const tree = () =>
    machine.deviceTree({
      compatible: ["riscv-virtio"],
      prepare: ({ root }) => {
        const cpus = root.child("cpus").cells("#address-cells", 1).cells("#size-cells", 0);
        cpus.cells("timebase-frequency", 10_000_000);
        intcs = [0, 1].map((hart) => {
          const cpu = cpus.child(`cpu@${hart}`).string("device_type", "cpu").cells("reg", hart);
          cpu.string("compatible", "riscv").string("status", "okay");
          return cpu
            .child("interrupt-controller")
            .cells("#interrupt-cells", 1)
            .cells("#address-cells", 0)
            .flag("interrupt-controller")
            .string("compatible", "riscv,cpu-intc");
        });
      },
      finish: ({ root }, nodes) => {
        clintInterrupts(nodes.get("clint")!, intcs);
        finisherActions(root, nodes.get("test")!);
      },
    });
  return { machine, console, controller, tree };
}

describe("the device tree of a machine", () => {
  it.skipIf(!have("dtc"))("has nothing for dtc to warn about", () => {
    const result = spawnSync("dtc", ["-I", "dtb", "-O", "dts", "-"], { input: writeFdt(large().tree()) });
    expect(result.status).toBe(0);
    expect(result.stderr.toString()).toBe("");
  });

  it("can be made more than once", () => {
    const { tree } = large();
    expect(writeFdt(tree())).toEqual(writeFdt(tree()));
  });

  it.skipIf(!have("qemu-system-riscv64"))("describes devices as QEMU's virt does", () => {
    const dir = mkdtempSync(join(tmpdir(), "hypercraft-dtb-"));
    try {
      const file = join(dir, "virt.dtb");
      const options = ["-M", `virt,dumpdtb=${file}`, "-smp", "2", "-m", "8M", "-display", "none"];
      execFileSync("qemu-system-riscv64", options, { stdio: "ignore" });
      const theirs = readFdt(readFileSync(file), "virt.dtb");
      const ours = readFdt(writeFdt(large().tree()), "ours");
      const sameProperties = [
        "compatible",
        "reg",
        "interrupts",
        "clock-frequency",
        "value",
        "offset",
        "device_type",
      ];
      for (const path of [
        "/memory@80000000",
        "/soc/serial@10000000",
        "/soc/clint@2000000",
        "/soc/virtio_mmio@10001000",
        "/soc/virtio_mmio@10005000",
        "/poweroff",
        "/reboot",
      ]) {
        for (const name of sameProperties) {
          expect([path, name, ours.find(path)!.get(name)]).toEqual([
            path,
            name,
            theirs.find(path)!.get(name),
          ]);
        }
      }
      // QEMU names the RTC by a shortened address; what it says is the same.
      for (const [mine, other] of [
        ["/soc/rtc", "/soc/rtc"],
        ["/soc/test", "/soc/test"],
      ] as const) {
        expect(ours.find(mine)!.get("compatible")).toEqual(theirs.find(other)!.get("compatible"));
        expect(ours.find(mine)!.get("reg")).toEqual(theirs.find(other)!.get("reg"));
      }
      // References lead to nodes of the same kind on both sides.
      for (const tree of [ours, theirs]) {
        const target = (path: string, property: string, at = 0) =>
          tree.byPhandle(tree.find(path)!.getCells(property)![at]!)!.getStrings("compatible");
        expect(target("/soc/serial", "interrupt-parent")).toContain("riscv,plic0");
        expect(target("/poweroff", "regmap")).toContain("syscon");
        expect(target("/soc/clint", "interrupts-extended", 2)).toEqual(["riscv,cpu-intc"]);
      }
      expect(
        ours
          .find("/soc/clint")!
          .getCells("interrupts-extended")!
          .filter((_, at) => at % 2 === 1),
      ).toEqual(
        theirs
          .find("/soc/clint")!
          .getCells("interrupts-extended")!
          .filter((_, at) => at % 2 === 1),
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe("snapshots of a machine", () => {
  it("go through a file and a machine built anew, and hash the same", async () => {
    const first = large();
    first.machine.memory.write(0x8000_1234, Uint8Array.of(1, 2, 3));
    first.machine.bus.write(0x1000_0001, 1, 0x03);
    first.machine.bus.write(0x200_0000, 4, 1);
    first.console.input.push("typed but not read");
    first.machine.bus.write(0x10_1010, 4, 1);
    first.machine.bus.write(0x10_1008, 4, 5000);
    first.machine.clock.now();
    const snapshot = first.machine.snapshot({ memory: "8M" });
    const hash = snapshotHash(snapshot);
    const file = await writeSnapshot(snapshot);

    const second = large();
    second.machine.memory.fill(0x8000_0000, 0x10000, 0xaa);
    const read = await readSnapshot(file, "m.snap");
    second.machine.restore(read);
    expect(read.config).toEqual({ memory: "8M" });
    expect(snapshotHash(second.machine.snapshot({ memory: "8M" }))).toBe(hash);
    expect(second.controller.levels).toBe(first.controller.levels);
    expect(second.controller.levels).toBe(1 << 10);
    expect(second.machine.timers.nextDeadline()).toBe(5000);
    expect(second.machine.memory.readU32(0x8000_1233)).toBe(0x03020100);
    expect(new TextDecoder().decode(second.console.input.peek())).toBe("yped but not read");
    expect(second.machine.bus.read(0x1000_0000, 1)).toBe("t".charCodeAt(0));
    expect(snapshotHash(second.machine.snapshot({ memory: "8M" }))).not.toBe(hash);
  });

  it("are refused by a machine that is another one", () => {
    const { machine } = large();
    const snapshot = machine.snapshot();
    expect(() => machine.restore({ ...snapshot, machine: "other" })).toThrow(
      "the snapshot is of a machine 'other', not 'virt-like'",
    );
    const ram = [{ ...snapshot.ram[0]!, size: 4 * MIB }];
    expect(() => machine.restore({ ...snapshot, ram })).toThrow("RAM is not laid out like this machine's");
    const { uart: _, ...components } = snapshot.components;
    expect(() => machine.restore({ ...snapshot, components })).toThrow("the snapshot has no 'uart'");
    const small = large(new OverlayDisk(new MemoryDisk(512)));
    expect(() => small.machine.restore(snapshot)).toThrow("the snapshot's disk has 32768 bytes, not 512");
  });
});
