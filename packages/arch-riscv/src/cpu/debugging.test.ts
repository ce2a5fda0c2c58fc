import { Prng, type Watchpoint } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { Lockstep } from "../testing/cpu/bare-lockstep.js";
import { assemble } from "../testing/vm/assembler.js";

// What a debugger does to code that is compiled already: it has to stop at the same instruction, with the same
// counts and the same state, as where everything is interpreted.

const SEEDS = Number(process.env.DEBUG_SEEDS ?? 4);

/** A loop that loads, adds and stores one word, with a call in it. */
const LOOP = `
  li s0, 100000
  la s1, word
  loop: ld t0, 0(s1)
  addi t0, t0, 3
  update: sd t0, 0(s1)
  jal ra, inner
  addi s0, s0, -1
  bne s0, zero, loop
  wfi
  inner: add a1, a1, t0
  middle: addi a2, a2, 1
  jalr zero, 0(ra)
  .align 4096
  .dword 0
  word: .dword 0`;
/** Instructions of one round. */
const ROUND = 9;

/** The program, run until every tier that compiles has compiled something of it. */
function warm(source: string): Lockstep {
  const machine = new Lockstep(source);
  const isCompiled = (): boolean => machine.compiled("hot") > 0 && machine.compiled("auto") > 0;
  for (let run = 0; run < 200 && !isCompiled(); run++) machine.run(997);
  expect(isCompiled()).toBe(true);
  machine.run(9973);
  return machine;
}

const watch = (machine: Lockstep, ...list: readonly Watchpoint[]): void =>
  machine.all(({ core }) => core.setWatchpoints(list));

describe("watchpoints on what a compiled loop accesses", () => {
  test.each<[Watchpoint["on"], readonly string[]]>([
    ["write", ["update"]],
    ["read", ["loop"]],
    ["access", ["loop", "update"]],
  ])("%s: every round, before the instruction", (on, places) => {
    const machine = warm(LOOP);
    const address = BigInt(machine.at("word"));
    watch(machine, { address, length: 8, on });
    const stops = Array.from({ length: 12 }, () => machine.run(50_000));
    for (const { end, watched } of stops) expect([end, watched]).toEqual(["watchpoint", address]);
    const first = places.indexOf([...machine.labels].find(([, at]) => at === stops[0]?.pc)?.[0] ?? "");
    expect(first).toBeGreaterThanOrEqual(0);
    expect(stops.map(({ pc }) => pc)).toEqual(
      stops.map((_, i) => machine.at(places[(first + i) % places.length] as string)),
    );
    const gaps = stops.slice(1).map(({ instructions }, i) => instructions - stops[i]!.instructions);
    const loadToStore = 2;
    for (const [i, gap] of gaps.entries()) {
      if (places.length === 1) expect(gap).toBe(ROUND);
      else expect(gap).toBe(stops[i]!.pc === machine.at("loop") ? loadToStore : ROUND - loadToStore);
    }
    // The word as the debugger finds it: not yet written where the store is stopped.
    const [s0] = machine.registers("s0") as [bigint];
    const stored = new DataView(machine.memory(Number(address), 8).buffer).getBigUint64(0, true);
    expect(stored).toBe(3n * (100_000n - s0));
    watch(machine);
    expect(machine.run(20_001).end).toBe("budget");
  });

  test("of a part of what is accessed, beside it, and in a page that is watched elsewhere", () => {
    const machine = warm(LOOP);
    const word = BigInt(machine.at("word"));
    watch(
      machine,
      { address: word - 8n, length: 8, on: "access" },
      { address: word + 8n, length: 100, on: "access" },
    );
    expect(machine.run(20_000).end).toBe("budget");
    watch(machine, { address: word + 7n, length: 9, on: "write" });
    expect(machine.run(20_000)).toMatchObject({
      end: "watchpoint",
      watched: word + 7n,
      pc: machine.at("update"),
    });
  });

  test("of atomics, load-reserved and accesses that cross pages", () => {
    const machine = warm(`
      li s0, 50000
      la s1, page
      addi s2, s1, -4
      loop: addi t0, t0, 1
      swap: amoadd.d t1, t0, (s1)
      again: lr.d t2, (s1)
      sc: sc.d t3, t2, (s1)
      bne t3, zero, again
      cross: sd t0, 0(s2)
      load: ld t4, 0(s2)
      addi s0, s0, -1
      bne s0, zero, loop
      wfi
      .align 4096
      .dword 0
      .align 4096
      page: .dword 0`);
    const page = BigInt(machine.at("page"));
    const places = (list: Watchpoint, count: number) => {
      watch(machine, list);
      // First to a place that does not access it, so that all rounds begin alike.
      machine.all(({ core }) => core.breakpoints.add(BigInt(machine.at("loop"))));
      while (machine.run(1000).end !== "breakpoint");
      machine.all(({ core }) => core.breakpoints.clear());
      return Array.from({ length: count }, () => machine.run(1000).pc);
    };
    const at = (...names: string[]) => names.map((name) => machine.at(name));
    expect(places({ address: page, length: 1, on: "access" }, 6)).toEqual(
      at("swap", "again", "sc", "cross", "load", "swap"),
    );
    expect(places({ address: page, length: 1, on: "write" }, 4)).toEqual(at("swap", "sc", "cross", "swap"));
    expect(places({ address: page - 1n, length: 1, on: "read" }, 2)).toEqual(at("load", "load"));
    expect(places({ address: page + 4n, length: 2, on: "access" }, 4)).toEqual(
      at("swap", "again", "sc", "swap"),
    );
  });

  test("with a budget that ends at the watched instruction", () => {
    const machine = warm(LOOP);
    watch(machine, { address: BigInt(machine.at("word")), length: 8, on: "write" });
    expect(machine.run(1000).end).toBe("watchpoint");
    // The stopped instruction is the first of the budget, then the round's others.
    expect(machine.run(ROUND)).toMatchObject({ end: "budget", pc: machine.at("update") });
    expect(machine.run(1)).toMatchObject({ end: "watchpoint", pc: machine.at("update") });
    expect(machine.run(1)).toMatchObject({ end: "budget", pc: machine.at("update") + 4 });
  });
});

describe("breakpoints and steps in a compiled region", () => {
  test.each(["loop", "update", "inner", "middle"])("at %s, every round", (label) => {
    const machine = warm(LOOP);
    machine.all(({ core }) => core.breakpoints.add(BigInt(machine.at(label))));
    const stops = Array.from({ length: 8 }, () => machine.run(50_000));
    for (const { end, pc } of stops) expect([end, pc]).toEqual(["breakpoint", machine.at(label)]);
    for (const [i, { instructions }] of stops.slice(1).entries())
      expect(instructions - stops[i]!.instructions).toBe(ROUND);
    machine.all(({ core }) => core.breakpoints.clear());
    expect(machine.run(30_001).end).toBe("budget");
  });

  test("single steps from any place, and on at full speed", () => {
    const machine = warm(LOOP);
    for (let skip = 0; skip < 2 * ROUND; skip++) {
      const from = machine.run(1000 + skip);
      for (let i = 1; i <= ROUND; i++) {
        const { end, instructions } = machine.run(1);
        expect([end, instructions]).toEqual(["budget", from.instructions + i]);
      }
      expect(machine.run(1).pc).toBe(machine.run(ROUND).pc);
      const { trace } = machine.run(ROUND, true);
      expect(new Set(trace).size).toBe(ROUND);
    }
  });
});

/** Loops and calls over two pages of code, with data on a page of its own and beside the code. */
const BUSY = `
  li s0, 0
  la s1, data
  la s2, near
  outer: li t0, 40
  first: ld t1, 0(s1)
  add t1, t1, t0
  patch: addi t1, t1, 5
  sd t1, 0(s1)
  andi t2, t0, 7
  slli t2, t2, 3
  add t2, t2, s1
  sw t1, 4(t2)
  addi t0, t0, -1
  bne t0, zero, first
  li t0, 30
  second: jal ra, far
  amoadd.w t3, t0, (s2)
  addi t0, t0, -1
  bne t0, zero, second
  addi s0, s0, 1
  jal zero, outer
  .align 8
  near: .dword 0
  .align 4096
  far: lwu t4, 0(s2)
  add a0, a0, t4
  andi t5, a0, 1
  beq t5, zero, even
  addi a1, a1, 1
  even: sd a0, 64(s1)
  jalr zero, 0(ra)
  .align 4096
  data: .dword 0`;

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))("a random debugger, seed %i", (seed) => {
  const prng = new Prng(seed);
  const machine = warm(BUSY);
  const code = ["outer", "first", "patch", "second", "far", "even"].map((label) => machine.at(label));
  const bytes = [machine.at("data"), machine.at("data") + 36, machine.at("data") + 64, machine.at("near")];
  const ends = new Set<string>();
  for (let step = 0; step < 120; step++) {
    switch (prng.below(6)) {
      case 0: {
        const places = code.filter(() => prng.oneIn(5)).map((at) => BigInt(at + 4 * prng.below(2)));
        machine.all(({ core }) => {
          core.breakpoints.clear();
          for (const place of places) core.breakpoints.add(place);
        });
        break;
      }
      case 1:
        watch(
          machine,
          ...bytes
            .filter(() => prng.oneIn(3))
            .map((at) => ({
              address: BigInt(at + prng.below(8)),
              length: 1 + prng.below(4),
              on: prng.pick(["read", "write", "access"] as const),
            })),
        );
        break;
      case 2: {
        const at = machine.at("patch");
        const { bytes: patched } = assemble(`addi t1, t1, ${prng.below(2000)}`, at);
        machine.all(({ write }) => write(at, patched));
        break;
      }
      case 3:
        machine.all(({ core }) => core.breakpoints.clear());
        watch(machine);
        machine.run(5000 + prng.below(5000));
        break;
      case 4:
        machine.run(1 + prng.below(20), true);
        break;
      default:
    }
    const runs = 1 + prng.below(6);
    for (let i = 0; i < runs; i++) ends.add(machine.run(1 + prng.below(prng.oneIn(2) ? 30 : 3000)).end);
    machine.memory(machine.at("near"), 8);
    machine.memory(machine.at("data"), 128);
  }
  expect([...ends].sort()).toEqual(["breakpoint", "budget", "watchpoint"]);
});
