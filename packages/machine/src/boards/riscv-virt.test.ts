import { spawnSync } from "node:child_process";
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, test } from "vitest";
import { MemoryDisk } from "../disk/memory-disk.js";
import { DeterministicClock } from "../time/clock.js";
import { createRiscvVirt, type RiscvVirtOptions, restoreRiscvVirt } from "./riscv-virt.js";
import { expectContinuation, expectSameTwice, type TestConsole } from "./testing/repeatable.js";
import { testConsole } from "./testing/test-console.js";

const kernel = { name: "embedded guest", bytes: embeddedGuest("riscv64") };
const machine = (options: Partial<RiscvVirtOptions> & Pick<RiscvVirtOptions, "console">) =>
  createRiscvVirt({ kernel, memory: 32 << 20, clock: new DeterministicClock(10), ...options });

describe("the embedded guest under the hypervisor", () => {
  test.each([1, 2])("passes its self-test on %i harts and powers off", async (cpus) => {
    const console = testConsole();
    const m = await machine({ console, cpus, append: "selftest" });
    expect(await m.run()).toEqual({ kind: "shutdown", failure: false, code: 0 });
    expect(console.text).toMatch(/selftest: \d+ passed, 0 failed/);
    expect(console.text).not.toContain("FAIL");
  });

  test("runs on the hcHyper map", async () => {
    const console = testConsole();
    const m = await machine({ console, map: "hchyper", append: "selftest" });
    expect(await m.run()).toMatchObject({ kind: "shutdown", failure: false });
    expect(console.text).toContain("image at 0000000090200000");
  });

  test("answers what is typed at its shell", async () => {
    const console = testConsole("run primes\rpoweroff\r");
    const m = await machine({ console });
    expect(await m.run()).toMatchObject({ kind: "shutdown", failure: false });
    expect(console.text).toContain("hc> run primes");
  });

  test("the same run twice: same console, same count, same state", () =>
    expectSameTwice((console) => machine({ console, append: "selftest" })));
});

test.each([100_000, 1_234_567, 3_000_001])(
  "a snapshot after %i instructions continues byte for byte",
  async (at) => {
    const start = (console: TestConsole) => machine({ console, append: "selftest" });
    const { machine: second, console: after } = await expectContinuation({
      start,
      restore: restoreRiscvVirt,
      at,
      stop: 5_000_000,
    });
    expect(await second.run()).toMatchObject({ kind: "shutdown", failure: false });
    expect(after.text).toMatch(/selftest: \d+ passed, 0 failed/);
  },
  60_000,
);

const hasDtc = spawnSync("dtc", ["--version"], { stdio: "ignore" }).status === 0;

test.skipIf(!hasDtc)("dtc has nothing to warn about in the board's device trees", async () => {
  const firmware = { name: "firmware", bytes: new Uint8Array(64) };
  const boards: Partial<RiscvVirtOptions>[] = [
    { cpus: 2, disks: [new MemoryDisk(new Uint8Array(512))], graphics: true },
    { map: "hchyper" },
    { mode: "bare", firmware, cpus: 2 },
  ];
  for (const board of boards) {
    const { dtb } = await machine({ console: testConsole(), ...board });
    const { status, stderr } = spawnSync("dtc", ["-I", "dtb", "-O", "dts", "-"], { input: dtb });
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
  }
});

test.each(["vm", "bare"] as const)("a guest that switched off executes nothing more (%s)", async (mode) => {
  // lui t0, 0x10000; lui t1, 0x100; lui t2, 5; addi t2, t2, 0x555; li t3, 'A'; sb t3, (t0); sw t2, (t1);
  // sb t3, (t0); j .
  const code = [0x1000_02b7, 0x0010_0337, 0x0000_53b7, 0x5553_8393, 0x0410_0e13, 0x01c2_8023, 0x0073_2023];
  const words = Uint32Array.from([...code, 0x01c2_8023, 0x0000_006f]);
  const console = testConsole();
  const m = await machine({ mode, console, kernel: { name: "off", bytes: new Uint8Array(words.buffer) } });
  expect(await m.run()).toEqual({ kind: "shutdown", failure: false, code: 0 });
  expect(console.text).toBe("A");
  expect(m.statistics().instructions).toBeLessThan(100);
});

describe("what the board has for a kernel", () => {
  const flat = { name: "flat.bin", bytes: new Uint8Array(64) };
  const disks = [new MemoryDisk(new Uint8Array(512))];
  /** Register layout and device id of each virtio transport, as the guest reads them. */
  const transports = async (options: Partial<RiscvVirtOptions>) => {
    const m = await machine({ console: testConsole(), disks, ...options });
    return Array.from({ length: 8 }, (_, slot) => {
      const base = 0x1000_1000 + slot * 0x1000;
      return [m.machine.bus.read(base + 4, 4), m.machine.bus.read(base + 8, 4)];
    });
  };
  const [block, entropy, gpu, input] = [2, 4, 16, 18];
  const empty = (version: number, count: number) => Array.from({ length: count }, () => [version, 0]);

  test("one that reads the device tree: modern transports, from the first one up", async () => {
    expect(await transports({})).toEqual([[2, block], [2, entropy], ...empty(2, 6)]);
    expect(await transports({ map: "hchyper" })).toEqual([[1, block], [1, entropy], ...empty(1, 6)]);
  });

  test("a flat one: where QEMU has them, legacy and from the last one down, with a display, the disk at both ends", async () => {
    const expected = [
      [1, block],
      ...empty(1, 2),
      ...[entropy, input, input, gpu, block].map((id) => [1, id]),
    ];
    expect(await transports({ kernel: flat })).toEqual(expected);
    expect(await transports({ kernel: flat, mode: "bare" })).toEqual(expected);
  });

  test("a flat one without a disk", async () => {
    expect((await transports({ kernel: flat, disks: [] })).map(([, id]) => id)).toEqual([
      0,
      0,
      0,
      0,
      entropy,
      input,
      input,
      gpu,
    ]);
  });

  test("what it is told to", async () => {
    expect(
      await transports({ kernel: flat, graphics: false, virtioSlots: "first", virtioVersion: 2 }),
    ).toEqual([[2, block], [2, entropy], ...empty(2, 6)]);
    expect(await transports({ graphics: true, virtioSlots: "last" })).toEqual([
      ...empty(2, 3),
      [2, entropy],
      [2, input],
      [2, input],
      [2, gpu],
      [2, block],
    ]);
  });

  test("a snapshot keeps it", async () => {
    const m = await machine({ console: testConsole(), kernel: flat, disks });
    const bytes = await m.save();
    const host = { console: testConsole(), clock: new DeterministicClock(10), disks };
    const restored = await restoreRiscvVirt({ name: "flat.snapshot", bytes }, host);
    expect(restored.machine.bus.read(0x1000_8004, 4)).toBe(1);
    expect(restored.machine.bus.read(0x1000_7008, 4)).toBe(gpu);
  });

  test("a PCI bus with nothing on it", async () => {
    const m = await machine({ console: testConsole() });
    expect(m.machine.bus.read(0x3000_0000, 4)).toBe(0xffff_ffff);
  });
});

describe("where an ELF kernel goes on the hcHyper map", () => {
  /** An ELF file of one segment, which is one `nop`. */
  const elfAt = (address: number) => {
    const bytes = new Uint8Array(124);
    const view = new DataView(bytes.buffer);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, 2, true);
    view.setUint16(18, 243, true);
    view.setUint32(20, 1, true);
    view.setBigUint64(24, BigInt(address), true);
    view.setBigUint64(32, 64n, true);
    view.setUint16(52, 64, true);
    view.setUint16(54, 56, true);
    view.setUint16(56, 1, true);
    view.setUint32(64, 1, true);
    view.setUint32(68, 5, true);
    view.setBigUint64(72, 120n, true);
    view.setBigUint64(80, BigInt(address), true);
    view.setBigUint64(88, BigInt(address), true);
    view.setBigUint64(96, 4n, true);
    view.setBigUint64(104, 4n, true);
    view.setUint32(120, 0x13, true);
    return { name: "k.elf", bytes };
  };

  test.each([
    ["one made for it stays", 0x9030_0000, 0x9030_0000],
    ["one made for QEMU's map moves with RAM", 0x8030_0000, 0x9030_0000],
  ])("%s", async (_name, linked, loaded) => {
    const m = await machine({ console: testConsole(), map: "hchyper", kernel: elfAt(linked) });
    expect(m.memory.readU32(loaded)).toBe(0x13);
    expect(m.harts[0]?.getPc()).toBe(BigInt(loaded));
  });
});

describe("bad input is refused in one line", () => {
  const refused = async (options: Partial<RiscvVirtOptions>, message: string | RegExp) =>
    expect(machine({ console: testConsole(), ...options })).rejects.toThrow(message);
  const elf = (machineType: number) => {
    const bytes = embeddedGuest("riscv64");
    new DataView(bytes.buffer).setUint16(18, machineType, true);
    return { name: "k.elf", bytes };
  };

  test.each([
    ["too little memory", { memory: 4096 }, "outside"],
    ["too much memory", { memory: 8 * 2 ** 30 }, /8 GiB is outside 4 MiB to /],
    ["odd memory", { memory: (32 << 20) + 1 }, "not a multiple of 4 KiB"],
    ["too many CPUs", { cpus: 9 }, "1 to 8 CPUs"],
    ["another architecture", { kernel: elf(62) }, /k\.elf.*x86-64/],
    [
      "a truncated kernel",
      { kernel: { name: "cut", bytes: embeddedGuest("riscv64").slice(0, 5000) } },
      /^cut: /,
    ],
    ["an empty kernel", { kernel: { name: "none", bytes: new Uint8Array(0) } }, "none: is empty"],
    ["firmware under the hypervisor", { firmware: kernel }, "only bare mode"],
    ["a device tree that is none", { dtb: { name: "x.dtb", bytes: new Uint8Array(64) } }, /x\.dtb/],
    ["overlapping images", { loads: [{ ...kernel, name: "other", address: 0x8020_0000 }] }, /overlaps/],
    [
      "an image outside RAM",
      { loads: [{ ...kernel, name: "other", address: 0x1000_0000 }] },
      /other.*not inside RAM/,
    ],
  ] as const)("%s", (_name, options, message) => refused(options as Partial<RiscvVirtOptions>, message));
});
