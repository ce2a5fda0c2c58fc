import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, test } from "vitest";
import { snapshotHash } from "../snapshot/container.js";
import { DeterministicClock } from "../time/clock.js";
import { createRiscvVirt, type RiscvVirtOptions, restoreRiscvVirt } from "./riscv-virt.js";

/** A console that keeps what was written and offers what was typed. */
function testConsole(typed = "") {
  const input = [...new TextEncoder().encode(typed)];
  const decoder = new TextDecoder();
  return {
    text: "",
    write(bytes: Uint8Array) {
      this.text += decoder.decode(bytes, { stream: true });
    },
    read: () => input.shift() ?? -1,
  };
}

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

  test("the same run twice: same console, same count, same state", async () => {
    const runs = await Promise.all(
      [0, 1].map(async () => {
        const console = testConsole();
        const m = await machine({ console, append: "selftest" });
        expect(await m.run({ maxInstructions: 2_000_000 })).toEqual({ kind: "budget" });
        return {
          text: console.text,
          instructions: m.statistics().instructions,
          hash: snapshotHash(m.snapshot()),
        };
      }),
    );
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]?.instructions).toBe(2_000_000);
  });
});

test.each([100_000, 1_234_567, 3_000_001])(
  "a snapshot after %i instructions continues byte for byte",
  async (at) => {
    const stop = 5_000_000;
    const whole = testConsole();
    const uninterrupted = await machine({ console: whole, append: "selftest" });
    await uninterrupted.run({ maxInstructions: stop });
    const before = testConsole();
    const first = await machine({ console: before, append: "selftest" });
    await first.run({ maxInstructions: at });
    const bytes = await first.save();
    const after = testConsole();
    const second = await restoreRiscvVirt(
      { name: "test.snapshot", bytes },
      { console: after, clock: new DeterministicClock(10) },
    );
    await second.run({ maxInstructions: stop - at });
    expect(before.text + after.text).toBe(whole.text);
    expect(snapshotHash(second.snapshot())).toBe(snapshotHash(uninterrupted.snapshot()));
    expect(await second.run()).toMatchObject({ kind: "shutdown", failure: false });
    expect(after.text).toMatch(/selftest: \d+ passed, 0 failed/);
  },
  60_000,
);

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
