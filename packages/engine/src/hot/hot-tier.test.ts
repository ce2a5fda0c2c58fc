import { expect, test } from "vitest";
import { RegionWatch } from "../listing/region-watch.js";
import { toy, toyRegisters } from "../testing/toy-cpu.js";
import { createToy, putWords } from "../testing/toy-machine.js";

/** A loop of three blocks, all of them equally hot: r1 up to r2, r3 counts the odd rounds. */
const LOOP = [
  toy("addi", 1, 1, 1),
  toy("beq", 4, 5, 3),
  toy("addi", 4, 4, 1),
  toy("jump", 3),
  toy("addi", 4, 4, -1),
  toy("addi", 3, 3, 1),
  toy("bltu", 1, 2, -6),
  toy("halt"),
];

test("a loop is compiled once, not once for each of its blocks", () => {
  const { engine, core } = createToy();
  putWords({ engine }, 0x1000, LOOP);
  core.setBig(toyRegisters[2] as never, 100_000n);
  core.setBig(toyRegisters[5] as never, 1n);
  core.setPc(0x1000, 0);
  for (let end = "budget"; end === "budget"; ) end = core.run(10_000);
  expect(core.big(toyRegisters[3] as never)).toBe(50_000n);
  const { regions, modules, killed } = engine.hot?.statistics ?? {};
  expect({ regions, modules, killed }).toEqual({ regions: 1, modules: 1, killed: 0 });
  expect(engine.compiledInstructions).toBeGreaterThan(400_000);
});

test("a block within a region gets its own when it stays hot on another way there", () => {
  const { engine, core } = createToy();
  putWords({ engine }, 0x1000, LOOP);
  core.setBig(toyRegisters[5] as never, 1n);
  // First the loop; then only its last block, from outside.
  core.setBig(toyRegisters[2] as never, 20_000n);
  core.setPc(0x1000, 0);
  for (let end = "budget"; end === "budget"; ) end = core.run(10_000);
  expect(engine.hot?.statistics.regions).toBe(1);
  for (let i = 0; i < 40_000; i++) {
    core.setPc(0x1014, 0);
    core.run(10_000);
  }
  expect(core.big(toyRegisters[3] as never)).toBe(10_000n + 40_000n);
  expect(engine.hot?.statistics.regions).toBe(2);
});

/** A loop of one block: `length` instructions and a branch, `rounds` times. */
function countdown(length: number, rounds: bigint) {
  const made = createToy();
  const body = Array.from({ length }, () => toy("addi", 3, 3, 1));
  putWords(made, 0x1000, [...body, toy("addi", 1, 1, 1), toy("bltu", 1, 2, -length - 2), toy("halt")]);
  made.core.setBig(toyRegisters[2] as never, rounds);
  made.core.setPc(0x1000, 0);
  return made;
}

test("a block is compiled in the middle of a slice, after as many entries as its length is worth", () => {
  const short = countdown(1, 1900n);
  short.core.run(10_000_000);
  expect(short.engine.hot?.statistics.regions).toBe(0);
  const long = countdown(28, 2000n);
  long.core.run(10_000_000);
  expect(long.engine.hot?.statistics.regions).toBe(1);
  expect(long.core.big(toyRegisters[3] as never)).toBe(28n * 2000n);
  // 24,000 instructions to be hot, and 20,000 to have waited for others.
  const interpreted = long.core.instructions() - long.engine.compiledInstructions;
  expect(interpreted).toBeGreaterThan(43_000);
  expect(interpreted).toBeLessThan(48_000);
});

test("a block that cannot be compiled is tried once", () => {
  const { engine, core } = createToy();
  // Its first instruction is left to the cold tier.
  putWords({ engine }, 0x1000, [toy("count", 3, 0, 0), toy("jump", 0xfe, 0xff, 0xff), toy("halt")]);
  core.setPc(0x1000, 0);
  let refused = 0;
  engine.regionWatch = new RegionWatch({ pcs: [], onRegion: () => {} });
  engine.regionWatch.refused = () => refused++;
  for (let i = 0; i < 20; i++) core.run(100_000);
  expect(refused).toBe(1);
});
