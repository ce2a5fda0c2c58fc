// Both execution tiers, on everything that the embedded guest does: the same console, counts and state.
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { BufferConsole } from "@hypercraft/hypercraft";
import { DeterministicClock, snapshotHash } from "@hypercraft/machine";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";
import { expect, test } from "vitest";

type Tier = "auto" | "cold" | "hot";

async function run(tier: Tier, cpus: number, maxInstructions: number) {
  const terminal = new BufferConsole();
  const machine = await createRiscvVirt({
    kernel: { name: "embedded guest", bytes: embeddedGuest("riscv64") },
    append: "selftest",
    memory: 16 << 20,
    console: terminal,
    clock: new DeterministicClock(10),
    cpus,
    tier,
  });
  const end = await machine.run({ maxInstructions, slice: 9973 });
  const regions = machine.harts[0]!.core.engine.hot?.statistics.regions ?? 0;
  expect(regions > 0).toBe(tier !== "cold");
  const { instructions, traps, exits } = machine.statistics();
  const state = end.kind === "budget" ? snapshotHash(machine.snapshot()) : "ended";
  return { end, text: terminal.text(), instructions, traps, exits, state };
}

test.each([
  [1, 2_345_678],
  [1, 5_000_001],
  [1, 100_000_000],
  [2, 4_567_890],
  [2, 100_000_000],
])("the self-test under the hypervisor, %i CPUs, %i instructions at most", async (cpus, limit) => {
  const cold = await run("cold", cpus, limit);
  expect(await run("auto", cpus, limit)).toEqual(cold);
  expect(await run("hot", cpus, limit)).toEqual(cold);
});
