import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, test } from "vitest";
import { DeterministicClock } from "../time/clock.js";
import { type ArmVirtOptions, createArmVirt, QEMU_ARM_MAP as map } from "./arm-virt.js";

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

describe("what a guest finds at reset", () => {
  const console = testConsole();
  const word = async (address: number, options: Partial<ArmVirtOptions> = {}) =>
    (await machine({ console, ...options })).machine.bus.read(address, 4);

  test("an image loaded into the second bank of flash, where hypervisors look for their guests", async () => {
    const address = 0x0400_1000;
    const bytes = Uint8Array.of(0x78, 0x56, 0x34, 0x12);
    expect(await word(address, { loads: [{ name: "guest", address, bytes }] })).toBe(0x1234_5678);
  });

  test("a GICv3 whose redistributors are awake: firmware has seen to that", async () => {
    const waker = map.gic.redistributors.base + 0x14;
    expect(await word(waker, { gic: 3 })).toBe(0);
  });
});
