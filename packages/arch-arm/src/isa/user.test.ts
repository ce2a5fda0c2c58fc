import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { haveQemuUser, runOnQemu } from "../testing/qemu-user.js";
import type { UserCase, UserExecutor, UserState } from "../testing/user-program.js";
import { randomLoopingCases, randomUserCases } from "../testing/user-sequences.js";
import { disassemble } from "./lift.js";
import { armInstructions } from "./table.js";

// Random user-level programs: QEMU and both tiers of the engine end in the same state. More and longer ones with
// USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 600);
const SEED = Number(process.env.USER_SEED ?? 1);
const LENGTH = 40;

const cases = randomUserCases(new Prng(SEED), CASES, LENGTH);
const looping = randomLoopingCases(new Prng(SEED + 1), CASES / 10, 20, 300);

const listing = (code: Uint8Array): string =>
  [...new Uint32Array(code.buffer)]
    .map((bits, i) => `  ${4 * i}: ${disassemble(bits, BigInt(4 * i))}`)
    .join("\n");

function differences(a: UserState, b: UserState): string[] {
  const changed = a.data.findIndex((byte, i) => byte !== b.data[i]);
  const pairs = [
    ...a.x.map((value, i) => [`x${i}`, value, b.x[i] as bigint] as const),
    ["sp", a.sp, b.sp] as const,
    ...a.v.map((value, i) => [`v${i >> 1}.${i & 1}`, value, b.v[i] as bigint] as const),
    ["fpsr", a.fpsr, b.fpsr] as const,
    ["nzcv", a.nzcv, b.nzcv] as const,
  ];
  return [
    ...pairs
      .filter(([name, x, y]) => name !== "x28" && x !== y)
      .map(([name, x, y]) => `${name}: ${x.toString(16)} and ${y.toString(16)}`),
    ...(changed < 0 ? [] : [`memory from ${changed}`]),
  ];
}

function compare(some: readonly UserCase[], first: UserExecutor, second: UserExecutor): void {
  const [a, b] = [first(some), second(some)];
  for (const [i, { code }] of some.entries()) {
    const found = differences(a[i] as UserState, b[i] as UserState);
    if (found.length > 0) expect.fail(`case ${i} of seed ${SEED}:\n${found.join("\n")}\n${listing(code)}`);
  }
}

test("both tiers agree", () => {
  compare(looping, runOnTier("cold"), runOnTier("hot"));
});

describe.skipIf(!haveQemuUser())("against the emulator", () => {
  test("sequences", () => {
    compare(cases, runOnQemu, runOnTier("auto"));
  });

  test("loops", () => {
    compare(looping, runOnQemu, runOnTier("auto"));
  });
});

test("the programs hold every user-level instruction", () => {
  const seen = new Set(
    cases.flatMap(({ code }) =>
      [...new Uint32Array(code.buffer)].map((bits) => armInstructions.find(bits)?.name),
    ),
  );
  // Traps, what is not for EL0, and what waits.
  const left = /^(svc|hvc|smc|brk|hlt|udf|eret|wfe|wfi|sysl?|msr\..*)$/;
  const missing = armInstructions.instructions.filter(({ name }) => !left.test(name) && !seen.has(name));
  expect(missing.map(({ name }) => name)).toEqual([]);
});
