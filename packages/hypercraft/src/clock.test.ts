import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InstructionClock, isVirtualClock, WallClock } from "./clock.js";

const invalid = expect.objectContaining({ code: "InvalidParam" });

describe("InstructionClock", () => {
  it("counts what was retired and what is pending", () => {
    const clock = new InstructionClock(10);
    expect(clock.now()).toBe(0);
    expect(clock.now(7)).toBe(70);
    clock.retire(100);
    expect([clock.now(), clock.now(1)]).toEqual([1000, 1010]);
  });

  it("gives the fewest instructions to a deadline, for any ratio and history", () => {
    const part = fc.integer({ min: 1, max: 1000 });
    const history = fc.array(
      fc.oneof(
        fc.record({ retire: fc.integer({ min: 0, max: 2 ** 33 }) }),
        fc.record({ jump: fc.integer({ min: 0, max: 1e12 }) }),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(part, part, history, fc.double({ min: 1, max: 1e9, noNaN: true }), (n, d, steps, ahead) => {
        const clock = new InstructionClock(n, d);
        for (const step of steps) {
          if ("retire" in step) clock.retire(step.retire);
          else clock.advanceTo(clock.now() + step.jump);
        }
        const deadline = clock.now() + ahead;
        const count = clock.instructionsUntil(deadline);
        expect(clock.now(count)).toBeGreaterThanOrEqual(deadline);
        expect(clock.now(count - 1)).toBeLessThan(deadline);
      }),
    );
  });

  it("does not drift: a third of a nanosecond, ten thousand million times", () => {
    const clock = new InstructionClock(1, 3);
    for (let i = 0; i < 1000; i++) clock.retire(10_000_000);
    clock.retire(1);
    expect(clock.now()).toBe(3_333_333_333);
    clock.retire(1);
    expect(clock.now()).toBe(3_333_333_334);
  });

  it("needs no instructions for a deadline that is reached, and endless ones for none", () => {
    const clock = new InstructionClock(10);
    clock.retire(5);
    expect(clock.instructionsUntil(50)).toBe(0);
    expect(clock.instructionsUntil(51)).toBe(1);
    expect(clock.instructionsUntil(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  });

  it("jumps forward only", () => {
    const clock = new InstructionClock(10);
    clock.retire(10);
    clock.advanceTo(50);
    expect(clock.now()).toBe(100);
    clock.advanceTo(1234.5);
    expect(clock.now()).toBe(1235);
    clock.advanceTo(Number.POSITIVE_INFINITY);
    expect(clock.now()).toBe(1235);
    clock.retire(1);
    expect(clock.now()).toBe(1245);
  });

  it("continues from a saved state", () => {
    const clock = new InstructionClock(7, 3);
    clock.advanceTo(1000);
    clock.retire(5);
    const copy = new InstructionClock(7, 3);
    copy.restore(JSON.parse(JSON.stringify(clock.state())));
    for (const each of [clock, copy]) each.retire(1);
    expect(copy.now()).toBe(clock.now());
    expect(copy.state()).toEqual(clock.state());
    expect(() => copy.restore({ ...clock.state(), version: 2 as 1 })).toThrow(invalid);
  });

  it.each([
    [0, 1],
    [1, 0],
    [1.5, 1],
    [1001, 1],
    [1, -3],
  ])("refuses the ratio %s/%s", (n, d) => {
    expect(() => new InstructionClock(n, d)).toThrow(invalid);
  });
});

describe("WallClock", () => {
  it("starts at its start, in nanoseconds, and never runs backwards", () => {
    let ms = 1_700_000_000_000;
    const clock = new WallClock(() => ms, 500);
    expect(clock.now()).toBe(500);
    ms += 2.5;
    expect(clock.now()).toBe(2_500_500);
    ms -= 1000;
    expect(clock.now()).toBe(2_500_500);
    ms += 1000;
    expect(clock.now()).toBe(2_500_500);
    ms += 1;
    expect(clock.now()).toBe(3_500_500);
  });

  it("is held, but not for ever, and makes up for it", () => {
    let ms = 0;
    const clock = new WallClock(() => ms);
    clock.holdAt(5_000_000);
    ms = 4;
    expect([clock.now(), clock.behindNs]).toEqual([4_000_000, 0]);
    ms = 200;
    expect([clock.now(), clock.behindNs]).toEqual([5_000_000, 195_000_000]);
    ms = 300;
    expect([clock.now(), clock.behindNs]).toEqual([50_000_000, 250_000_000]);
    clock.holdAt(Number.POSITIVE_INFINITY);
    expect([clock.now(), clock.behindNs]).toEqual([300_000_000, 0]);
  });

  it("is not virtual", () => {
    expect(isVirtualClock(new WallClock(() => 0))).toBe(false);
    expect(isVirtualClock(new InstructionClock())).toBe(true);
  });
});
