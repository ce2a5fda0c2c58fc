import { expect, test } from "vitest";
import { Comparators } from "./comparators.js";

/** Compare values with the count at `ns` of a counter of 1 GHz. */
function compare(it: Comparators, ns: number, ...values: readonly number[]): boolean[] {
  it.sample(ns);
  it.begin(ns);
  const due = values.map((value) => it.reached(it.now | 0, 0, value | 0, 0));
  it.end();
  return due;
}

test("the deadline is that of the first comparator that is not due", () => {
  const it = new Comparators(1e9);
  expect(compare(it, 100, 50, 100, 300, 200)).toEqual([true, true, false, false]);
  expect([it.deadline, it.moved]).toEqual([200, true]);
});

test("counts and values are unsigned 64-bit numbers", () => {
  const it = new Comparators(1e9);
  it.begin(0);
  expect(it.reached(-1, 0, 0, 1)).toBe(false);
  expect(it.deadline).toBe(1);
  expect(it.reached(0, 1, -1, 0)).toBe(true);
  expect(it.reached(0, -1, -1, 0x7fffffff)).toBe(true);
  expect(it.reached(0, 0x7fffffff, 0, -1)).toBe(false);
});

test("ticks are of the counter, deadlines are in nanoseconds", () => {
  const it = new Comparators(10_000_000);
  it.sample(1234);
  expect(it.now).toBe(12);
  it.begin(1234);
  // A count that is 1000 ahead of the counter.
  expect(it.reached(1012, 0, 1015, 0)).toBe(false);
  expect(it.deadline).toBe(1500);
});

test("a comparator that is not awaited has no deadline", () => {
  const it = new Comparators(1e9);
  it.begin(0);
  expect(it.reached(0, 0, 5, 0, false)).toBe(false);
  expect(it.deadline).toBe(Number.POSITIVE_INFINITY);
});

test("the run loop is to ask again when the deadline is nearer than what it was told", () => {
  const it = new Comparators(1e9);
  compare(it, 0, 100);
  expect([it.moved, it.tell(), it.moved]).toEqual([true, 100, false]);
  compare(it, 10, 200);
  expect([it.moved, it.deadline]).toEqual([false, 200]);
  compare(it, 20, 50);
  expect([it.moved, it.tell()]).toEqual([true, 50]);
  // What it was told is over: any deadline is news.
  compare(it, 60, 300);
  expect(it.moved).toBe(true);
});
