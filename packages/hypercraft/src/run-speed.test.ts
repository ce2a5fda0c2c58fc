import { expect, it } from "vitest";
import { RunSpeed } from "./run-speed.js";

it("comes to know the speed from what it is told", () => {
  const speed = new RunSpeed();
  for (let i = 0; i < 40; i++) speed.record(300_000, 1_000_000);
  expect(speed.instructionsIn(1_000_000)).toBeGreaterThan(299_000);
  expect(speed.instructionsIn(1_000_000)).toBeLessThanOrEqual(300_000);
});

it("does not take a clock's coarse steps for speed", () => {
  const speed = new RunSpeed();
  const before = speed.instructionsIn(1_000_000);
  speed.record(300_000, 0);
  speed.record(300_000, 5000);
  speed.record(0, 1_000_000);
  expect(speed.instructionsIn(1_000_000)).toBe(before);
  expect(speed.instructionsIn(-5)).toBe(1);
});
