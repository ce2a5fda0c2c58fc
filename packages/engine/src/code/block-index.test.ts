import { expect, test } from "vitest";
import type { Block } from "./block.js";
import { BlockIndex } from "./block-index.js";

function block(id: number, page: number, start: number, mode = 0, step = false): Block {
  const rest = {
    secondPage: -1,
    end: start + 4,
    instructions: 1,
    address: 0,
    length: 4,
    starts: 0,
    exact: true,
  };
  return { ...rest, id, page, start, mode, step, recipes: null, dead: false, hot: false, copy: null };
}

test("a block is found by page, offset, mode and kind, and by nothing else", () => {
  const index = new BlockIndex();
  const blocks = [block(0, 5, 0x10), block(1, 5, 0x10, 3), block(2, 5, 0x10, 0, true), block(3, 6, 0x10)];
  for (const one of blocks) index.add(one, blocks);
  expect(index.find(5, 0x10, false)).toBe(0);
  expect(index.find(5, 0x10 | (3 << 12), false)).toBe(1);
  expect(index.find(5, 0x10, true)).toBe(2);
  expect(index.find(6, 0x10, false)).toBe(3);
  expect(index.find(6, 0x14, false)).toBe(-1);
  expect(index.find(6, 0x10, true)).toBe(-1);
});

test("the last block with a key counts", () => {
  const index = new BlockIndex();
  const blocks = [block(0, 5, 0x10), block(1, 5, 0x10)];
  for (const one of blocks) index.add(one, blocks);
  expect(index.find(5, 0x10, false)).toBe(1);
  index.clear();
  expect(index.find(5, 0x10, false)).toBe(-1);
});

test("it grows with many blocks, and forgets the dead ones then", () => {
  const index = new BlockIndex();
  const blocks: Block[] = [];
  for (let id = 0; id < 200_000; id++) {
    const one = block(id, id >> 9, (id & 511) * 8);
    one.dead = id % 3 === 0 && id < 1000;
    blocks.push(one);
    index.add(one, blocks);
  }
  for (let id = 0; id < 200_000; id++) {
    const expected = id % 3 === 0 && id < 1000 ? -1 : id;
    if (index.find(id >> 9, (id & 511) * 8, false) !== expected) expect(id).toBe("found");
  }
});
