import { Prng } from "@hypercraft/engine";
import type { UserExecutor } from "@hypercraft/engine/testing/user-program";
import { describe, expect, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { native } from "../testing/native-user.js";
import { namesOf, type UserCase, type UserState, userPrograms } from "../testing/user-program.js";
import { loopingVectorCases, randomVectorCases, testedNames } from "../testing/vector-sequences.js";

// Random programs on MMX and XMM registers: the processor these tests run on, and both tiers of the engine, end in the
// same state. More and longer ones with USER_CASES and USER_SEED. (QEMU 7 is wrong about some of this.)

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);

const cases = randomVectorCases(new Prng(SEED), CASES, 200);
const looping = loopingVectorCases(new Prng(SEED + 1), CASES / 10, 100, 300);

function compare(
  some: readonly UserCase[],
  first: UserExecutor<UserState>,
  second: UserExecutor<UserState>,
): void {
  userPrograms.expectSame(some, first(some), second(some), `seed ${SEED}`);
}

test("both tiers agree", () => {
  compare(looping, runOnTier("cold"), runOnTier("hot"));
});

describe.skipIf(!native.present())("against the host", () => {
  test("sequences", () => {
    compare(cases, native.run, runOnTier("auto"));
  });

  test("loops", () => {
    compare(looping, native.run, runOnTier("auto"));
  });
});

test("the programs hold every instruction that is the same everywhere", () => {
  const seen = new Set(cases.flatMap(({ code }) => namesOf(code)));
  expect(testedNames.filter((name) => !seen.has(name))).toEqual([]);
});
