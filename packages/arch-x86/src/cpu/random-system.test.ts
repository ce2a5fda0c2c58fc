import { Prng, type Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { createBareMachine, enterProgram } from "../testing/cpu/bare-machine.js";
import { dumpsOf } from "../testing/cpu/programs/case.js";
import { assembleForCpu, haveQemuSystem } from "../testing/cpu/qemu-system.js";
import { randomSystemPrograms } from "../testing/cpu/random-system.js";
import { runAsGuest } from "../testing/vm/program-guest.js";
import { x86Layout } from "./state.js";

// Random sequences of system instructions do the same on both tiers of the engine, however often they are interrupted,
// and under the hypervisor. More and other ones with SYSTEM_CASES and SYSTEM_SEED.

const CASES = Number(process.env.SYSTEM_CASES ?? 150);
const SEED = Number(process.env.SYSTEM_SEED ?? 1);
const BUDGET = 50_000_000;

/** Everything there is to be seen of a run. `slice`: instructions at a time. */
function run(program: Uint8Array, tier: Tier, slice: () => number) {
  const machine = createBareMachine(tier);
  const { core, ram, output, load } = machine;
  load(program);
  enterProgram(machine);
  let end = "budget";
  while (end === "budget" && core.instructions() < BUDGET)
    end = core.run(Math.min(slice(), BUDGET - core.instructions()));
  const fields = [...x86Layout.fields].map(([name, field]) => `${name} ${core.big(field).toString(16)}`);
  return { end, output: Uint8Array.from(output), instructions: core.instructions(), fields, ram };
}

describe.skipIf(!haveQemuSystem())(`seed ${SEED}`, () => {
  const programs = randomSystemPrograms(() => new Prng(SEED), CASES);
  test.each(Object.entries(programs))(
    "%s",
    (_, { list, source }) => {
      const program = assembleForCpu(source);
      const shown = (output: Uint8Array) =>
        Object.fromEntries([...dumpsOf(list, output)].map(([name, words]) => [name, words.join(" ")]));
      const cold = run(program, "cold", () => BUDGET);
      const expected = shown(cold.output);
      expect([cold.end, Object.keys(expected).length]).toEqual(["stopped", list.length]);
      const prng = new Prng(SEED + 1);
      for (const [tier, slice] of [
        ["hot", () => BUDGET],
        ["auto", () => 1 + prng.below(3000)],
        ["hot", () => 1 + prng.below(300)],
      ] as const) {
        const other = run(program, tier, slice);
        expect(shown(other.output)).toEqual(expected);
        expect([other.instructions, other.end]).toEqual([cold.instructions, cold.end]);
        expect(other.fields).toEqual(cold.fields);
        expect(Buffer.compare(other.ram, cold.ram)).toBe(0);
      }
      expect(shown(runAsGuest(program, "hot"))).toEqual(expected);
    },
    120_000,
  );
});
