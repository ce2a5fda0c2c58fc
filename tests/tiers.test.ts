// The execution tiers, on everything that the embedded guest does: the same state after every slice, the same
// console, counts and memory, and snapshots that go on in another tier.
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { BufferConsole } from "@hypercraft/hypercraft";
import { DeterministicClock, snapshotHash } from "@hypercraft/machine";
import { type ArmVirtMachine, type ArmVirtOptions, createArmVirt } from "@hypercraft/machine/boards/arm-virt";
import {
  createRiscvVirt,
  type MachineRunOptions,
  type RiscvVirtMachine,
  type RiscvVirtOptions,
} from "@hypercraft/machine/boards/riscv-virt";
import { expect, test } from "vitest";

type Tier = NonNullable<RiscvVirtOptions["tier"]>;
type Choice =
  | ({ readonly arch: "riscv64" } & Pick<RiscvVirtOptions, "cpus" | "map">)
  | ({ readonly arch: "aarch64" } & Pick<ArmVirtOptions, "cpus" | "mode" | "gic">);

interface Subject {
  readonly tier: Tier;
  readonly machine: RiscvVirtMachine | ArmVirtMachine;
  readonly terminal: BufferConsole;
}

async function create(tier: Tier, choice: Choice): Promise<Subject> {
  const terminal = new BufferConsole();
  const options = {
    kernel: { name: "embedded guest", bytes: embeddedGuest(choice.arch) },
    append: "selftest",
    memory: 16 << 20,
    console: terminal,
    clock: new DeterministicClock(10),
    tier,
  };
  const machine =
    choice.arch === "riscv64"
      ? await createRiscvVirt({ ...options, ...choice })
      : await createArmVirt({ ...options, ...choice });
  return { tier, machine, terminal };
}

/** All that can be seen of a machine but its memory. */
function seen({ machine, terminal }: Subject) {
  const { instructions, traps, exits } = machine.statistics();
  const cpus = machine.vcpus.map(({ core }) => core.state());
  return { cpus, instructions, traps, exits, text: terminal.text() };
}

/** Run all alike and compare after each run; gives how the last one ended. */
async function lockstep(
  [first, ...others]: readonly [Subject, ...Subject[]],
  limits: MachineRunOptions,
  runs: number,
) {
  for (let i = 0; i < runs; i++) {
    const end = await first.machine.run(limits);
    const expected = seen(first);
    for (const other of others) {
      const where = `${other.tier} after ${expected.instructions} instructions`;
      expect(await other.machine.run(limits), where).toEqual(end);
      expect(seen(other), where).toEqual(expected);
    }
    if (end.kind !== "budget") return end;
  }
  return { kind: "budget" };
}

const memory = ({ machine }: Subject): string => snapshotHash(machine.snapshot());

function expectCompiled(subjects: readonly Subject[]): void {
  for (const { machine, tier } of subjects)
    expect((machine.statistics().hot?.executed ?? 0) > 0, tier).toBe(tier !== "cold");
}

test.each<[Choice, number]>([
  [{ arch: "riscv64", cpus: 1 }, 1777],
  [{ arch: "riscv64", cpus: 2 }, 4999],
  [{ arch: "riscv64", cpus: 1, map: "hchyper" }, 7001],
  [{ arch: "aarch64", cpus: 1 }, 1777],
  [{ arch: "aarch64", cpus: 2, gic: 3 }, 4999],
  [{ arch: "aarch64", cpus: 2, mode: "bare" }, 7001],
])("in lockstep: %o, every %i instructions", async (choice, step) => {
  const subjects = [
    await create("cold", choice),
    await create("hot", choice),
    await create("auto", choice),
  ] as const;
  const [cold, hot, auto] = subjects;
  const limits = { maxInstructions: step };
  const half = Math.ceil(2_500_000 / step);
  expect(await lockstep(subjects, limits, half)).toEqual({ kind: "budget" });
  expect([memory(hot), memory(auto)]).toEqual([memory(cold), memory(cold)]);
  // The rest in larger steps, of odd slices.
  const end = await lockstep(subjects, { maxInstructions: 199_999, slice: 9973 }, 1000);
  expect(end).toMatchObject({ kind: "shutdown", failure: false });
  expect(cold.terminal.text()).toMatch(/selftest: \d+ passed, 0 failed/);
  expectCompiled(subjects);
});

test.each([
  { arch: "riscv64", cpus: 2 },
  { arch: "aarch64", cpus: 2 },
] as const)(
  "a snapshot goes on in any tier, also where later code was compiled already: $arch",
  async (choice) => {
    const hot = await create("hot", choice);
    const early = { maxInstructions: 1_400_003 };
    const late = { maxInstructions: 1_300_001 };
    await hot.machine.run(early);
    const snapshot = hot.machine.snapshot();
    expect(await hot.machine.run(late)).toEqual({ kind: "budget" });
    const expected = memory(hot);
    hot.machine.restore(snapshot);
    await hot.machine.run(late);
    expect(memory(hot)).toBe(expected);
    const cold = await create("cold", choice);
    cold.machine.restore(snapshot);
    await cold.machine.run(late);
    expect(memory(cold)).toBe(expected);
    expectCompiled([hot, cold]);
  },
);
