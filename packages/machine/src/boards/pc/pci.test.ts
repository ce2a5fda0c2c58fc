import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc, type PcMachine, type PcOptions, restorePc } from "../pc.js";
import { hasQemu, onOurs, onQemu } from "../testing/qemu-pc.js";
import { RegisterProgram } from "../testing/register-program.js";
import { testConsole } from "../testing/test-console.js";

// PCI against QEMU's Q35 with one device, a virtio-rng-pci at device 1.

const QEMU = ["-M", "q35", "-device", "virtio-rng-pci,addr=1"];
const ADDRESS = 0xcf8;
const DATA = 0xcfc;
/** Where the programs put BARs 0, 1 and 4. */
const PORTS = 0xc400;
const MSIX = 0xfe10_0000;
const MODERN = 0xfe20_0000;
const ECAM = 0xb000_0000;
const QUEUE = 0x30_0000;
const BUFFER = 0x31_0000;

const pick = (p: RegisterProgram, device: number, register: number) =>
  p.out32(ADDRESS, (0x8000_0000 | (device << 11) | (register & ~3)) >>> 0);
const get = (p: RegisterProgram, device: number, register: number) =>
  pick(p, device, register).in32(DATA, `register 0x${register.toString(16)} of device ${device}`);
const set = (p: RegisterProgram, device: number, register: number, value: number) =>
  pick(p, device, register).out32(DATA, value);

/** BARs in their places, the device on. Interrupts are off but for MSI-X. */
function place(p: RegisterProgram): void {
  set(p, 1, 0x10, PORTS);
  set(p, 1, 0x14, MSIX);
  set(p, 1, 0x20, MODERN);
  set(p, 1, 0x24, 0);
  set(p, 1, 0x04, 0x0407);
}

/** A queue with one buffer of 8 bytes, as legacy drivers have it. */
function queue(p: RegisterProgram): void {
  for (let at = QUEUE; at < QUEUE + 0x20; at += 4) p.store(at, 0);
  p.store(QUEUE, BUFFER)
    .store(QUEUE + 8, 8)
    .store(QUEUE + 12, 2);
  p.store(QUEUE + 0x80, 0x1_0000)
    .store(QUEUE + 0x84, 0)
    .store(QUEUE + 0x1000, 0);
}

/** Waits until the buffer is used. */
const used = (p: RegisterProgram) => p.untilLoad(QUEUE + 0x1000, 0xffff_0000, 0x1_0000);

const programs: Record<string, (program: RegisterProgram) => unknown> = {
  "identity and capabilities": (p) => {
    place(p);
    for (const register of [0x00, 0x08, 0x2c, 0x30, 0x34]) get(p, 1, register);
    for (let register = 0x40; register < 0xa4; register += 4) get(p, 1, register);
    for (const register of [0x00, 0x08, 0x2c, 0x34, 0x60]) get(p, 0, register);
  },
  "sizes of base addresses": (p) => {
    set(p, 1, 0x04, 0);
    for (let register = 0x10; register < 0x28; register += 4) set(p, 1, register, 0xffff_ffff);
    for (let register = 0x10; register < 0x28; register += 4) get(p, 1, register);
  },
  "bits that can be written": (p) => {
    for (const register of [0x00, 0x08, 0x0c, 0x2c, 0x34, 0x3c, 0x98, 0x9c, 0x84, 0x88, 0x8c, 0x90])
      set(p, 1, register, 0xffff_ffff);
    for (const register of [0x00, 0x08, 0x0c, 0x2c, 0x34, 0x3c, 0x98, 0x9c, 0x84, 0x88, 0x8c, 0x90])
      get(p, 1, register);
    set(p, 1, 0x04, 0xffff_ffff);
    get(p, 1, 0x04);
    set(p, 1, 0x04, 0);
    get(p, 1, 0x04);
  },
  "what answers": (p) => {
    for (const device of [2, 9]) get(p, device, 0);
    p.out32(ADDRESS, 0x8001_0800).in32(DATA, "bus 1").out32(ADDRESS, 0x8000_0900).in32(DATA, "function 1");
    p.out32(ADDRESS, 0x0000_0800).in32(DATA, "not enabled");
    p.out32(ADDRESS, 0x80ff_fffc).in32(ADDRESS, "address register").out32(ADDRESS, 0x8000_0800);
    p.in(DATA, "byte 0")
      .in(DATA + 3, "byte 3")
      .in16(DATA + 2, "upper half");
    p.out(ADDRESS + 1, 0).in32(ADDRESS, "address after a byte");
  },
  ECAM: (p) => {
    place(p);
    p.load(ECAM, "host bridge")
      .load(ECAM + 0x8000, "device")
      .load(ECAM + 0x8008, "class");
    p.load(ECAM + 0x8100, "extended")
      .load(ECAM + 0x9000, "function 1")
      .load(ECAM + 0x10_8000, "bus 1");
    p.store(ECAM + 0x800c, 0x55);
    get(p, 1, 0x0c);
    p.load(ECAM + 0x800c, "byte", 1).load(ECAM + 0x8002, "half", 2);
  },
  "MSI-X table and pending bits": (p) => {
    place(p);
    for (let at = 0; at < 0x20; at += 4) p.load(MSIX + at);
    for (let at = 0; at < 0x20; at += 4) p.store(MSIX + at, 0x1111_1111 * (at / 4 + 1));
    p.store(MSIX + 0x800, 0xffff_ffff);
    for (const at of [0, 4, 8, 0x10, 0x14, 0x18, 0x800, 0x804, 0x20]) p.load(MSIX + at);
  },
  "virtio 1.x registers": (p) => {
    place(p);
    p.store(MODERN + 0x14, 0)
      .load16(MODERN + 0x10, "vector")
      .load16(MODERN + 0x12, "queues");
    p.store(MODERN, 2)
      .load(MODERN, "selected")
      .load(MODERN + 4, "no features");
    p.store16(MODERN + 0x10, 1)
      .store16(MODERN + 0x16, 0)
      .store16(MODERN + 0x1a, 7);
    for (const number of [0, 1]) {
      p.store16(MODERN + 0x16, number);
      for (const at of [0x18, 0x1a, 0x1c, 0x1e])
        p.load16(MODERN + at, `queue ${number}, 0x${at.toString(16)}`);
    }
    p.load16(MODERN + 0x10, "vector").load16(MODERN + 0x1000, "no interrupt");
  },
  "a legacy request, its interrupt, and acknowledgement": (p) => {
    place(p);
    queue(p);
    p.out(PORTS + 18, 0)
      .out(PORTS + 18, 1)
      .out(PORTS + 18, 3)
      .out32(PORTS + 4, 0);
    p.out16(PORTS + 14, 1)
      .in16(PORTS + 12, "no queue")
      .out16(PORTS + 14, 0)
      .in16(PORTS + 12, "queue");
    p.in32(PORTS + 8, "no address")
      .out32(PORTS + 8, QUEUE / 4096)
      .in32(PORTS + 8, "address");
    p.out(PORTS + 18, 7).out16(PORTS + 16, 0);
    used(p)
      .load(QUEUE + 0x1004, "head")
      .load(QUEUE + 0x1008, "length");
    get(p, 1, 0x04);
    p.in(PORTS + 19, "cause").in(PORTS + 19, "cause again");
    get(p, 1, 0x04);
    p.in(PORTS + 18, "status")
      .out(PORTS + 18, 0)
      .in(PORTS + 18, "status after reset")
      .in32(PORTS + 8, "address");
  },
  "a message, masked and not": (p) => {
    p.out(0x21, 0xff).out(0xa1, 0xff).handlers(0x40, 0x41);
    place(p);
    queue(p);
    // The local APIC is on; the first vector is for the configuration, the second one for the queue.
    p.store(0xfee0_00f0, 0x1ff);
    for (const [i, vector] of [0x40, 0x41].entries())
      p.store(MSIX + 16 * i, 0xfee0_0000)
        .store(MSIX + 16 * i + 4, 0)
        .store(MSIX + 16 * i + 8, vector)
        .store(MSIX + 16 * i + 12, i);
    set(p, 1, 0x98, 0x8000_0000);
    p.out(PORTS + 18, 0)
      .out(PORTS + 18, 3)
      .out32(PORTS + 4, 0);
    p.out16(PORTS + 14, 0)
      .out32(PORTS + 8, QUEUE / 4096)
      .out16(PORTS + 22, 1)
      .in16(PORTS + 22, "vector");
    p.out16(PORTS + 20, 9).in16(PORTS + 20, "no such vector");
    p.out(PORTS + 18, 7).out16(PORTS + 16, 0);
    used(p)
      .load(MSIX + 0x800, "pending")
      .open("masked");
    p.store(MSIX + 0x1c, 0)
      .load(MSIX + 0x800, "not pending")
      .open("unmasked")
      .open("once");
    get(p, 1, 0x04);
  },
};

describe.skipIf(!hasQemu)("PCI does what QEMU's does:", () => {
  it.each(Object.keys(programs))("%s", async (name) => {
    const program = new RegisterProgram();
    programs[name]!(program);
    expect(await onOurs(program)).toEqual(onQemu(program, undefined, QEMU));
  });
});

describe("virtio devices of a PC", () => {
  /** A Multiboot kernel, and code for real mode: both wait. */
  const multiboot = new RegisterProgram().kernel();
  const flat = Uint8Array.of(0xf4);

  async function pc(options: Partial<PcOptions>) {
    const clock = new DeterministicClock(10);
    const machine = await createPc({
      mode: "bare",
      memory: 16 << 20,
      console: testConsole(),
      clock,
      kernel: { name: "kernel", bytes: flat },
      ...options,
    });
    const { bus, devices } = machine.machine;
    const inMemory = devices.get("virtio0")!.device.read(8, 4) === 4;
    const on = { pci: bus.read(ECAM + 0x8000, 4) === 0x1005_1af4, memory: inMemory };
    return { machine, on };
  }

  it("are in memory for kernels that are handed ACPI's tables, else on PCI, or where they are wanted", async () => {
    const kernel = { name: "kernel", bytes: multiboot };
    const pvh = { name: "kernel", bytes: embeddedGuest("x86_64") };
    const rom = { name: "rom", bytes: new Uint8Array(0x1_0000) };
    const places = [
      await pc({ kernel: pvh }),
      await pc({ kernel: pvh, virtio: "pci" }),
      await pc({}),
      await pc({ kernel }),
      await pc({ kernel, virtio: "mmio" }),
      await pc({ firmware: rom }),
    ].map(({ on }) => (on.pci ? "pci" : "") + (on.memory ? "memory" : ""));
    expect(places).toEqual(["memory", "pci", "pci", "pci", "memory", "pci"]);
  });

  it("are set up behind a BIOS, and not before firmware", async () => {
    const command = (machine: PcMachine) => machine.machine.bus.read(ECAM + 0x8004, 2);
    const rom = { name: "rom", bytes: new Uint8Array(0x1_0000) };
    expect(command((await pc({ virtio: "pci" })).machine)).toBe(7);
    expect(command((await pc({ firmware: rom })).machine)).toBe(0);
  });

  it("stay where they were put in snapshots", async () => {
    const { machine } = await pc({ virtio: "pci" });
    machine.machine.bus.write(ECAM + 0x8020, 4, 0xfe90_0000);
    const file = { name: "snapshot", bytes: await machine.save() };
    const again = await restorePc(file, { console: testConsole(), clock: new DeterministicClock(10) });
    const { bus } = again.machine;
    // What its common configuration says of queues.
    expect([bus.read(ECAM + 0x8020, 4), bus.read(0xfe90_0012, 2)]).toEqual([0xfe90_000c, 1]);
  });
});
