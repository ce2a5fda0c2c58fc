import { expect, test } from "vitest";
import { ToyGuard, toy } from "../testing/toy-cpu.js";
import { createToy, putWords, setRegisters, type ToyMachine } from "../testing/toy-machine.js";
import type { Core } from "./core.js";
import type { EngineOptions } from "./engine.js";

const LOOP = [toy("addi", 1, 1, 1), toy("beq", 1, 2, 2), toy("jump", 0xfe, 0xff, 0xff), toy("halt")];

function create(options: Pick<EngineOptions, "tier" | "now">): ToyMachine {
  const machine = createToy(options);
  putWords(machine, 0x1000, LOOP);
  machine.core.setPc(0x1000, 0);
  setRegisters(machine, { 2: 1000n });
  return machine;
}

function runLoop({ core }: { core: Core }): void {
  while (core.run(100) === "budget");
}

test("each tier counts what it ran and what was made for it", () => {
  const made = create({ tier: "hot" });
  runLoop(made);
  const { cold, hot } = made.engine.statistics();
  expect(cold.executed + (hot?.executed ?? 0)).toBe(3 * 999 + 2 + 1);
  expect(hot?.executed).toBeGreaterThan(2000);
  // Three blocks of the loop and its end, and single instructions where a slice ended.
  expect(cold.blocks).toBeGreaterThanOrEqual(3);
  expect(cold.instructions).toBeGreaterThanOrEqual(4);
  expect(hot?.regions).toBeGreaterThan(0);
  expect(Math.min(cold.codeBytes, cold.links, cold.dispatches, hot?.codeBytes ?? 0)).toBeGreaterThan(0);
});

test("no tier counts less than nothing where blocks are left in their middle", () => {
  const made = createToy({ tier: "hot" });
  // Each round traps behind its first instruction; what follows in the block is never reached.
  const rest = Array.from({ length: 10 }, () => toy("addi", 3, 3, 1));
  putWords(made, 0x1000, [toy("addi", 1, 1, 1), toy("guard", 3, 1, ToyGuard.trap), ...rest, toy("halt")]);
  putWords(made, 0xf00, [toy("beq", 1, 2, 2), toy("jumpReg", 0, 4, 0), toy("halt")]);
  made.core.setPc(0x1000, 0);
  setRegisters(made, { 2: 1000n, 4: 0x1000n });
  runLoop(made);
  const { cold, hot } = made.engine.statistics();
  expect(hot?.regions).toBeGreaterThan(0);
  expect(cold.executed).toBeGreaterThanOrEqual(0);
  expect(cold.executed + (hot?.executed ?? 0)).toBe(made.core.instructions());
});

test("without the hot tier nothing is said of it, and without a clock nothing of time", () => {
  const made = create({ tier: "cold" });
  runLoop(made);
  const { cold, hot } = made.engine.statistics();
  expect(hot).toBeUndefined();
  expect(cold).not.toHaveProperty("milliseconds");
});

test("the clock is read twice for each block translated and each batch compiled, and for nothing else", () => {
  let reads = 0;
  const made = create({ tier: "hot", now: () => ++reads });
  runLoop(made);
  const { cold, hot } = made.engine.statistics();
  expect(cold.milliseconds).toBe(cold.blocks);
  expect(hot?.milliseconds).toBeGreaterThan(0);
  expect(reads).toBe(2 * (cold.milliseconds ?? 0) + 2 * (hot?.milliseconds ?? 0));
});

test("instructions that a restored state brings along were executed elsewhere", () => {
  const [first, second] = [create({ tier: "cold" }), create({ tier: "cold" })];
  first.core.run(500);
  second.core.run(10);
  second.core.restore(first.core.state());
  second.core.run(20);
  expect(second.core.instructions()).toBe(520);
  expect(second.engine.statistics().cold.executed).toBe(30);
});
