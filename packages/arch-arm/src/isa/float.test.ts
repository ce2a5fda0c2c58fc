import { Prng } from "@hypercraft/engine";
import { describe, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { qemu } from "../testing/qemu-user.js";
import { userPrograms } from "../testing/user-program.js";
import { randomFloatCases } from "../testing/user-sequences.js";

// Every floating-point instruction with any FPCR, on numbers where its rules differ, against QEMU: interpreted, and
// compiled. More with USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);

const once = randomFloatCases(new Prng(SEED), Math.ceil(CASES / 20), 4, 1);
const looping = randomFloatCases(new Prng(SEED + 1), Math.ceil(CASES / 100), 4, 40);

describe.skipIf(!qemu.present())("against the emulator", () => {
  test("interpreted", () => {
    userPrograms.compare(once, qemu.run, runOnTier("cold"), `seed ${SEED}`);
  });

  test("compiled", () => {
    userPrograms.compare(looping, qemu.run, runOnTier("hot"), `seed ${SEED}`);
  });
});
