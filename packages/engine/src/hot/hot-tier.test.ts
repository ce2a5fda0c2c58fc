import { expect, test } from "vitest";
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
  for (let i = 0; i < 20_000; i++) {
    core.setPc(0x1014, 0);
    core.run(10_000);
  }
  expect(core.big(toyRegisters[3] as never)).toBe(10_000n + 20_000n);
  expect(engine.hot?.statistics.regions).toBe(2);
});
