import { beforeEach, expect, test } from "vitest";
import { Plic } from "./plic.js";

let levels: boolean[];
let plic: Plic;
const priority = (source: number, value: number) => plic.write(source * 4, 4, value);
const enable = (context: number, word: number, bits: number) =>
  plic.write(0x2000 + context * 0x80 + word * 4, 4, bits);
const threshold = (context: number, value: number) => plic.write(0x200000 + context * 0x1000, 4, value);
const claim = (context: number) => plic.read(0x200004 + context * 0x1000, 4);
const complete = (context: number, source: number) => plic.write(0x200004 + context * 0x1000, 4, source);
const pending = (word: number) => plic.read(0x1000 + word * 4, 4);

beforeEach(() => {
  levels = [false, false];
  plic = new Plic({
    sources: 95,
    contexts: [0, 1].map((i) => (level) => {
      levels[i] = level;
    }),
  });
});

test("a line interrupts the contexts that enable it above their threshold", () => {
  priority(10, 3);
  enable(1, 0, 1 << 10);
  plic.line(10).set(true);
  expect(levels).toEqual([false, true]);
  threshold(1, 3);
  expect(levels).toEqual([false, false]);
  threshold(1, 2);
  expect(levels).toEqual([false, true]);
});

test("claim takes the highest priority, lowest number first, and completion forwards a line still high", () => {
  for (const [source, p] of [
    [5, 2],
    [7, 2],
    [40, 6],
  ] as const)
    priority(source, p);
  enable(0, 0, (1 << 5) | (1 << 7));
  enable(0, 1, 1 << 8);
  for (const source of [7, 5, 40]) plic.line(source).set(true);
  expect(pending(0)).toBe((1 << 5) | (1 << 7));
  expect([claim(0), claim(0), claim(0), claim(0)]).toEqual([40, 5, 7, 0]);
  expect(levels[0]).toBe(false);
  plic.line(5).set(false);
  complete(0, 5);
  complete(0, 40);
  expect(levels[0]).toBe(true);
  expect(claim(0)).toBe(40);
});

test("priority 0 never interrupts, and claims ignore the threshold", () => {
  enable(0, 0, 0xffffffff);
  plic.line(3).set(true);
  expect([levels[0], claim(0)]).toEqual([false, 0]);
  priority(3, 1);
  threshold(0, 7);
  expect([levels[0], claim(0)]).toEqual([false, 3]);
});

test("source 0 and sources beyond the last do not exist", () => {
  enable(0, 0, 0xffffffff);
  enable(0, 2, 0xffffffff);
  enable(0, 3, 0xffffffff);
  expect(plic.read(0x2000, 4)).toBe(0xfffffffe);
  expect(plic.read(0x2008, 4)).toBe(0xffffffff);
  expect(plic.read(0x200c, 4)).toBe(0);
  expect(() => plic.line(96)).toThrow("no source 96");
  priority(1, 0xff);
  expect(plic.read(4, 4)).toBe(7);
});

test("a completion by a context that has not enabled the source is ignored", () => {
  priority(9, 1);
  enable(0, 0, 1 << 9);
  plic.line(9).set(true);
  expect(claim(0)).toBe(9);
  complete(1, 9);
  expect(claim(0)).toBe(0);
  complete(0, 9);
  expect(claim(0)).toBe(9);
});

test("state survives a round trip through JSON", () => {
  priority(10, 3);
  enable(1, 0, 1 << 10);
  plic.line(10).set(true);
  const saved = JSON.parse(JSON.stringify(plic.state()));
  const copy = new Plic({
    sources: 95,
    contexts: [
      () => {},
      (level) => {
        levels[0] = level;
      },
    ],
  });
  copy.restore(saved);
  expect([levels[0], copy.read(0x201004, 4), copy.state().claimed[0]]).toEqual([true, 10, 1 << 10]);
});

test("a source that tells events is pending again only if it was asserted since the claim", () => {
  plic = new Plic({ sources: 95, contexts: [() => {}], perEvent: (source) => source === 8 });
  for (const source of [8, 10]) priority(source, 1);
  enable(0, 0, (1 << 8) | (1 << 10));
  for (const source of [8, 10]) plic.line(source).set(true);
  expect([claim(0), claim(0)]).toEqual([8, 10]);
  complete(0, 8);
  complete(0, 10);
  expect(pending(0)).toBe(1 << 10);
  // Asserted anew before its claim: one interrupt. During service: another one after completion.
  plic.line(8).set(true);
  plic.line(8).set(true);
  expect(claim(0)).toBe(8);
  plic.line(8).set(true);
  expect(pending(0)).toBe(1 << 10);
  complete(0, 8);
  expect(claim(0)).toBe(8);
  // Served by lowering the line, which takes back what has not been claimed.
  plic.line(8).set(true);
  plic.line(8).set(false);
  complete(0, 8);
  expect(pending(0)).toBe(1 << 10);
});

test("a request stays pending when its line falls before it is claimed, and comes again only by the line", () => {
  priority(5, 1);
  enable(0, 0, 1 << 5);
  plic.line(5).set(true);
  plic.line(5).set(false);
  expect([levels[0], pending(0)]).toEqual([true, 1 << 5]);
  expect(claim(0)).toBe(5);
  complete(0, 5);
  expect([levels[0], pending(0), claim(0)]).toEqual([false, 0, 0]);
});

test("a line that rises and falls while its interrupt is served leaves no request", () => {
  priority(5, 1);
  enable(0, 0, 1 << 5);
  plic.line(5).set(true);
  expect(claim(0)).toBe(5);
  plic.line(5).set(false);
  plic.line(5).set(true);
  plic.line(5).set(false);
  complete(0, 5);
  expect([levels[0], claim(0)]).toEqual([false, 0]);
});

test("two contexts are offered one request, and only the first claims it", () => {
  priority(7, 1);
  for (const context of [0, 1]) enable(context, 0, 1 << 7);
  plic.line(7).set(true);
  expect(levels).toEqual([true, true]);
  expect([claim(1), claim(0)]).toEqual([7, 0]);
  expect(levels).toEqual([false, false]);
});

test("registers that are not there read zero and take no writes", () => {
  for (const offset of [0x1000, 0x1008, 0x2000 + 2 * 0x80, 0x200000 + 2 * 0x1000, 0x200008, 96 * 4]) {
    plic.write(offset, 4, 0xffffffff);
    expect(plic.read(offset, 4)).toBe(0);
  }
  // Parts of registers can be read, not written.
  priority(1, 5);
  expect([plic.read(4, 1), plic.read(6, 2)]).toEqual([5, 0]);
  plic.write(4, 1, 2);
  expect(plic.read(4, 4)).toBe(5);
});

test("a reset forgets what software set up, and high lines are pending again", () => {
  priority(5, 1);
  enable(0, 0, 1 << 5);
  plic.line(5).set(true);
  expect(claim(0)).toBe(5);
  plic.reset();
  expect([levels[0], plic.read(20, 4), pending(0)]).toEqual([false, 0, 1 << 5]);
});
