import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { runOnTier } from "../testing/engine-user.js";
import { distance, isNumber } from "../testing/float80-distance.js";
import { native } from "../testing/native-user.js";
import {
  assemble,
  recordAddress,
  type UserCase,
  type UserState,
  userPrograms,
} from "../testing/user-program.js";
import { startState } from "../testing/user-sequences.js";
import { number80 } from "../testing/x87-sequences.js";

// The transcendental instructions, one a case: the host gives the same special values, exceptions and condition codes,
// and numbers that are at most a unit in the last place away.

const CASES = Number(process.env.USER_CASES ?? 1500);
const SEED = Number(process.env.USER_SEED ?? 1);

const INSTRUCTIONS = ["f2xm1", "fyl2x", "fyl2xp1", "fptan", "fpatan", "fsin", "fcos", "fsincos"] as const;
type Instruction = (typeof INSTRUCTIONS)[number];

const EMPTY = 3;
/** PE and C1 say how a result was rounded; UE follows PE where results are denormal. */
const ROUNDING = 0x20 | 0x200 | 0x10;

interface Case extends UserCase {
  readonly instruction: Instruction;
}

/** Numbers in an instruction's domain; elsewhere nothing is defined. */
function argument(prng: Prng, instruction: Instruction): bigint {
  const any = number80(prng);
  const exponent = Number(any >> 64n) & 0x7fff;
  const special = exponent === 0 || exponent === 0x7fff || any >> 63n === 0n || ((any >> 63n) & 1n) === 0n;
  const limit = { f2xm1: 16382, fyl2xp1: 16380 }[instruction as string];
  if (special || limit === undefined || exponent <= limit) return any;
  const low = any & ((1n << 64n) - 1n);
  const sign = (any >> 79n) << 79n;
  return sign | (BigInt(limit - prng.below(prng.oneIn(4) ? 100 : 4)) << 64n) | low;
}

function makeCase(prng: Prng, index: number): Case {
  const instruction = prng.pick(INSTRUCTIONS);
  const tags = prng.oneIn(8) ? prng.below(0x10000) : (EMPTY << 14) | 0;
  const start = startState(prng, recordAddress(index));
  const registers = Array.from({ length: 8 }, (_, i) =>
    i === 0 ? argument(prng, instruction) : number80(prng),
  );
  const control = (prng.below(4) << 10) | (prng.pick([0, 2, 3]) << 8) | 0x7f;
  const x87 = { control, status: prng.below(2) << 9, tags, registers };
  return { instruction, start: { ...start, x87 }, code: Uint8Array.from(assemble(instruction)) };
}

const prng = new Prng(SEED);
const cases = Array.from({ length: CASES }, (_, i) => makeCase(prng, i));

function differences(one: Case, theirs: UserState, ours: UserState): string[] {
  const [a, b] = [theirs.x87, ours.x87];
  if (a === undefined || b === undefined) return ["no state"];
  const found: string[] = [];
  const mask = ~ROUNDING & 0xffff;
  if ((a.status & mask) !== (b.status & mask))
    found.push(`status ${a.status.toString(16)} ${b.status.toString(16)}`);
  for (const [i, x] of a.registers.entries()) {
    const y = b.registers[i] as bigint;
    const near = isNumber(x) && isNumber(y) && distance(x, y) <= 1n;
    if (x !== y && !near) found.push(`st${i} ${x.toString(16)} ${y.toString(16)}`);
  }
  const input = one.start.x87?.registers.slice(0, 2).map((x) => x.toString(16));
  return found.length === 0
    ? []
    : [`${one.instruction} of ${input} under ${one.start.x87?.control.toString(16)}: ${found.join(", ")}`];
}

describe.skipIf(!native.present())("against the host", () => {
  test("results are near, special ones the same", () => {
    const theirs = native.run(cases);
    const ours = runOnTier("auto")(cases);
    const found = cases.flatMap((one, i) => differences(one, theirs[i] as UserState, ours[i] as UserState));
    expect(found.slice(0, 20)).toEqual([]);
  });
});

test("both tiers agree", () => {
  userPrograms.expectSame(cases, runOnTier("cold")(cases), runOnTier("hot")(cases), `seed ${SEED}`);
});
