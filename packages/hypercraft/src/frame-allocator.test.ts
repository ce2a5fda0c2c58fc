import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameAllocator } from "./frame-allocator.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("FrameAllocator", () => {
  it("hands out the lowest frames first, and never frame 0", () => {
    const frames = new FrameAllocator(0, 8);
    expect(frames.freeFrames).toBe(7);
    expect([frames.allocate(), frames.allocate(2), frames.allocate()]).toEqual([1, 2, 4]);
    frames.free(2, 2);
    expect([frames.allocate(), frames.allocate(), frames.allocate(3)]).toEqual([2, 3, 5]);
    expect(frames.allocate()).toBeUndefined();
  });

  it("has nothing when frame 0 is all it has", () => {
    expect(new FrameAllocator(0, 1).allocate()).toBeUndefined();
  });

  it("aligns by frame number", () => {
    const frames = new FrameAllocator(0x8_0001, 64);
    expect(frames.allocate(4, 4)).toBe(0x8_0004);
    expect(frames.allocate(4, 4)).toBe(0x8_0008);
    expect(frames.allocate(3)).toBe(0x8_0001);
    expect(frames.allocate(64, 1)).toBeUndefined();
  });

  it("knows where nothing was ever handed out", () => {
    const frames = new FrameAllocator(16, 64);
    expect(frames.usedEnd).toBe(16);
    frames.allocate(4, 32);
    expect(frames.usedEnd).toBe(36);
    frames.free(32, 4);
    frames.allocate();
    expect(frames.usedEnd).toBe(36);
  });

  it("refuses what it never gave", () => {
    const frames = new FrameAllocator(16, 16);
    frames.allocate(4);
    for (const [start, count] of [
      [15, 1],
      [30, 3],
      [16, 0],
      [16.5, 1],
      [0, 1],
    ] as const)
      expect(() => frames.free(start, count)).toThrow(code("OutOfRange"));
    for (const [start, count] of [
      [20, 1],
      [18, 4],
      [31, 1],
    ] as const)
      expect(() => frames.free(start, count)).toThrow(code("BadState"));
    frames.free(16, 4);
    expect(() => frames.free(16, 1)).toThrow(code("BadState"));
    expect(frames.freeFrames).toBe(16);
  });

  it.each([
    [0, 1],
    [-1, 1],
    [1, 0],
    [1.5, 1],
    [1, Number.NaN],
  ])("refuses an allocation of %s frames aligned to %s", (count, align) => {
    expect(() => new FrameAllocator(1, 8).allocate(count, align)).toThrow(code("InvalidParam"));
  });

  it.each([
    [-1, 4],
    [0, 0],
    [0.5, 4],
    [0, Number.POSITIVE_INFINITY],
  ])("refuses to own %s, %s", (first, count) => {
    expect(() => new FrameAllocator(first, count)).toThrow(code("InvalidParam"));
  });

  it("agrees with a plain list of free frames", () => {
    const step = fc.oneof(
      fc.record({ count: fc.integer({ min: 1, max: 9 }), align: fc.constantFrom(1, 2, 4, 8) }),
      fc.record({ free: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), fc.array(step, { maxLength: 80 }), (first, steps) => {
        const size = 48;
        const frames = new FrameAllocator(first, size);
        const free = new Set(Array.from({ length: size }, (_, i) => first + i).filter((frame) => frame > 0));
        const given: [number, number][] = [];
        for (const each of steps) {
          if ("free" in each) {
            const [taken] = given.splice(each.free, 1);
            if (taken === undefined) continue;
            frames.free(...taken);
            for (let i = 0; i < taken[1]; i++) free.add(taken[0] + i);
          } else {
            const fits = (start: number) =>
              Array.from({ length: each.count }, (_, i) => free.has(start + i)).every(Boolean);
            const candidates = [...free].sort((a, b) => a - b).filter((f) => f % each.align === 0);
            const expected = candidates.find(fits);
            expect(frames.allocate(each.count, each.align)).toBe(expected);
            if (expected === undefined) continue;
            given.push([expected, each.count]);
            for (let i = 0; i < each.count; i++) free.delete(expected + i);
          }
          expect(frames.freeFrames).toBe(free.size);
        }
      }),
    );
  });
});
