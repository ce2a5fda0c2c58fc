// A machine that nobody holds any more gives its memory back: RAM, translated code and compiled regions. There is no
// method for it, and nothing global that would keep one.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { BufferConsole } from "@hypercraft/hypercraft";
import { DeterministicClock } from "@hypercraft/machine";
import { createArmVirt } from "@hypercraft/machine/boards/arm-virt";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";
import { expect, test } from "vitest";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const BOARDS = { riscv64: createRiscvVirt, aarch64: createArmVirt } as const;
type Arch = keyof typeof BOARDS;

async function runOne(arch: Arch): Promise<WeakRef<object>[]> {
  const machine = await BOARDS[arch]({
    kernel: { name: "embedded guest", bytes: embeddedGuest(arch) },
    append: "selftest",
    memory: 32 << 20,
    console: new BufferConsole(),
    clock: new DeterministicClock(10),
    tier: "hot",
  });
  await machine.run({ maxInstructions: 5_000_000 });
  expect(machine.statistics().hot?.regions).toBeGreaterThan(100);
  const { memory } = (machine.vcpus[0] as (typeof machine.vcpus)[number]).core.engine;
  return [new WeakRef(machine), new WeakRef(memory), new WeakRef(memory.buffer)];
}

test.each(Object.keys(BOARDS) as Arch[])(
  "memory, code and regions of a machine that is let go: %s",
  async (arch) => {
    const held = [...(await runOne(arch)), ...(await runOne(arch))];
    for (let i = 0; i < 50 && held.some((ref) => ref.deref() !== undefined); i++) {
      // What compiled in the background holds its code until it is done.
      await new Promise((resolve) => setTimeout(resolve, 20));
      collect();
    }
    expect(held.filter((ref) => ref.deref() !== undefined)).toEqual([]);
  },
);
