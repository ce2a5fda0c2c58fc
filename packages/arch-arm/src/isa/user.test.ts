import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { qemu } from "../testing/qemu-user.js";
import { userPrograms } from "../testing/user-program.js";
import { randomLoopingCases, randomUserCases, randomVectorCases } from "../testing/user-sequences.js";
import { armInstructions } from "./table.js";

// Random user-level programs: QEMU and both tiers of the engine end in the same state. More and longer ones with
// USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);
const LENGTH = 40;

const cases = randomUserCases(new Prng(SEED), CASES, LENGTH);
const looping = randomLoopingCases(new Prng(SEED + 1), CASES / 10, 20, 300);
const vectors = randomVectorCases(new Prng(SEED + 2), Math.ceil(CASES / 100), 8, 1);
const loopingVectors = randomVectorCases(new Prng(SEED + 3), Math.ceil(CASES / 300), 8, 40);

const WHERE = `seed ${SEED}`;

test("both tiers agree", () => {
  userPrograms.compare(looping, runOnTier("cold"), runOnTier("hot"), WHERE);
});

describe.skipIf(!qemu.present())("against the emulator", () => {
  test("sequences", () => {
    userPrograms.compare(cases, qemu.run, runOnTier("auto"), WHERE);
  });

  test("every instruction of the vector registers, interpreted and compiled", () => {
    userPrograms.compare(vectors, qemu.run, runOnTier("cold"), WHERE);
    userPrograms.compare(loopingVectors, qemu.run, runOnTier("hot"), WHERE);
  });

  test("loops", () => {
    userPrograms.compare(looping, qemu.run, runOnTier("auto"), WHERE);
  });
});

test("the programs hold every user-level instruction", () => {
  const seen = new Set(
    [...cases, ...vectors].flatMap(({ code }) =>
      [...new Uint32Array(code.buffer)].map((bits) => armInstructions.find(bits)?.name),
    ),
  );
  // Traps, what is not for EL0, and what waits.
  const left = /^(svc|hvc|smc|brk|hlt|udf|eret|wfe|wfi|sysl?|msr\..*)$/;
  const missing = armInstructions.instructions.filter(({ name }) => !left.test(name) && !seen.has(name));
  expect(missing.map(({ name }) => name)).toEqual([]);
});
