import { Prng } from "@hypercraft/engine";
import type { EmulatedUser } from "@hypercraft/engine/testing/user-executors";
import { describe, expect, test } from "vitest";
import { runOnTier } from "./engine-user.js";
import { namesOf, type UserState, userPrograms } from "./user-program.js";
import { type CaseSource, loopingCases, randomCases } from "./user-sequences.js";

// The tests of every group of user-level instructions: random programs end in the same state on another processor and on
// both tiers of the engine. More and longer ones with USER_CASES, USER_BYTES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);

export interface RandomPrograms {
  readonly source: CaseSource;
  /** Bytes and rounds of cases in loops. */
  readonly loops: { readonly bytes: number; readonly times: number };
  /** Bytes of a case's code. */
  readonly bytes: number;
  /** Another processor, and what it is called. */
  readonly oracle: EmulatedUser<UserState>;
  readonly where: string;
  /** Names of the instructions that the cases have to hold, and what is said of them. */
  readonly expected: readonly string[];
  readonly which: string;
}

/** Declare the tests. */
export function testRandomPrograms(programs: RandomPrograms): void {
  const { source, loops, bytes, oracle, where, expected, which } = programs;
  const cases = randomCases(source, new Prng(SEED), CASES, Number(process.env.USER_BYTES ?? bytes));
  const looping = loopingCases(source, new Prng(SEED + 1), CASES / 10, loops.bytes, loops.times);
  const seed = `seed ${SEED}`;

  test("both tiers agree", () => {
    userPrograms.compare(looping, runOnTier("cold"), runOnTier("hot"), seed);
  });

  describe.skipIf(!oracle.present())(`against ${where}`, () => {
    test("sequences", () => {
      userPrograms.compare(cases, oracle.run, runOnTier("auto"), seed);
    });

    test("loops", () => {
      userPrograms.compare(looping, oracle.run, runOnTier("auto"), seed);
    });
  });

  test(`the programs hold ${which}`, () => {
    const seen = new Set(cases.flatMap(({ code }) => namesOf(code)));
    expect(expected.filter((name) => !seen.has(name))).toEqual([]);
  });
}
