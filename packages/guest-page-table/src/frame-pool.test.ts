import { expect, test } from "vitest";
import { FramePool } from "./frame-pool.js";

test("frames are aligned to their number, and come back", () => {
  const pool = FramePool.ofSize(16, 0x8000_3000);
  expect(pool.allocFrame()).toBe(0x8000_3000);
  expect(pool.allocFrames(4)).toBe(0x8000_4000);
  expect(pool.allocFrames(8)).toBe(0x8000_8000);
  expect(pool.allocFrames(4)).toBeUndefined();
  expect(pool.available).toBe(3);
  pool.deallocFrames(0x8000_4000, 4);
  expect(pool.allocFrames(4)).toBe(0x8000_4000);
  expect([pool.allocFrame(), pool.allocFrame(), pool.allocFrame()]).toEqual([
    0x8001_0000, 0x8001_1000, 0x8001_2000,
  ]);
  expect(pool.allocFrame()).toBeUndefined();
});

test("frame 0 is never handed out", () => {
  const pool = FramePool.ofSize(2, 0);
  expect(pool.available).toBe(1);
  expect([pool.allocFrame(), pool.allocFrame()]).toEqual([0x1000, undefined]);
});

test("frames that are not in use cannot be given back", () => {
  const pool = FramePool.ofSize(4, 0x1000);
  expect(() => pool.deallocFrame(0x1000)).toThrow("not in use");
  expect(() => pool.deallocFrame(0x9000)).toThrow("not in use");
  expect(() => new FramePool(new Uint32Array(1024), 0x1001)).toThrow(RangeError);
});

test("wordIndex knows its memory only", () => {
  const pool = FramePool.ofSize(2, 0x4000);
  expect([0x3000, 0x4000, 0x5000, 0x6000].map((pa) => pool.wordIndex(pa))).toEqual([-1, 0, 1024, -1]);
});
