import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, test } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc, type PcOptions, restorePc } from "../pc.js";
import { expectContinuation, expectSameTwice, type TestConsole } from "../testing/repeatable.js";
import { testConsole } from "../testing/test-console.js";

const kernel = { name: "embedded guest", bytes: embeddedGuest("x86_64") };
const MODES = ["vm", "bare"] as const;
const machine = (options: Pick<PcOptions, "mode" | "console"> & Partial<PcOptions>) =>
  createPc({ kernel, memory: 32 << 20, clock: new DeterministicClock(10), ...options });

describe.each(MODES)("the embedded guest in %s mode", (mode) => {
  test.each([
    { cpus: 1, tier: "auto" },
    { cpus: 1, tier: "hot" },
    { cpus: 3, tier: "auto" },
  ] as const)("passes its self-test and powers off: CPUs: $cpus, tier $tier", async (board) => {
    const console = testConsole();
    const m = await machine({ console, mode, ...board, append: "selftest" });
    expect(await m.run()).toEqual({ kind: "shutdown", failure: false, code: 0 });
    expect(console.text).toMatch(/selftest: \d+ passed, 0 failed/);
    expect(console.text).not.toContain("FAIL");
    // What there is is tested.
    const needs = ["cpus-start", "cpus-kick", "cpus-atomics", "cpus-stop", "remote-tlb"];
    const skipped = Array.from(console.text.matchAll(/^skip ([\w-]+)/gm), ([, name]) => name);
    expect(skipped.sort()).toEqual(board.cpus === 1 ? needs.sort() : []);
  });

  test("tells a failure by isa-debug-exit", async () => {
    const m = await machine({ console: testConsole("poweroff 5\r"), mode });
    expect(await m.run()).toEqual({ kind: "exit", code: 11 });
  });

  test("answers what is typed at its shell, and starts the machine again", async () => {
    const console = testConsole("run primes\rreboot\r");
    const m = await machine({ console, mode });
    expect(await m.run()).toEqual({ kind: "reset" });
    expect(console.text).toContain("1229 primes below 10000");
  });

  test("runs the same twice", () =>
    expectSameTwice((console) => machine({ console, mode, append: "selftest" })));

  test.each([100_000, 1_234_567, 4_000_001])(
    "goes on byte for byte from a snapshot after %i instructions",
    async (at) => {
      const start = (console: TestConsole) => machine({ console, mode, cpus: 2, append: "selftest" });
      await expectContinuation({ start, restore: restorePc, at, stop: 8_000_000 });
    },
  );
});
