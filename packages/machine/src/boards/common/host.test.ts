import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, test } from "vitest";
import { snapshotHash } from "../../snapshot/container.js";
import { DeterministicClock } from "../../time/clock.js";
import { type ArmVirtOptions, createArmVirt, restoreArmVirt } from "../arm-virt.js";
import { createPc, type PcOptions, restorePc } from "../pc.js";
import { createRiscvVirt, type RiscvVirtOptions, restoreRiscvVirt } from "../riscv-virt.js";
import { testConsole } from "../testing/test-console.js";
import { BoardHost } from "./host.js";

const MIB = 1 << 20;
const memory = 32 * MIB;
const room = { memory };
const code = (name: string) => expect.objectContaining({ code: name });
const image = (name: "riscv64" | "aarch64" | "x86_64") => ({
  name: `${name} guest`,
  bytes: embeddedGuest(name),
});
/** Instructions of AArch64 as a flat kernel. */
const flat = (...words: number[]) => ({
  name: "flat",
  bytes: new Uint8Array(Uint32Array.from(words).buffer),
});
/** brk #0: it traps to a vector at 0, where nothing is, and so for ever. */
const HALT = 0xd420_0000;
/** b . */
const LOOP = 0x1400_0000;

const riscv = (options: Partial<RiscvVirtOptions> = {}) =>
  createRiscvVirt({
    kernel: image("riscv64"),
    memory,
    console: testConsole(),
    clock: new DeterministicClock(10),
    ...options,
  });
const arm = (options: Partial<ArmVirtOptions> = {}) =>
  createArmVirt({
    kernel: image("aarch64"),
    memory,
    console: testConsole(),
    clock: new DeterministicClock(10),
    ...options,
  });
const pc = (options: Partial<PcOptions> = {}) =>
  createPc({
    kernel: image("x86_64"),
    memory,
    console: testConsole(),
    clock: new DeterministicClock(10),
    ...options,
  });

type Made = Awaited<ReturnType<typeof arm> | ReturnType<typeof riscv> | ReturnType<typeof pc>>;
type Maker = (options: Pick<RiscvVirtOptions, "console" | "host">) => Promise<Made>;

const GUESTS: Readonly<Record<string, Maker>> = {
  "RISC-V": (given) => riscv({ ...given, cpus: 2, append: "selftest" }),
  "RISC-V, compiled early": (given) => riscv({ ...given, tier: "hot", append: "selftest" }),
  "AArch64, GICv2": (given) => arm({ ...given, cpus: 2, append: "selftest" }),
  "AArch64, GICv3": (given) => arm({ ...given, gic: 3, append: "selftest" }),
  "AArch64, bare": (given) => arm({ ...given, mode: "bare", append: "selftest" }),
  "x86-64": (given) => pc({ ...given, cpus: 2, append: "selftest" }),
};
const ROOMS = Object.keys(GUESTS).map(
  (name) => ({ memory, mode: name.endsWith("bare") ? "bare" : "vm" }) as const,
);

/** All that a guest can have noticed. */
async function outcome(machine: Made, end: unknown, console: { readonly text: string }) {
  const { instructions, exits } = machine.statistics();
  return { end, text: console.text, instructions, exits, hash: snapshotHash(machine.snapshot()) };
}

describe("machines of several architectures on one host", () => {
  test("do the same side by side as each does alone", async () => {
    const host = new BoardHost({ machines: ROOMS });
    const together: { name: string; machine: Made; console: ReturnType<typeof testConsole> }[] = [];
    for (const [name, make] of Object.entries(GUESTS)) {
      const console = testConsole();
      together.push({ name, console, machine: await make({ console, host }) });
    }
    expect(new Set(together.map(({ machine }) => machine.vm.vmid))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
    // Ended by a count in the middle of things, so that a difference of one instruction shows.
    const ends = await host.run({ maxInstructions: 1_234_567 });
    for (const { name, machine, console } of together) {
      const beside = await outcome(machine, ends.get(machine), console);
      const alone = testConsole();
      const single = await GUESTS[name]!({ console: alone });
      const end = await single.run({ maxInstructions: 1_234_567 });
      expect({ name, ...beside }).toEqual({ name, ...(await outcome(single, end, alone)) });
      expect(beside.instructions).toBe(1_234_567);
    }
    const last = await host.run();
    for (const { machine, console } of together) {
      expect(last.get(machine)).toEqual({ kind: "shutdown", failure: false, code: 0 });
      expect(console.text).toMatch(/selftest: \d+ passed, 0 failed/);
    }
  });

  test("take turns", async () => {
    const host = new BoardHost({ machines: [room, room] });
    const order: string[] = [];
    const hear = (letter: string) => ({ write: () => void order.push(letter), read: () => -1 });
    await riscv({ host, append: "selftest", console: hear("r") });
    await arm({ host, append: "selftest", console: hear("a") });
    await host.run();
    const changes = order.filter((letter, i) => letter !== order[i - 1]).length;
    expect(changes).toBeGreaterThan(10);
  });

  test("end each by itself: one fails, one is reset, one waits, one goes on", async () => {
    const host = new BoardHost({ machines: [room, room, room, room] });
    // movz w0, #9; movk w0, #0x8400, lsl #16; hvc #0
    const resets = await arm({ host, kernel: flat(0x5280_0120, 0x72b0_8000, 0xd400_0002, LOOP) });
    const fails = await arm({ host, kernel: flat(HALT), name: "the one that fails" });
    const waits = await arm({ host, kernel: flat(0xd503_207f, LOOP) }); // wfi
    const passes = await riscv({ host, append: "selftest" });
    const ends = await host.run({ onIdle: "stop", maxInstructions: 20_000_000 });
    expect(ends.get(resets)).toEqual({ kind: "reset" });
    expect(ends.get(fails)).toMatchObject({
      kind: "failed",
      report: expect.stringContaining("the one that fails"),
    });
    expect(ends.get(waits)?.kind).toBe("idle");
    expect(ends.get(passes)).toEqual({ kind: "shutdown", failure: false, code: 0 });
    expect(host.machines.map(({ result }) => result?.kind)).toEqual([
      "reset",
      "failed",
      undefined,
      "shutdown",
    ]);
    // Those that ended are not run again.
    expect([...(await host.run({ onIdle: "stop" })).keys()]).toEqual([waits]);
  });

  test("can be run by hand", async () => {
    const host = new BoardHost({ machines: [room, room] });
    const [a, b] = [await riscv({ host, append: "selftest" }), await arm({ host, append: "selftest" })];
    const done = { kind: "shutdown", failure: false, code: 0 };
    expect(await Promise.all([a.run(), b.run()])).toEqual([done, done]);
  });
});

describe("a snapshot", () => {
  test.each([
    ["RISC-V", riscv, restoreRiscvVirt],
    ["AArch64", arm, restoreArmVirt],
    ["x86-64", pc, restorePc],
  ] as const)(
    "of one machine of several goes on elsewhere, alone or with others: %s",
    async (_, make, restore) => {
      const whole = testConsole();
      const alone = await make({ console: whole, cpus: 2, append: "selftest" });
      const end = await alone.run({ maxInstructions: 3_000_000 });

      const host = new BoardHost({ machines: [room, room] });
      await riscv({ host });
      const before = testConsole();
      const first = await make({ host, console: before, cpus: 2, append: "selftest" });
      await host.run({ maxInstructions: 1_000_003, onIdle: "stop" });
      const file = { name: "test.snapshot", bytes: await first.save() };

      // Behind a machine of another size, so that nothing is where it was.
      const other = new BoardHost({ machines: [{ memory: 48 * MIB }, room] });
      await arm({ host: other, memory: 48 * MIB });
      for (const place of [{}, { host: other }]) {
        const after = testConsole();
        const second = await restore(file, { console: after, clock: new DeterministicClock(10), ...place });
        expect(await second.run({ maxInstructions: 3_000_000 - 1_000_003 })).toEqual(end);
        expect(before.text + after.text).toBe(whole.text);
        expect(snapshotHash(second.snapshot())).toBe(snapshotHash(alone.snapshot()));
      }
    },
  );
});

describe("a machine's place", () => {
  test("is given back by close, and the next machine there finds no traces", async () => {
    const host = new BoardHost({ machines: [room, room] });
    const stays = await arm({ host });
    const { freeFrames } = host.memory.frames;
    const texts = new Set<string>();
    for (const make of [riscv, arm, pc, riscv, arm, pc]) {
      const console = testConsole();
      const machine = await make({ host, console, append: "selftest", tier: "hot" });
      const beside = { instructions: machine.statistics().instructions, vmid: machine.vm.vmid };
      expect(beside).toEqual({ instructions: 0, vmid: 2 });
      expect(host.machines).toEqual([stays, machine]);
      await expect(make({ host })).rejects.toThrow("the host has room for 2 machines");
      expect(await machine.run()).toEqual({ kind: "shutdown", failure: false, code: 0 });
      texts.add(console.text);
      const { base } = machine.machine.ram.at(-1)!;
      machine.close();
      machine.close();
      expect(host.memory.frames.freeFrames).toBe(freeFrames);
      expect(host.vms.vms).toHaveLength(1);
      expect(() => machine.memory.readU32(base)).toThrow(code("OutOfRange"));
      await expect(machine.run()).rejects.toThrow(code("BadState"));
    }
    // Each architecture twice the same.
    expect(texts.size).toBe(3);
  });

  test("is given back when a machine cannot be made", async () => {
    const host = new BoardHost({ machines: [room] });
    const { freeFrames } = host.memory.frames;
    const clock = new DeterministicClock(10);
    const initrd = { name: "big", bytes: new Uint8Array(40 * MIB) };
    await expect(arm({ host, clock, initrd })).rejects.toThrow("big");
    await expect(
      arm({ host, clock, extend: (builder) => void builder.ram("x", 0x4000_0000, 4096) }),
    ).rejects.toThrow("overlaps");
    await expect(arm({ host, clock, memory: 64 * MIB })).rejects.toThrow(code("NoMemory"));
    expect(host.memory.frames.freeFrames).toBe(freeFrames);
    expect(await arm({ host, clock })).toMatchObject({ running: false });
  });

  test("is not given back while the machine runs", async () => {
    const machine = await arm({ kernel: flat(LOOP) });
    const run = machine.run();
    expect(() => machine.close()).toThrow(code("BadState"));
    machine.stop();
    expect(await run).toEqual({ kind: "stopped" });
    machine.close();
  });

  test("has a clock of its own where time is made of instructions", async () => {
    const host = new BoardHost({ machines: [room, room] });
    const clock = new DeterministicClock(10);
    const first = await riscv({ host, clock });
    await expect(arm({ host, clock })).rejects.toThrow("a clock each");
    first.close();
    await arm({ host, clock });
  });
});

test("a host says what is too much for it", () => {
  const make =
    (...machines: ConstructorParameters<typeof BoardHost>[0]["machines"]) =>
    () =>
      new BoardHost({ machines });
  expect(make({ memory: 2048 * MIB }, { memory: 2048 * MIB })).toThrow(
    "memory of 4 GiB of 2 machines in all is too much for one process",
  );
  expect(make({ memory: 8192 * MIB })).toThrow("outside");
  expect(make()).toThrow("1 to 32 machines, not 0");
  expect(make(...new Array(33).fill({ memory: 4 * MIB }))).toThrow("1 to 32 machines, not 33");
});
