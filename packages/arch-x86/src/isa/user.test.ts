import { Prng } from "@hypercraft/engine";
import type { UserExecutor } from "@hypercraft/engine/testing/user-program";
import { describe, expect, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { native } from "../testing/native-user.js";
import { qemu } from "../testing/qemu-user.js";
import { namesOf, type UserCase, type UserState, userPrograms } from "../testing/user-program.js";
import { foreign, randomLoopingCases, randomUserCases } from "../testing/user-sequences.js";
import { x86Instructions } from "./table.js";

// Random user-level programs: another processor and both tiers of the engine end in the same state. More and longer ones with
// USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);
const BYTES = 200;

/** The host where it can be: QEMU 7 crashes on some of these flags. */
const oracle = native.present() ? native : qemu;

const cases = randomUserCases(new Prng(SEED), CASES, BYTES);
const looping = randomLoopingCases(new Prng(SEED + 1), CASES / 10, 100, 300);

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

describe.skipIf(!oracle.present())("against another processor", () => {
  test("sequences", () => {
    compare(cases, oracle.run, runOnTier("auto"));
  });

  test("loops", () => {
    compare(looping, oracle.run, runOnTier("auto"));
  });
});

test("the programs hold every user-level instruction", () => {
  const seen = new Set(cases.flatMap(({ code }) => namesOf(code)));
  // Where the order of instructions matters, other tests have them.
  const left =
    /\/1\)$|^(mov (al|rAX), O|mov O|call|ret|leave|loop|jmp Ev|push Iz|push sIb|popf|syscall|ldmxcsr|stmxcsr|emms)/;
  const missing = x86Instructions.filter(
    (row) => row.options.in64 !== "not" && !foreign(row) && !left.test(row.name) && !seen.has(row.name),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});
