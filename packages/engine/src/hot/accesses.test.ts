import { expect, test } from "vitest";
import { TOY_DEVICE, toy, toyRegisters } from "../testing/toy-cpu.js";
import { ARENA, createToy, putWords, setRegisters, type ToyMachine } from "../testing/toy-machine.js";

/** What can be seen of a machine: registers, counts, faults, and all of RAM. */
function seen({ engine, core, cpu }: ToyMachine) {
  const registers = toyRegisters.map((r) => core.big(r as never));
  const ram = engine.bytes.subarray(ARENA, ARENA + TOY_DEVICE);
  let sum = 0;
  for (let i = 0; i < ram.length; i++) sum = (Math.imul(sum, 31) + (ram[i] as number)) | 0;
  return { registers, sum, instructions: core.instructions(), faults: cpu.faults, writes: cpu.writes };
}

/** Runs a program in both tiers, in small steps; `setup` gives the registers and what is unmapped. */
function compare(
  code: number[],
  registers: Readonly<Record<number, bigint>>,
  unmapped: readonly number[],
  steps: number,
  budget: number,
): ToyMachine {
  const subjects = (["cold", "hot"] as const).map((tier) => createToy({ tier })) as [ToyMachine, ToyMachine];
  for (const subject of subjects) {
    const { engine, core, cpu } = subject;
    for (let at = 0x10000; at < TOY_DEVICE; at += 4)
      engine.words[(ARENA + at) >> 2] = Math.imul(at, 2654435761);
    putWords(subject, 0x1000, code);
    // A fault is counted in r14, and what faulted is stepped over.
    putWords(subject, 0xf00, [toy("addi", 14, 14, 1), toy("addi", 15, 15, 4), toy("jumpReg", 0, 15)]);
    for (const page of unmapped) cpu.unmapped.add(page);
    setRegisters(subject, registers);
    core.setPc(0x1000, 0);
  }
  const [cold, hot] = subjects;
  for (let i = 0; i < steps; i++) {
    const end = cold.core.run(budget);
    expect(hot.core.run(budget)).toBe(end);
    expect(seen(hot)).toEqual(seen(cold));
    if (end === "exit") break;
  }
  expect(hot.engine.compiledInstructions).toBeGreaterThan(0);
  return hot;
}

/** r1 counts rounds up to r8; r2 moves by `stride`, r7 by `writeStride`. */
const LOOP = (stride: number, writeStride: number): number[] => [
  toy("load", 3, 2, 0),
  toy("load", 4, 2, 24),
  toy("add", 6, 6, 3),
  toy("load", 5, 2, 8),
  toy("loadb", 9, 2, -3),
  toy("add", 6, 6, 4),
  toy("store", 6, 7, 0),
  toy("store", 5, 7, 16),
  toy("store", 9, 7, -8),
  toy("addi", 2, 2, stride),
  toy("addi", 7, 7, writeStride),
  toy("addi", 1, 1, 1),
  toy("bltu", 1, 8, -12),
  toy("halt"),
];

test.each([
  ["aligned", 8, 16, 0x20000n, 0x40000n, []],
  ["at odd addresses", 7, 13, 0x20001n, 0x40003n, []],
  ["with pages missing", 24, 40, 0x20000n, 0x40008n, [0x21, 0x23, 0x41, 0x44]],
  ["with pages missing, at odd addresses", 23, -37, 0x20007n, 0x48005n, [0x21, 0x23, 0x41, 0x44, 0x47]],
  ["up to the end of RAM, and devices behind it", 120, 104, 0xff000n, 0xfe000n, []],
] as const)("accesses checked together: %s", (_name, stride, writeStride, from, to, unmapped) => {
  const code = LOOP(stride, writeStride);
  for (const budget of [101, 997]) compare(code, { 2: from, 7: to, 8: 700n }, unmapped, 400, budget);
});

test.each([
  ["down a stack", 0x28000n, []],
  ["down one that has no alignment", 0x28003n, []],
  ["down to a page that is missing", 0x22010n, [0x21]],
  ["down into devices", 0x100010n, []],
] as const)("a base that moves by constants is still the same one: %s", (_name, stack, unmapped) => {
  const code = [
    toy("store", 1, 2, -8),
    toy("addi", 2, 2, -8),
    toy("store", 6, 2, -8),
    toy("addi", 2, 2, -8),
    toy("store", 3, 2, 4),
    toy("load", 3, 2, 0),
    toy("addi", 2, 2, 8),
    toy("load", 4, 2, 0),
    toy("load", 5, 2, -8),
    toy("add", 6, 6, 3),
    toy("add", 6, 6, 4),
    toy("addi", 2, 2, -3),
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 8, -13),
    toy("halt"),
  ];
  for (const budget of [101, 997]) compare(code, { 2: stack, 8: 700n }, unmapped, 400, budget);
});

test("a base that changes between accesses ends what is checked together", () => {
  const code = [
    toy("load", 3, 2, 0),
    toy("load", 2, 2, 8),
    toy("load", 4, 2, 0),
    toy("load", 5, 2, 8),
    toy("add", 6, 6, 3),
    toy("add", 6, 6, 5),
    // Pointers are made of what lies in memory: keep them in RAM.
    toy("li", 2, 0, 0),
    toy("add", 2, 10, 1),
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 8, -9),
    toy("halt"),
  ];
  compare(code, { 2: 0x20000n, 8: 3000n, 10: 0x20ff0n }, [], 100, 1009);
});

test("stores that change what is loaded behind them, in one group", () => {
  const code = [
    toy("store", 1, 2, 0),
    toy("load", 3, 2, 4),
    toy("store", 3, 2, 8),
    toy("load", 4, 2, 0),
    toy("add", 6, 6, 4),
    toy("add", 6, 6, 3),
    toy("addi", 2, 2, 1),
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 8, -8),
    toy("halt"),
  ];
  compare(code, { 2: 0x20f00n, 8: 3000n }, [], 100, 1009);
});

test.each([17, 1009, 20_011])(
  "code that the cold tier cuts into blocks: faults in each, in slices of %i",
  (budget) => {
    // Four of the cold tier's blocks: each steps over the pages at another instruction of its own.
    const step = (k: number) => [
      toy("load", 3, 2, 8 * k),
      toy("add", 6, 6, 3),
      toy("store", 6, 7, 8 * k),
      toy("addi", 10, 6, k),
      toy("loadb", 4, 2, 300 * k),
      toy("add", 6, 10, 4),
    ];
    const steps = Array.from({ length: 20 }, (_, k) => step(k)).flat();
    const code = [
      ...steps,
      toy("addi", 2, 2, 72),
      toy("addi", 7, 7, 40),
      toy("addi", 1, 1, 1),
      toy("bltu", 1, 8, -steps.length - 4),
      toy("halt"),
    ];
    const { cpu } = compare(code, { 2: 0x20e00n, 7: 0x60f00n, 8: 300n }, [0x23, 0x62], 2000, budget);
    expect(cpu.faults).not.toHaveLength(0);
  },
);

test("a group that is on two pages again and again is taken apart", () => {
  const code = [
    toy("load", 3, 2, 0),
    toy("load", 4, 2, 8),
    toy("store", 3, 2, 8),
    toy("store", 4, 2, 0),
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 8, -5),
    toy("halt"),
  ];
  const { engine } = compare(code, { 2: 0x20ff8n, 8: 40_000n }, [], 20, 20_011);
  expect(engine.hot?.statistics.killed).toBe(1);
});

test("stores that walk into the code of their own loop", () => {
  const code = [
    toy("add", 0, 0, 0),
    toy("add", 0, 0, 0),
    toy("load", 3, 2, 0),
    toy("load", 4, 2, 8),
    toy("store", 10, 7, 0),
    toy("store", 10, 7, -8),
    toy("addi", 7, 7, 4),
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 8, -8),
    toy("halt"),
  ];
  const added = BigInt(toy("addi", 6, 6, 1));
  const hot = compare(
    code,
    { 2: 0x20000n, 7: 0x1004n - 1200n, 8: 302n, 10: added * 0x1_0000_0001n },
    [],
    100,
    331,
  );
  expect(hot.core.big(toyRegisters[6] as never)).toBeGreaterThan(0n);
});
