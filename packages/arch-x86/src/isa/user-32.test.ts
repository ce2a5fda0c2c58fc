import { Prng } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { USER_32 } from "../cpu/mode.js";
import { runOnTier32 } from "../testing/engine-user.js";
import { native32 } from "../testing/native-user.js";
import { CASES_32, testedNames32 } from "../testing/sequences-32.js";
import { namesOf, userPrograms32 } from "../testing/user-program.js";
import { loopingCases, randomCases } from "../testing/user-sequences.js";

// Random programs of 32-bit code: the processor these tests run on, and the engine, end in the same state. More and
// longer ones with USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);

const cases = randomCases(CASES_32, new Prng(SEED), CASES, 200);
const looping = loopingCases(CASES_32, new Prng(SEED + 1), CASES / 10, 100, 300);

test("both tiers agree", () => {
  userPrograms32.expectSame(
    looping,
    runOnTier32("cold")(looping),
    runOnTier32("hot")(looping),
    `seed ${SEED}`,
  );
});

test.skipIf(!native32.present())("32-bit programs end as on the host", () => {
  for (const some of [cases, looping])
    userPrograms32.expectSame(some, native32.run(some), runOnTier32("auto")(some), `seed ${SEED}`);
});

test("the programs hold every instruction of 32-bit code that programs can compare", () => {
  const seen = new Set(cases.flatMap(({ code }) => namesOf(code, USER_32)));
  expect(testedNames32.filter((name) => !seen.has(name))).toEqual([]);
});
