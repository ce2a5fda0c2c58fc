import { describe, expect, it } from "vitest";
import { CodeContexts } from "./code-contexts.js";

function contexts() {
  let last = 0;
  return new CodeContexts(() => ++last);
}

describe("contexts of instruction fetch", () => {
  it("keep their numbers until they are dropped", () => {
    const c = contexts();
    const before = c.get(5);
    const generation = before.generation(3);
    expect(c.get(5)).toBe(before);
    expect(c.get(5).generation(3)).toBe(generation);
    expect(c.get(5).generation(4)).not.toBe(generation);
    c.drop((key) => key === 5);
    expect(c.get(5).id).not.toBe(before.id);
    expect(c.get(5).generation(3)).not.toBe(generation);
  });

  it("end with a page only where code was fetched from it", () => {
    const c = contexts();
    const [one, two, other] = [c.get(1), c.get(2), c.get(3)];
    c.fetchedFrom(0x10, 1);
    c.fetchedFrom(0x10, 2);
    c.fetchedFrom(0x11, 3);
    expect(c.dropPage(0x10)).toBe(true);
    expect(c.get(1)).not.toBe(one);
    expect(c.get(2)).not.toBe(two);
    expect(c.get(3)).toBe(other);
    expect(c.dropPage(0x10)).toBe(false);
    expect(c.dropPage(0x12)).toBe(false);
  });

  it("are dropped by ranges of keys", () => {
    const c = contexts();
    const kept = [c.get(63), c.get(128)];
    const dropped = [c.get(64), c.get(127)];
    c.dropRange(64, 64);
    expect([c.get(63), c.get(128)]).toEqual(kept);
    expect(c.get(64).id).not.toBe(dropped[0]?.id);
    expect(c.get(127).id).not.toBe(dropped[1]?.id);
  });

  it("start anew when more pages were fetched from than are kept", () => {
    const c = contexts();
    const first = c.get(1);
    for (let page = 0; page < 1 << 16; page++) expect(c.fetchedFrom(page, 1)).toBe(false);
    expect(c.fetchedFrom(1 << 16, 1)).toBe(true);
    expect(c.get(1)).not.toBe(first);
    expect(c.dropPage(5)).toBe(false);
  });
});
