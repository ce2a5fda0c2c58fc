import { spawnSync } from "node:child_process";
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, test } from "vitest";
import { MemoryDisk } from "../disk/memory-disk.js";
import { memoryRanges } from "../fdt/patch.js";
import { readFdt } from "../fdt/reader.js";
import { DeterministicClock } from "../time/clock.js";
import { type ArmVirtOptions, createArmVirt, QEMU_ARM_MAP as map, restoreArmVirt } from "./arm-virt.js";
import { expectContinuation, expectSameTwice, type TestConsole } from "./testing/repeatable.js";
import { testConsole } from "./testing/test-console.js";

const kernel = { name: "embedded guest", bytes: embeddedGuest("aarch64") };
const machine = (options: Partial<ArmVirtOptions> & Pick<ArmVirtOptions, "console">) =>
  createArmVirt({ kernel, memory: 32 << 20, clock: new DeterministicClock(10), ...options });
const flat = (name: string, ...words: number[]) => ({
  name,
  bytes: new Uint8Array(Uint32Array.from(words).buffer),
});

const BOARDS = (["vm", "bare"] as const).flatMap((mode) =>
  ([2, 3] as const).flatMap((gic) => [1, 2].map((cpus) => ({ mode, gic, cpus }))),
);

describe.each(BOARDS)("the embedded guest: $mode mode, GICv$gic, CPUs: $cpus", (board) => {
  test("passes its self-test and powers off", async () => {
    const console = testConsole();
    const m = await machine({ console, ...board, append: "selftest" });
    expect(await m.run()).toEqual({ kind: "shutdown", failure: false, code: 0 });
    expect(console.text).toContain(`gic       version ${board.gic}`);
    expect(console.text).toContain(`PSCI 1.1 by ${board.mode === "vm" ? "HVC" : "SMC"}`);
    expect(console.text).toMatch(/selftest: \d+ passed, 0 failed/);
    expect(console.text).not.toContain("FAIL");
  });
});

test("the embedded guest answers what is typed at its shell", async () => {
  const console = testConsole("run primes\rpoweroff\r");
  const m = await machine({ console });
  expect(await m.run()).toMatchObject({ kind: "shutdown", failure: false });
  expect(console.text).toContain("hc> run primes");
});

test.each(["vm", "bare"] as const)("the same run twice is the same in %s mode", (mode) =>
  expectSameTwice((console) => machine({ console, mode, append: "selftest" })),
);

test.each([
  { mode: "vm", gic: 2, at: 100_000 },
  { mode: "vm", gic: 3, at: 1_234_567 },
  { mode: "bare", gic: 2, at: 2_000_001 },
  { mode: "bare", gic: 3, at: 3_000_001 },
] as const)(
  "a snapshot of a $mode machine with a GICv$gic after $at instructions continues byte for byte",
  async (board) => {
    const { at, ...options } = board;
    const start = (console: TestConsole) => machine({ console, ...options, cpus: 2, append: "selftest" });
    await expectContinuation({ start, restore: restoreArmVirt, at, stop: 5_000_000 });
  },
);

const hasDtc = spawnSync("dtc", ["--version"], { stdio: "ignore" }).status === 0;

test.skipIf(!hasDtc)("dtc has nothing to warn about in the board's device trees", async () => {
  const firmware = { name: "firmware", bytes: new Uint8Array(64) };
  const boards: Partial<ArmVirtOptions>[] = [
    { cpus: 2, disks: [new MemoryDisk(new Uint8Array(512))], graphics: true, testConsole: true },
    { mode: "bare", firmware, cpus: 2, gic: 3 },
  ];
  for (const board of boards) {
    const { dtb } = await machine({ console: testConsole(), ...board });
    const { status, stderr } = spawnSync("dtc", ["-I", "dtb", "-O", "dts", "-"], { input: dtb });
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
  }
});

describe.each(["vm", "bare"] as const)("in %s mode", (mode) => {
  const call = mode === "vm" ? 0xd400_0002 : 0xd400_0003;

  test("a guest that switched off executes nothing more", async () => {
    // mov x1, #0x09000000; mov w2, #'A'; strb w2, [x1]; movz w0, #8; movk w0, #0x8400, lsl #16; hvc or smc #0;
    // strb w2, [x1]; b .
    const off = flat(
      "off",
      0xd2a1_2001,
      0x5280_0822,
      0x3900_0022,
      0x5280_0100,
      0x72b0_8000,
      call,
      0x3900_0022,
    );
    const console = testConsole();
    const m = await machine({ mode, console, kernel: off });
    expect(await m.run()).toEqual({ kind: "shutdown", failure: false, code: 0 });
    expect(console.text).toBe("A");
    expect(m.statistics().instructions).toBeLessThan(100);
  });

  test("PEs but the first are off, and the guest's level is the highest it may have", async () => {
    // mrs x2, CurrentEL; wfi; b .-4
    const wait = flat("wait", 0xd538_4242, 0xd503_207f, 0x17ff_ffff);
    const m = await machine({ mode, console: testConsole(), kernel: wait, cpus: 2 });
    expect(await m.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
    expect(m.vcpus.map(({ state }) => state)).toEqual(["Blocked", "PoweredOff"]);
    expect(m.vcpus[0]?.getGpr(2)).toBe(mode === "vm" ? 4n : 8n);
    expect(m.vcpus[0]?.getPc()).toBe(0x4008_0008n);
  });

  // From QEMU: the program prints "hi ", waits for a character, prints it and ends with 42.
  // adr x1, text; mov w0, #4; hlt #0xf000; adr x1, char; mov w0, #7; hlt #0xf000; strb w0, [x1]; mov w0, #3;
  // hlt #0xf000; adr x1, block; mov w0, #0x18; hlt #0xf000; b .; block: .quad 0x20026, 42; text: .asciz "hi "
  const program = flat(
    "semihosting",
    ...[
      0x1000_0221, 0x5280_0080, 0xd45e_0000, 0x1000_01e1, 0x5280_00e0, 0xd45e_0000, 0x3900_0020, 0x5280_0060,
    ],
    ...[0xd45e_0000, 0x1000_0081, 0x5280_0300, 0xd45e_0000, 0x1400_0000, 0x2_0026, 0, 42, 0, 0x20_6968, 0],
  );

  test("semihosting: text out, a character in, and the exit code", async () => {
    const console = testConsole();
    const m = await machine({ mode, console, kernel: program, semihosting: true });
    expect(await m.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
    console.type("!");
    expect(await m.run()).toEqual({ kind: "exit", code: 42 });
    expect(console.text).toBe("hi !");
  });

  test("semihosting wakes a machine that runs when input comes", async () => {
    const console = testConsole();
    const m = await machine({ mode, console, kernel: program, semihosting: true });
    const end = m.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    console.type("?");
    m.inputArrived();
    expect(await end).toEqual({ kind: "exit", code: 42 });
  });

  test("without semihosting HLT is an undefined instruction", async () => {
    // adr x0, vectors; msr VBAR_EL1 or VBAR_EL2, x0; hlt #0xf000; vectors, at 0x200: mrs x1, ESR_ELx; b .
    const [vbar, esr] = mode === "vm" ? [0xd518_c000, 0xd538_5201] : [0xd51c_c000, 0xd53c_5201];
    const words = [0x1000_4000, vbar, 0xd45e_0000];
    const image = new Uint32Array(0x1000 / 4);
    image.set(words);
    image.set([esr, 0x1400_0000], (0x800 + 0x200) / 4);
    const bytes = new Uint8Array(image.buffer);
    const m = await machine({ mode, console: testConsole(), kernel: { name: "hlt", bytes } });
    expect(await m.run({ maxInstructions: 100 })).toEqual({ kind: "budget" });
    expect(m.vcpus[0]?.getGpr(1)).toBe(0x200_0000n);
  });
});

describe("where images go, as in QEMU", () => {
  const RAM = 0x4000_0000;
  /** A Linux image of one branch to itself. */
  const linux = (textOffset: number) => {
    const bytes = new Uint8Array(4096);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x1400_0000, true);
    view.setBigUint64(8, BigInt(textOffset), true);
    view.setBigUint64(16, 0x10_0000n, true);
    bytes.set([0x41, 0x52, 0x4d, 0x64], 0x38);
    return { name: "Image", bytes };
  };
  const places = async (options: Partial<ArmVirtOptions>) => {
    const m = await machine({ console: testConsole(), memory: 512 << 20, ...options });
    const vcpu = m.vcpus[0]!;
    return { pc: Number(vcpu.getPc()), dtb: Number(vcpu.getGpr(0)), m };
  };

  test("a flat binary at 512 KiB, the device tree 128 MiB behind the start of RAM", async () => {
    const { pc, dtb, m } = await places({ kernel: flat("flat", 0x1400_0000) });
    expect({ pc, dtb }).toEqual({ pc: RAM + 0x8_0000, dtb: RAM + (128 << 20) });
    expect(m.memory.readU32(dtb)).toBe(0xedfe_0dd0);
  });

  test("a Linux image where its header wants to be, and not where QEMU's own code is", async () => {
    expect((await places({ kernel: linux(0) })).pc).toBe(RAM + 0x20_0000);
    expect((await places({ kernel: linux(0x8_0000) })).pc).toBe(RAM + 0x8_0000);
  });

  test("an initrd before the device tree", async () => {
    const initrd = { name: "initrd", bytes: new Uint8Array(3 << 20).fill(7) };
    const { dtb, m } = await places({ kernel: linux(0), initrd });
    expect(m.memory.readU32(RAM + (128 << 20))).toBe(0x0707_0707);
    expect(dtb).toBe(RAM + (132 << 20));
  });

  test("an ELF file at its own addresses, with the device tree at the start of RAM", async () => {
    expect(await places({})).toMatchObject({ pc: 0x4020_0000, dtb: RAM });
  });

  test("firmware at address 0, which is memory then, with the device tree at the start of RAM", async () => {
    const firmware = flat("firmware", 0x1400_0000);
    const { pc, dtb, m } = await places({ mode: "bare", firmware, kernel: flat("flat", 1) });
    expect({ pc, dtb }).toEqual({ pc: 0, dtb: RAM });
    expect([m.memory.readU32(0), m.memory.readU32(RAM + 0x8_0000)]).toEqual([0x1400_0000, 1]);
    expect((await places({})).m.memory.contains(0, 4)).toBe(false);
  });
});

describe("bad input is refused in one line", () => {
  test.each([
    ["too little memory", { memory: 4096 }, "outside"],
    ["too many CPUs", { cpus: 9 }, "1 to 8 CPUs"],
    [
      "another architecture",
      { kernel: { name: "k.elf", bytes: embeddedGuest("riscv64") } },
      /k\.elf.*riscv64/,
    ],
    ["a truncated kernel", { kernel: { name: "cut", bytes: kernel.bytes.slice(0, 5000) } }, /^cut: /],
    ["firmware under the hypervisor", { firmware: kernel }, "firmware needs EL2, which only bare mode has"],
    [
      "firmware that is too large",
      { mode: "bare", firmware: { name: "fw", bytes: new Uint8Array(129 << 20) } },
      /^fw: /,
    ],
    ["a device tree that is none", { dtb: { name: "x.dtb", bytes: new Uint8Array(64) } }, /x\.dtb/],
    ["an image outside RAM", { loads: [{ ...kernel, name: "other", address: 0 }] }, /other.*not inside RAM/],
  ] as const)("%s", async (_name, options, message) => {
    const made = machine({ console: testConsole(), ...(options as Partial<ArmVirtOptions>) });
    await expect(made).rejects.toThrow(message);
  });

  test("a snapshot of another board", async () => {
    const bytes = await (await machine({ console: testConsole() })).save();
    const { restoreRiscvVirt } = await import("./riscv-virt.js");
    const host = { console: testConsole(), clock: new DeterministicClock(10) };
    await expect(restoreRiscvVirt({ name: "arm", bytes }, host)).rejects.toThrow(
      "arm: is a snapshot of 'arm-virt', not of a riscv-virt machine",
    );
  });
});

describe("what a guest finds at reset", () => {
  const console = testConsole();
  const word = async (address: number, options: Partial<ArmVirtOptions> = {}) =>
    (await machine({ console, ...options })).machine.bus.read(address, 4);

  test("an image loaded into the second bank of flash, where hypervisors look for their guests", async () => {
    const address = 0x0400_1000;
    const bytes = Uint8Array.of(0x78, 0x56, 0x34, 0x12);
    expect(await word(address, { mode: "bare", loads: [{ name: "guest", address, bytes }] })).toBe(
      0x1234_5678,
    );
  });

  test("no memory but RAM in the device tree, whatever is in flash", async () => {
    const firmware = { name: "firmware", bytes: Uint8Array.of(0, 0, 0, 0x14) };
    const { dtb } = await machine({ console, mode: "bare", firmware });
    const ram = { base: map.ram.base, size: 32 << 20 };
    expect(memoryRanges(readFdt(dtb!, "the board's tree"))).toEqual([ram]);
  });

  test("a GICv3 whose redistributors are awake: firmware has seen to that", async () => {
    const waker = map.gic.redistributors.base + 0x14;
    expect(await word(waker, { gic: 3 })).toBe(0);
  });
});

test.each(["vm", "bare"] as const)(
  "the cycle counter's overflow reaches the GIC in %s mode",
  async (mode) => {
    const console = testConsole();
    // Counts 100 cycles to its end while a loop goes round, then writes what GICD_ISPENDR0 says of interrupt 23.
    const overflow = flat(
      "overflow",
      ...[0xd2a1_0000, 0xd51b_efe0, 0xd2b0_0000, 0xd518_9e20, 0xd51b_9c20, 0x9280_0c60, 0xd51b_9d00],
      ...[0xd280_0020, 0xd51b_9c00, 0xd280_7d01, 0xd100_0421, 0xb5ff_ffe1, 0xd2a1_0002, 0xb942_0043],
      ...[0x5317_5c63, 0x1100_c063, 0xd2a1_2004, 0x3900_0083, 0xd503_207f],
    );
    const m = await machine({ console, mode, kernel: overflow });
    expect(await m.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
    expect(console.text).toBe("1");
  },
);
