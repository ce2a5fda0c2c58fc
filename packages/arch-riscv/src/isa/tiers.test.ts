import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { createEngineUser, runOnTier } from "../testing/engine-user.js";
import { qemu } from "../testing/qemu-user.js";
import { type UserCase, type UserState, userPrograms } from "../testing/user-program.js";
import { randomLoopingCases } from "../testing/user-sequences.js";

// Random user-level programs with loops and calls on the engine's execution tiers: the same state after every
// slice, the same counts, and at the end that of QEMU. More of them with USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 120);
const SEED = Number(process.env.USER_SEED ?? 1);
/** Hardly more than the engine insists on. */
const SMALL_ARENA = 6_150_000;
const TIERS = ["cold", "hot", "auto"] as const;

const cases = randomLoopingCases(new Prng(SEED), CASES);

function expectSame(some: readonly UserCase[], a: readonly UserState[], b: readonly UserState[]): void {
  userPrograms.expectSame(some, a, b, `seed ${SEED}`);
}

/** The state after each slice. Slices of a few instructions come in runs, so that every place gets cut sometimes. */
function lockstep(
  some: readonly UserCase[],
  prng: Prng,
): { slices: number; instructions: number; regions: number } {
  const programs = TIERS.map((tier) => createEngineUser(some, tier));
  const [cold, ...others] = programs as [(typeof programs)[0], ...typeof programs];
  let slices = 0;
  for (let ended = false; !ended; slices++) {
    const budget = 1 + prng.below(prng.oneIn(3) ? 50 : prng.oneIn(3) ? 2000 : 60_000);
    ended = cold.run(budget);
    const { instructions, traps, fields } = cold.core.state();
    for (const [i, other] of others.entries()) {
      const where = `${TIERS[i + 1]} after slice ${slices} of seed ${SEED}, at ${instructions}`;
      expect(other.run(budget), where).toBe(ended);
      expect(other.core.state(), where).toMatchObject({ instructions, traps, fields });
    }
  }
  for (const other of others) expectSame(some, other.states(), cold.states());
  const [hot] = others;
  return {
    slices,
    instructions: cold.core.instructions(),
    regions: hot?.engine.hot?.statistics.regions ?? 0,
  };
}

test("the tiers agree after every slice", () => {
  const { instructions, regions } = lockstep(cases.slice(0, CASES / 2), new Prng(SEED + 1000));
  expect(instructions).toBeGreaterThan(100_000);
  expect(regions).toBeGreaterThan(CASES);
});

test("the tiers end in the same state", () => {
  const cold = runOnTier("cold")(cases);
  expectSame(cases, runOnTier("hot")(cases), cold);
  expectSame(cases, runOnTier("auto")(cases), cold);
});

test("a code cache that overflows while code is compiled changes nothing", () => {
  const many = randomLoopingCases(new Prng(SEED + 2000), 350);
  const [cold, hot] = [createEngineUser(many, "cold"), createEngineUser(many, "hot", SMALL_ARENA)];
  for (let ended = false; !ended; ) {
    ended = cold.run(50_021);
    expect(hot.run(50_021)).toBe(ended);
  }
  expect(hot.engine.code.flushes, `${hot.engine.code.used} bytes of code`).toBeGreaterThan(0);
  expect(hot.core.state().instructions).toBe(cold.core.state().instructions);
  expectSame(many, hot.states(), cold.states());
});

describe.skipIf(!qemu.present())("against the emulator", () => {
  test("compiled code", () => {
    expectSame(cases, runOnTier("hot")(cases), qemu.run(cases));
  });
});
