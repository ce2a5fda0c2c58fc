import { describe, expect, it } from "vitest";
import { DeterministicClock, RealTimeClock } from "./clock.js";

const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe("RealTimeClock", () => {
  it("goes on in another process where it was", () => {
    let host = 0;
    const clock = new RealTimeClock(() => host);
    host = 777;
    expect(clock.now()).toBe(777e6);
    const saved = throughJson(clock.state());
    let otherHost = 1e9;
    const other = new RealTimeClock(() => otherHost);
    other.restore(saved);
    expect(other.now()).toBe(777e6);
    otherHost += 23;
    expect(other.now()).toBe(800e6);
    expect(() => other.restore({ version: 1, now: -1 })).toThrow("state of 'clock' has no valid 'now'");
  });
});

describe("DeterministicClock", () => {
  it("asks for the instructions of a slice under way", () => {
    const clock = new DeterministicClock(2, 1);
    clock.retire(100);
    clock.pending = () => 7;
    expect(clock.now()).toBe(214);
    expect(clock.now(0)).toBe(200);
  });

  it("goes on in another process where it was, to the instruction", () => {
    const clock = new DeterministicClock(10, 3);
    clock.retire(10);
    clock.advanceTo(100);
    clock.retire(1);
    const other = new DeterministicClock(10, 3);
    other.restore(throughJson(clock.state()));
    for (let i = 0; i < 10; i++) {
      clock.retire(1);
      other.retire(1);
      expect(other.now()).toBe(clock.now());
    }
    expect(() => other.restore({ version: 2 })).toThrow("has version 2, this one reads 1");
    expect(() => other.restore({ version: 1, baseNs: 1.5, instructions: 0 })).toThrow("no valid 'baseNs'");
  });
});
