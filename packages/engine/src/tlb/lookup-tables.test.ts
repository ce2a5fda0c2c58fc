import { describe, expect, test } from "vitest";
import { Prng } from "../isa/prng.js";
import { TOY_DEVICE, toy, toyRegisters } from "../testing/toy-cpu.js";
import { ARENA, createToy } from "../testing/toy-machine.js";
import { BLOCK_TABLE_ENTRIES, BLOCK_TABLE_SPREAD, JUMP_CACHE_ENTRIES, LOOKUP_TABLES } from "./geometry.js";
import { LookupTables } from "./lookup-tables.js";

const START = 0xff000;

describe("filled here, found by the interpreter", () => {
  const NEXT = 24;
  /** Counts in r1 and goes to the next place, which the words at r2 + NEXT name. */
  const HOP = [
    toy("addi", 1, 1, 1),
    toy("load", 2, 2, NEXT),
    toy("bltu", 1, 8, 2),
    toy("halt"),
    toy("jumpReg", 0, 2),
  ];
  const HOP_BYTES = NEXT + 8;

  /** Addresses with room for a hop, no two of which share an entry of the block table or the fetch TLB. */
  function places(prng: Prng, mode: number, count: number): number[] {
    const found: number[] = [];
    const taken = new Set<number>();
    while (found.length < count) {
      const at = (prng.below((TOY_DEVICE >> 3) - 0x2000) + 0x400) * 8;
      if (at >= START || (at & 0xfff) > 0x1000 - HOP_BYTES) continue;
      const page = (ARENA + at) >>> 12;
      // A hop is two blocks.
      const slots = [at, at + 16].map((address) => {
        const key = (address & 0xfff) | (mode << 12);
        return (Math.imul(page, BLOCK_TABLE_SPREAD) ^ (key >>> 1)) & (BLOCK_TABLE_ENTRIES - 1);
      });
      if (slots.some((slot) => taken.has(slot))) continue;
      if (found.some((other) => Math.abs(other - at) < HOP_BYTES + 8)) continue;
      for (const slot of slots) taken.add(slot);
      found.push(at);
    }
    return found;
  }

  test.each([
    [0, 0],
    [5, 0],
    [0x3ff, 0x7fff_ff12],
    [0x2aa, -0x8000],
  ])("mode %d, upper half of addresses %d", (mode, hi) => {
    const { engine, core, cpu } = createToy({ tier: "cold" });
    cpu.modes[0] = mode;
    const list = places(new Prng(3 + mode), mode, 100);
    const high = BigInt.asUintN(64, BigInt(hi) << 32n);
    for (const [i, at] of list.entries()) {
      const next = list[(i + 1) % list.length] as number;
      engine.words.set(HOP, (ARENA + at) >> 2);
      engine.words.set([next, hi], (ARENA + at + NEXT) >> 2);
    }
    const first = list[0] as number;
    const lap = (): number => {
      core.setBig(toyRegisters[1] as never, 0n);
      core.setBig(toyRegisters[2] as never, high | BigInt(first));
      core.setBig(toyRegisters[8] as never, BigInt(list.length * 3));
      core.setPc(first, hi);
      const before = core.dispatches + engine.lookup.jumps;
      expect(core.run(100_000)).toBe("exit");
      expect(core.big(toyRegisters[1] as never)).toBe(BigInt(list.length * 3));
      return core.dispatches + engine.lookup.jumps - before;
    };
    const jumpCache = (): void => {
      const w = (engine.lookup.address + LOOKUP_TABLES.jumpCache) >> 2;
      engine.words.fill(-1, w, w + JUMP_CACHE_ENTRIES * 4);
    };
    // The first one is found by the dispatcher, the others by indirect jumps that leave.
    expect(lap()).toBe(list.length);
    // Once to begin with.
    expect(lap()).toBe(1);
    jumpCache();
    expect(lap()).toBe(1);
    // Neither the jump cache nor what was found of the pages holds any more, but the blocks are known.
    core.dropContexts();
    const pages = new Set(list.map((at) => at >>> 12)).size;
    expect(lap()).toBe(pages);
    jumpCache();
    expect(lap()).toBe(1);
  });
});

describe("lookup tables", () => {
  const create = () => {
    const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
    const tables = new LookupTables(memory, 4096);
    return { tables, words: new Int32Array(memory.buffer) };
  };

  test("fetch contexts hold for a whole page, and for that page only", () => {
    const { tables } = create();
    expect(tables.fetchContext(0x1234_5678, 9)).toBe(-1);
    tables.fillFetch(0x1234_5678, 9, 77, 0x1000);
    for (const lo of [0x1234_5000, 0x1234_5ffe]) {
      expect(tables.fetchContext(lo, 9)).toBe(77);
      expect(tables.fetchPage(lo)).toBe(0x1000);
    }
    for (const [lo, hi] of [
      [0x1234_6000, 9],
      [0x1234_5000, 8],
      // The same entry.
      [0x1234_5000 + (1 << 22), 9],
    ] as const)
      expect(tables.fetchContext(lo, hi)).toBe(-1);
    tables.fillFetch(-4096, -1, 5, 6);
    expect([tables.fetchContext(-2, -1), tables.fetchPage(-2)]).toEqual([5, 6]);
  });

  test("stay within their bytes, and forget everything when cleared", () => {
    const { tables, words } = create();
    const prng = new Prng(1);
    for (let i = 0; i < 20_000; i++) {
      tables.cacheJump(prng.bits(), prng.bits(), 1, 2);
      tables.fillFetch(prng.bits(), prng.bits(), 3, 4);
      tables.setBlock(prng.bits() >>> 12, prng.bits() >>> 8, 5);
    }
    expect(words.subarray(0, 1024).every((word) => word === 0)).toBe(true);
    expect(words.subarray((4096 + LookupTables.bytes) >> 2).every((word) => word === 0)).toBe(true);
    tables.clear();
    expect(words.subarray(1024, (4096 + LookupTables.bytes) >> 2).every((word) => word === -1)).toBe(true);
  });
});
