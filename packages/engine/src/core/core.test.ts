import { beforeEach, expect, test } from "vitest";
import { TOY_DEVICE, ToyCpu, toy, toyRegisters } from "../testing/toy-cpu.js";
import { ARENA, createToy } from "../testing/toy-machine.js";
import type { Core } from "./core.js";
import type { Engine } from "./engine.js";
import { Access } from "./guest-cpu.js";

let engine: Engine;
let core: Core;
let cpu: ToyCpu;

beforeEach(() => {
  ({ engine, core, cpu } = createToy());
});

function program(address: number, ...code: number[]): void {
  code.forEach((word, i) => {
    engine.words[(ARENA + address) / 4 + i] = word;
  });
  engine.ramWritten(ARENA + address, code.length * 4);
}
const r = (i: number) => core.big(toyRegisters[i] as never);
const setR = (i: number, value: bigint) => core.setBig(toyRegisters[i] as never, value);
const word = (address: number) => engine.words[(ARENA + address) / 4];

function start(address: number, budget = 1_000_000): string {
  core.setPc(address, 0);
  return core.run(budget);
}

/** r1 += 1 until r1 == r2; 3 instructions a round, then halt. */
const LOOP = [toy("addi", 1, 1, 1), toy("beq", 1, 2, 2), toy("jump", 0xfe, 0xff, 0xff), toy("halt")];

test("a loop runs, and counts its instructions", () => {
  program(0x1000, ...LOOP);
  setR(2, 1000n);
  expect(start(0x1000)).toBe("exit");
  expect(r(1)).toBe(1000n);
  expect(core.instructions()).toBe(3 * 999 + 2 + 1);
});

test("a budget ends at the exact instruction, wherever it falls", () => {
  program(0x1000, ...LOOP);
  for (let budget = 1; budget < 40; budget++) {
    setR(1, 0n);
    setR(2, 1000n);
    const before = core.instructions();
    expect(start(0x1000, budget)).toBe("budget");
    expect(core.instructions() - before).toBe(budget);
    expect(r(1)).toBe(BigInt(Math.ceil(budget / 3)));
    expect(core.pcLo()).toBe(0x1000 + (budget % 3) * 4);
  }
});

test("where a slice ends does not matter for what is translated", () => {
  const long = Array.from({ length: 200 }, () => toy("addi", 1, 1, 1));
  program(0x1000, ...long, toy("jump", 0x38, 0xff, 0xff));
  const { code } = engine;
  expect(start(0x1000, 201 * 10)).toBe("budget");
  const { translatedInstructions } = code;
  // A slice that ends in the middle needs its last instructions one by one, and the next one the rest of a piece.
  for (let at = 10; at < 200; at += 10) {
    core.setPc(0x1000, 0);
    core.run(at);
    core.run(201 * 10 - at);
    expect(core.pcLo()).toBe(0x1000);
  }
  expect(r(1)).toBe(200n * 200n);
  expect(code.translatedInstructions - translatedInstructions).toBeLessThan(19 * 64 + 200);
});

test("the last instructions of a slice need no blocks of their own", () => {
  const body = Array.from({ length: 30 }, (_, i) => toy("addi", 1 + (i % 3), 1 + (i % 3), 1));
  program(0x1000, ...body, toy("jump", 0xe2, 0xff, 0xff));
  start(0x1000, 31 * 3);
  const before = engine.code.translated;
  for (let at = 1; at < 31; at++) {
    const instructions = core.instructions();
    core.setPc(0x1000, 0);
    expect(core.run(at)).toBe("budget");
    expect(core.pcLo()).toBe(0x1000 + at * 4);
    expect(core.instructions() - instructions).toBe(at);
  }
  // Three rounds, and of the first 1 to 30 instructions every third one.
  expect([r(1), r(2), r(3)]).toEqual([30n + 165n, 30n + 155n, 30n + 145n]);
  expect(engine.code.translated).toBe(before);
});

test("a slice may end between a write that was optimised away and the one that replaces it", () => {
  program(
    0x1000,
    toy("li", 1, 0, 5),
    toy("addi", 2, 2, 1),
    toy("li", 1, 0, 6),
    toy("jump", 0xfd, 0xff, 0xff),
  );
  start(0x1000, 4 * 3);
  for (const [budget, value] of [
    [1, 5n],
    [2, 5n],
    [3, 6n],
  ] as const) {
    core.setPc(0x1000, 0);
    setR(1, 0n);
    core.run(budget);
    expect(r(1)).toBe(value);
  }
});

test("the beginning of a block that is a region, and of one that faults", () => {
  program(
    0x1000,
    toy("addi", 1, 1, 1),
    toy("load", 2, 3, 0),
    toy("addi", 1, 1, 1),
    toy("jump", 0xfd, 0xff, 0xff),
  );
  program(0xf00, toy("addi", 5, 5, 1), toy("jump", 0xff, 0xff, 0xff));
  setR(3, 0x2000n);
  start(0x1000, 40);
  cpu.unmapped.add(0x60);
  setR(3, 0x60000n);
  setR(1, 0n);
  core.setPc(0x1000, 0);
  // The load traps as the second instruction; the handler's first is the third.
  expect(core.run(3)).toBe("budget");
  expect([r(1), r(5), r(15)]).toEqual([1n, 1n, 0x1004n]);
});

test("a page of code that is overwritten piece by piece becomes data", () => {
  const pieces = Array.from({ length: 12 }, (_, i) => 0x1000 + i * 8);
  const page = (ARENA + 0x1000) / 4096;
  const make = (address: number) => {
    program(address, toy("addi", 1, 1, 1), toy("halt"));
    start(address);
  };
  for (const address of pieces) make(address);
  const { code } = engine;
  const living = () =>
    pieces.filter((address) => code.find(page, address & 0xfff, false) !== undefined).length;
  expect(living()).toBe(12);
  // As long as there is new code in between, only what is overwritten goes.
  for (const address of pieces) make(address);
  expect(living()).toBe(12);
  for (const address of pieces.slice(0, 7)) engine.ramWritten(ARENA + address, 4);
  expect(living()).toBe(5);
  engine.ramWritten(ARENA + (pieces[7] as number), 4);
  expect(living()).toBe(0);
  expect(code.page(page)).toBeUndefined();
});

test("counters read inside a block are exact", () => {
  program(
    0x1000,
    toy("addi", 1, 1, 1),
    toy("addi", 1, 1, 1),
    toy("count", 3),
    toy("addi", 1, 1, 1),
    toy("count", 4),
    toy("halt"),
  );
  start(0x1000);
  expect([r(3), r(4)]).toEqual([2n, 4n]);
});

test("a fault leaves the state of the instruction before it, and the pc at it", () => {
  cpu.unmapped.add(0x50);
  program(0x1000, toy("addi", 1, 1, 5), toy("load", 1, 2, 8), toy("addi", 1, 1, 100), toy("halt"));
  program(0xf00, toy("halt"));
  setR(2, 0x50000n);
  expect(start(0x1000)).toBe("exit");
  expect(cpu.faults).toEqual([[0, 0x50008]]);
  expect([r(1), r(15)]).toEqual([5n, 0x1004n]);
  expect(core.instructions()).toBe(3);
});

test("loads and stores of RAM, also across a page, and nothing is stored when the second page faults", () => {
  program(0x1000, toy("store", 1, 2, 0), toy("load", 3, 2, 0), toy("loadb", 4, 2, 7), toy("halt"));
  program(0xf00, toy("halt"));
  setR(1, 0x8899aabbccddeeffn);
  setR(2, 0x2ffcn);
  start(0x1000);
  expect([r(3), r(4) - 2n ** 64n]).toEqual([0x8899aabbccddeeffn, -0x78n]);
  cpu.unmapped.add(3);
  core.dropPage(0x3000, 0);
  setR(1, 0n);
  start(0x1000);
  expect(cpu.faults).toEqual([[1, 0x3000]]);
  expect(word(0x2ffc)).toBe(0xccddeeff | 0);
});

test("device accesses happen once, in order, with an exact clock", () => {
  program(
    0x1000,
    toy("addi", 1, 1, 1),
    toy("store", 1, 2, 0),
    toy("load", 3, 2, 8),
    toy("addi", 1, 1, 1),
    toy("store", 1, 2, 16),
    toy("halt"),
  );
  setR(2, BigInt(TOY_DEVICE));
  start(0x1000);
  expect(cpu.writes).toEqual([
    [TOY_DEVICE, 1],
    [TOY_DEVICE + 16, 2],
  ]);
  expect(r(3)).toBe((2n << 32n) | BigInt(TOY_DEVICE + 8));
  expect(core.instructions()).toBe(6);
});

test("code that overwrites code ahead of it runs the new code", () => {
  program(0x1000, toy("store", 1, 2, 0), toy("addi", 3, 3, 1), toy("addi", 3, 3, 1), toy("halt"));
  setR(2, 0x1004n);
  const replacement = (BigInt(toy("addi", 3, 3, 40)) << 32n) | BigInt(toy("addi", 3, 3, 2));
  setR(1, replacement);
  start(0x1000);
  expect(r(3)).toBe(42n);
});

test("data on a page that holds code stays writable, and atomics there work", () => {
  program(0x1000, toy("store", 1, 2, 0), toy("xchg", 3, 2, 4), toy("load", 5, 2, 0), toy("halt"));
  setR(1, 7n);
  setR(2, 0x1800n);
  setR(4, 9n);
  start(0x1000);
  expect([r(3), r(5)]).toEqual([7n, 9n]);
});

test("an instruction that crosses a page is one block, and follows changes of either page", () => {
  // The toy's instructions are 4-aligned parcels of 2 bytes: put one at 0x1ffe.
  const bytes = new DataView(engine.memory.buffer);
  bytes.setInt32(ARENA + 0x1ffe, toy("addi", 1, 1, 3), true);
  bytes.setInt32(ARENA + 0x2002, toy("halt"), true);
  start(0x1ffe);
  expect(r(1)).toBe(3n);
  bytes.setInt32(ARENA + 0x1ffe, toy("addi", 1, 1, 16), true);
  engine.ramWritten(ARENA + 0x2000, 2);
  start(0x1ffe);
  expect(r(1)).toBe(19n);
});

test("the fetch of a second page that went away traps once", () => {
  const bytes = new DataView(engine.memory.buffer);
  bytes.setInt32(ARENA + 0x1ffe, toy("addi", 1, 1, 3), true);
  bytes.setInt32(ARENA + 0x2002, toy("halt"), true);
  program(0xf00, toy("halt"));
  start(0x1ffe);
  expect(r(1)).toBe(3n);
  cpu.unmapped.add(2);
  core.dropContexts();
  const before = cpu.faults.length;
  start(0x1ffe);
  expect(r(1)).toBe(3n);
  expect(cpu.faults.slice(before)).toEqual([[Access.fetch, 0x2000]]);
});

test("indirect jumps, and jumps between pages both ways", () => {
  program(0x1000, toy("addi", 1, 1, 1), toy("jumpReg", 0, 2));
  program(0x5000, toy("beq", 1, 4, 2), toy("jump", 0xff, 0xef, 0xff), toy("halt"));
  setR(2, 0x5000n);
  setR(4, 50n);
  expect(start(0x1000)).toBe("exit");
  expect(r(1)).toBe(50n);
  // After a drop of all contexts everything is looked up anew.
  core.dropContexts();
  setR(1, 0n);
  start(0x1000);
  expect(r(1)).toBe(50n);
});

test("store-conditional fails after another core ran", () => {
  const other = engine.createCore();
  const otherCpu = new ToyCpu(other);
  other.attach(otherCpu);
  program(0x1000, toy("lr", 1, 2), toy("halt"), toy("sc", 3, 2, 4), toy("halt"));
  program(0x3000, toy("halt"));
  setR(2, 0x4000n);
  setR(4, 5n);
  start(0x1000);
  expect(core.run(10)).toBe("exit");
  expect([r(3), word(0x4000)]).toEqual([0n, 5]);
  start(0x1000);
  other.setPc(0x3000, 0);
  other.run(10);
  core.run(10);
  expect(r(3)).toBe(1n);
  expect(other.instructions()).toBe(1);
});

test("trap loops spend the budget", () => {
  cpu.unmapped.add(0);
  expect(start(0x40, 1000)).toBe("budget");
  expect(core.instructions()).toBe(1000);
});

test("breakpoints stop before the instruction and let it run when resumed", () => {
  program(0x1000, ...LOOP);
  setR(2, 3n);
  core.breakpoints.add(0x1004n);
  expect(start(0x1000)).toBe("breakpoint");
  expect([core.pcLo(), r(1)]).toEqual([0x1004, 1n]);
  expect(core.run(100)).toBe("breakpoint");
  expect(r(1)).toBe(2n);
  core.breakpoints.clear();
  expect(core.run(100)).toBe("exit");
});

test("watchpoints stop before the access, once, and see every access of their bytes", () => {
  program(
    0x1000,
    toy("load", 3, 2, 0),
    toy("store", 1, 2, 8),
    toy("loadb", 5, 2, 12),
    toy("xchg", 6, 4, 1),
    toy("halt"),
  );
  setR(1, 7n);
  setR(2, 0x4000n);
  setR(4, 0x4020n);
  core.setPc(0x1000, 0);
  expect(core.run(100)).toBe("exit");
  core.setWatchpoints([
    { address: 0x400cn, length: 1, on: "access" },
    { address: 0x4020n, length: 8, on: "write" },
  ]);
  const stops: [string, number, bigint | undefined][] = [];
  core.setPc(0x1000, 0);
  for (let i = 0; i < 4; i++) stops.push([core.run(100), core.pcLo(), core.watchHit]);
  expect(stops).toEqual([
    ["watchpoint", 0x1004, 0x400cn],
    ["watchpoint", 0x1008, 0x400cn],
    ["watchpoint", 0x100c, 0x4020n],
    ["exit", 0x1014, undefined],
  ]);
  expect([r(6), word(0x4020)]).toEqual([7n, 7]);
});

test.each(["cold", "hot"] as const)("a fault finds the writes that were delayed past it (%s)", (tier) => {
  ({ engine, core, cpu } = createToy({ tier }));
  // r1 = 42 is overwritten behind the load, which faults in the last round.
  program(
    0x1000,
    toy("li", 1, 0, 42),
    toy("load", 3, 2, 0),
    toy("li", 1, 0, 9),
    toy("add", 2, 2, 5),
    toy("jump", 0xfc, 0xff, 0xff),
  );
  program(0xf00, toy("halt"));
  setR(2, 0x4000n);
  setR(5, 8n);
  cpu.unmapped.add(5);
  core.setPc(0x1000, 0);
  while (core.run(50) === "budget") {}
  expect([r(1), r(2), r(15)]).toEqual([42n, 0x5000n, 0x1004n]);
  expect(core.instructions()).toBe(512 * 5 + 3);
});

test.each(["cold", "hot"] as const)("and those that are computed only where it leaves (%s)", (tier) => {
  ({ engine, core, cpu } = createToy({ tier }));
  // r1 is made of what r7 was before; both are overwritten behind the load, which faults in the last round.
  program(
    0x1000,
    toy("add", 1, 7, 5),
    toy("add", 7, 5, 5),
    toy("load", 3, 2, 0),
    toy("li", 1, 0, 9),
    toy("li", 7, 0, 100),
    toy("add", 2, 2, 5),
    toy("jump", 0xfa, 0xff, 0xff),
  );
  program(0xf00, toy("halt"));
  setR(2, 0x4000n);
  setR(5, 8n);
  cpu.unmapped.add(5);
  core.setPc(0x1000, 0);
  while (core.run(50) === "budget") {}
  expect([r(1), r(2), r(7), r(15)]).toEqual([108n, 0x5000n, 16n, 0x1008n]);
  expect(core.instructions()).toBe(512 * 7 + 4);
});

test.each(["cold", "hot"] as const)(
  "and copies of registers, even of those that change then (%s)",
  (tier) => {
    ({ engine, core, cpu } = createToy({ tier }));
    // r1 and r4 are overwritten behind the load, which faults in the last round.
    program(
      0x1000,
      toy("move", 1, 7),
      toy("move", 4, 8),
      toy("addi", 8, 8, 1),
      toy("load", 3, 2, 0),
      toy("li", 1, 0, 9),
      toy("li", 4, 0, 9),
      toy("add", 2, 2, 5),
      toy("jump", 0xf9, 0xff, 0xff),
    );
    program(0xf00, toy("halt"));
    setR(2, 0x4000n);
    setR(5, 8n);
    setR(7, 70n);
    cpu.unmapped.add(5);
    core.setPc(0x1000, 0);
    while (core.run(50) === "budget") {}
    expect([r(1), r(2), r(4), r(8), r(15)]).toEqual([70n, 0x5000n, 512n, 513n, 0x100cn]);
    expect(core.instructions()).toBe(512 * 8 + 5);
  },
);

test("a copy of a register is not what a write that was delayed makes of it", () => {
  ({ engine, core, cpu } = createToy({ tier: "cold" }));
  // The first load makes a TLB entry, for which the delayed write of r9 is carried out; the second faults.
  program(
    0x1000,
    toy("move", 6, 9),
    toy("li", 9, 0, 5),
    toy("load", 3, 2, 0),
    toy("load", 3, 12, 0),
    toy("li", 6, 0, 1),
    toy("li", 9, 0, 6),
    toy("halt"),
  );
  program(0xf00, toy("halt"));
  setR(2, 0x4000n);
  setR(12, 0x5000n);
  setR(9, 77n);
  cpu.unmapped.add(5);
  core.setPc(0x1000, 0);
  expect(core.run(50)).toBe("exit");
  expect([r(6), r(9), r(15)]).toEqual([77n, 5n, 0x100cn]);
});

test("a reservation that another core's turn ends is known as lost, in snapshots too", () => {
  program(0x1000, toy("halt"));
  const other = engine.createCore();
  other.attach(new ToyCpu(other));
  start(0x1000);
  core.setReservation({ address: 0x3000n, value: 1n });
  other.setPc(0x1000, 0);
  expect([core.reservedOffset(), other.reservedOffset()]).toEqual([0x3000, -1]);
  other.run(10);
  expect([core.reservedOffset(), other.reservedOffset()]).toEqual([-2, -1]);
  const state = core.state();
  core.clearReservation();
  expect([core.reservedOffset(), core.state().reservation]).toEqual([-1, null]);
  core.restore(state);
  expect(core.reservedOffset()).toBe(-2);
});
