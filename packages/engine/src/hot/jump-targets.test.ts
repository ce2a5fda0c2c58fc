import { expect, test } from "vitest";
import type { Tier } from "../core/engine.js";
import { toy, toyRegisters } from "../testing/toy-cpu.js";
import { compiledToy, loadToy, ORIGIN, type ToyProgram } from "../testing/toy-listing.js";

// A switch whose cases are in its own page and in another one, each of which prepares the next jump.

const ROUNDS = 2000n;
const OTHER_PAGE = 0x3000;
const HEAD = [toy("addi", 1, 1, 1), toy("beq", 1, 2, 2), toy("jumpReg", 0, 5)];

const jumpFrom = (address: number): number => {
  const words = (ORIGIN - address) >> 2;
  return toy("jump", words & 0xff, (words >> 8) & 0xff, (words >> 16) & 0xff);
};

/** A case counts in a register of its own and leads to the next one, in either page. */
function caseAt(address: number, counter: number, next: number): number[] {
  return [toy("addi", counter, counter, 1), toy("add", 5, next, 15), jumpFrom(address + 8)];
}

const NEAR = [0x102c, 0x1038, 0x1044];
const FAR = [0x3010, 0x301c, 0x3028];
/** The order of the cases: r8 to r13 hold their addresses. */
const ORDER = [NEAR[0], FAR[2], NEAR[2], FAR[0], FAR[1], NEAR[1]] as number[];
const registerOf = (address: number): number => 8 + ORDER.indexOf(address);
const codeOf = (addresses: readonly number[]): number[] =>
  addresses.flatMap((at) => {
    const next = ORDER[(ORDER.indexOf(at) + 1) % ORDER.length] as number;
    return caseAt(at, 3 + (ORDER.indexOf(at) & 1), registerOf(next));
  });

const PROGRAM: ToyProgram = {
  code: [...HEAD, ...Array<number>(8).fill(toy("halt")), ...codeOf(NEAR)],
  elsewhere: { [OTHER_PAGE + 0x10]: codeOf(FAR) },
  registers: {
    2: ROUNDS,
    5: BigInt(ORDER[0] as number),
    ...Object.fromEntries(ORDER.map((at) => [registerOf(at), BigInt(at)])),
  },
};

test("a region contains the targets that an indirect jump had, in its page and in others", () => {
  const blocks = compiledToy(PROGRAM).rows.filter(({ kind }) => kind === "block");
  const addresses = new Set(blocks.map(({ pc }) => Number(pc)));
  for (const at of ORDER) expect(addresses).toContain(at);
});

test.each([1, 7, 100, 1001])("both tiers go the same way, in slices of %i", (slice) => {
  const run = (tier: Tier) => {
    const { core } = loadToy(PROGRAM, tier);
    const passed: bigint[][] = [];
    while (core.run(slice) === "budget")
      if (passed.length < 5000) passed.push(toyRegisters.map((field) => core.big(field)));
    return { passed, end: toyRegisters.map((field) => core.big(field)) };
  };
  const hot = run("hot");
  expect(hot).toEqual(run("cold"));
  expect(hot.end[1]).toBe(ROUNDS);
});
