import { expect, test } from "vitest";
import { parseCpuTime } from "./process-usage.ts";

test("processor time of a process whose name has parentheses and spaces", () => {
  const stat = "4711 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 11 0 123456 1000000 2000";
  expect(parseCpuTime(stat)).toBe(1750);
});
