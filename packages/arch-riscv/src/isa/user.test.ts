import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { runOnIr } from "../testing/ir-user.js";
import { qemu } from "../testing/qemu-user.js";
import { instructionsOf, userPrograms } from "../testing/user-program.js";
import { randomUserCases } from "../testing/user-sequences.js";
import { riscvInstructions } from "./table.js";

// Random user-level programs: QEMU, the IR's evaluation, and the engine end in the same state. More and
// longer ones with USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 250);
const SEED = Number(process.env.USER_SEED ?? 1);
const LENGTH = 40;

const cases = randomUserCases(new Prng(SEED), CASES, LENGTH);

const WHERE = `seed ${SEED}`;

test("the evaluated IR and the engine agree", () => {
  userPrograms.compare(cases.slice(0, 100), runOnIr, runOnTier("auto"), WHERE);
});

describe.skipIf(!qemu.present())("against the emulator", () => {
  test("the evaluated IR", () => {
    userPrograms.compare(cases.slice(0, 100), qemu.run, runOnIr, WHERE);
  });

  test("the engine", () => {
    userPrograms.compare(cases, qemu.run, runOnTier("auto"), WHERE);
  });
});

test("the programs hold every user-level instruction", () => {
  const seen = new Set(
    cases.flatMap(({ code }) =>
      [...instructionsOf(code)].map(({ bits, width }) => riscvInstructions.find(bits, width)?.name),
    ),
  );
  const user = ["I", "M", "A", "F", "D", "C", "Zba", "Zbb", "Zbs", "Zifencei", "Zihintpause", "Zicsr"];
  // Traps, what writes the registers that hold addresses, and what the emulator gets wrong.
  const left = /^(ecall|c?\.?ebreak|c\.addi16sp|c\.nop|ctzw)$/;
  const missing = riscvInstructions.instructions
    .filter(
      ({ extensions, name }) =>
        extensions.every((e) => user.includes(e)) && !left.test(name) && !seen.has(name),
    )
    .map(({ name }) => name);
  expect(missing).toEqual([]);
});
