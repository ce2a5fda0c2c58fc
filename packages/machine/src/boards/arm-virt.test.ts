import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, test } from "vitest";
import { DeterministicClock } from "../time/clock.js";
import { type ArmVirtOptions, createArmVirt } from "./arm-virt.js";

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

const kernel = { name: "embedded guest", bytes: embeddedGuest("aarch64") };
const machine = (options: Partial<ArmVirtOptions> & Pick<ArmVirtOptions, "console">) =>
  createArmVirt({ kernel, mode: "bare", memory: 32 << 20, clock: new DeterministicClock(10), ...options });

describe.each([2, 3] as const)("the embedded guest with a GICv%i", (gic) => {
  test.each([1, 2])("runs its shell on %i PEs and powers off", async (cpus) => {
    const console = testConsole("run primes\rpoweroff\r");
    const m = await machine({ console, cpus, gic });
    expect(await m.run()).toEqual({ kind: "shutdown", failure: false, code: 0 });
    expect(console.text).toContain(`gic       version ${gic}`);
    expect(console.text).toContain("hc> run primes");
  });
});
