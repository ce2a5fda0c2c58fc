import { Prng } from "@hypercraft/engine";
import type { UserExecutor } from "@hypercraft/engine/testing/user-program";
import { describe, expect, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { native } from "../testing/native-user.js";
import { namesOf, type UserCase, type UserState, userPrograms } from "../testing/user-program.js";
import { loopingX87Cases, randomX87Cases, testedNames } from "../testing/x87-sequences.js";

// Random programs on the floating-point unit: the processor these tests run on, and both tiers of the engine, end in the
// same state. More and longer ones with USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);
const BYTES = Number(process.env.USER_BYTES ?? 300);

const cases = randomX87Cases(new Prng(SEED), CASES, BYTES);
const looping = loopingX87Cases(new Prng(SEED + 1), CASES / 10, 150, 50);

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
