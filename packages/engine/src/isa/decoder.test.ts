import { expect, test } from "vitest";
import { Decoder, type Encoding } from "./decoder.js";
import { Prng } from "./prng.js";

function encoding(index: number, mask: number, value: number, accepts: Encoding["accepts"] = null): Encoding {
  return { index, name: `e${index}`, width: 32, mask: mask | 0, value: value | 0, accepts };
}

/** The same by trying them all, most fixed bits first. */
function byTrial(encodings: readonly Encoding[]): (bits: number) => number {
  const ones = (mask: number) => (mask >>> 0).toString(2).replaceAll("0", "").length;
  const sorted = [...encodings].sort((a, b) => ones(b.mask) - ones(a.mask) || a.index - b.index);
  return (bits) =>
    sorted.find((e) => (bits & e.mask) === e.value && (e.accepts?.(bits) ?? true))?.index ?? -1;
}

/** Is it clear which of two an instruction is: none can be both, or one is a special case of the other? */
function clear(a: Encoding, b: Encoding): boolean {
  const both = a.mask & b.mask;
  return ((a.value ^ b.value) & both) !== 0 || (a.mask !== b.mask && (both === a.mask || both === b.mask));
}

test("nothing is found in an empty table", () => {
  expect(new Decoder([], 32).decode(0x13)).toBe(-1);
});

test("fields anywhere: random tables decode as by trying every row", () => {
  const prng = new Prng(7);
  for (let round = 0; round < 20; round++) {
    const encodings: Encoding[] = [];
    while (encodings.length < 60) {
      const mask = prng.bits() | (prng.oneIn(2) ? prng.bits() : 0) | 0x7c;
      const next = encoding(encodings.length, mask, prng.bits() & mask);
      if (encodings.every((e) => clear(e, next))) encodings.push(next);
    }
    const decoder = new Decoder(encodings, 32);
    const expected = byTrial(encodings);
    for (let i = 0; i < 500; i++) {
      const base = prng.pick(encodings);
      const bits = prng.oneIn(4) ? prng.bits() : base.value | (prng.bits() & ~base.mask);
      expect(decoder.decode(bits)).toBe(expected(bits));
    }
  }
});

test("the more specific encoding wins, and a refused one makes way", () => {
  const general = encoding(0, 0xff, 0x13);
  const special = encoding(1, 0xf000_00ff, 0x1000_0013, (bits) => (bits & 0x100) === 0);
  const decoder = new Decoder([general, special], 32);
  expect(decoder.decode(0x1000_0013)).toBe(1);
  expect(decoder.decode(0x1000_0113)).toBe(0);
  expect(decoder.decode(0x2000_0013)).toBe(0);
  expect(decoder.decode(0x14)).toBe(-1);
});

test("encodings that cannot be told apart are refused", () => {
  expect(() => new Decoder([encoding(0, 0xf0, 0x10), encoding(1, 0x0f, 0x01)], 32)).toThrow(
    /e0 and e1 overlap/,
  );
});

test("unsigned and signed words are the same instruction", () => {
  const decoder = new Decoder([encoding(0, 0x8000_0000, 0x8000_0000)], 32);
  expect(decoder.decode(0x8000_0001)).toBe(0);
  expect(decoder.decode(0x8000_0001 | 0)).toBe(0);
});
