import { expect, test } from "vitest";
import { geometricMean, median } from "./figures.ts";

test("median", () => {
  expect(median([3])).toBe(3);
  expect(median([9, 1, 5])).toBe(5);
  expect(median([100, 2, 4, 1])).toBe(3);
  expect(median([])).toBeNaN();
});

test("geometric mean", () => {
  expect(geometricMean([5])).toBeCloseTo(5, 12);
  expect(geometricMean([0.5, 2])).toBeCloseTo(1, 12);
  expect(geometricMean([1, 2, 4])).toBeCloseTo(2, 12);
  expect(geometricMean([])).toBeNaN();
});
