import { describe, expect, test } from "vitest";
import { IrBuilder } from "../ir/builder.js";
import { verify } from "../ir/verify.js";
import { ToyGuard, toy, toyRegisters, toySelected, toyWaiting } from "../testing/toy-cpu.js";
import { ARENA, createToy, putWords, setRegisters, type ToyMachine } from "../testing/toy-machine.js";
import { type PageWalker, WALKED } from "../walk/page-walker.js";
import { i64 } from "../wasm/index.js";
import type { Core } from "./core.js";
import type { Tier } from "./engine.js";

// What guest code switches by itself: helpers that are called on a condition, data contexts, and interrupts that
// wait for it. The same steps in both tiers, and nothing may tell them apart.

const START = 0x1000;
const FAULTS = 0xf00;
const INTERRUPTS = 0xe00;

/** Translates as the CPU does, by the context it is told. */
const selectingWalker: PageWalker = {
  coreBytes: 8,
  emit(module) {
    const f = module.func("walk", ["i64", "i32", "i32"], "i64");
    const page = i64.xor(i64.and(f.arg(0), -4096), i64.shl(i64.extend_i32_u(f.arg(1)), 12));
    return f.body(i64.or(i64.add(page, ARENA), WALKED.readable | WALKED.writable | (12 << WALKED.shift)));
  },
};

function create(tier: Tier, pageWalker?: PageWalker): ToyMachine {
  const machine = createToy({ tier, ...(pageWalker && { pageWalker }) });
  machine.core.setDataContexts([10, 11], 0);
  return machine;
}

const register = ({ core }: ToyMachine, i: number): bigint => core.big(toyRegisters[i] as never);

/** What can be seen after a step; what only grows by its length, as `finish` compares it in the end. */
function seen({ engine, core, cpu }: ToyMachine) {
  const { guarded, interrupts, faults } = cpu;
  return {
    state: core.state(),
    data: engine.words.slice((ARENA + 0x2ff0) >> 2, (ARENA + 0x3000) >> 2),
    ...{ context: core.context, last: guarded.at(-1), end: core.exit },
    counts: [guarded.length, interrupts.length, faults.length],
  };
}

function seenAtEnd(subject: ToyMachine) {
  const { engine, cpu } = subject;
  const ram = Buffer.from(engine.bytes.subarray(ARENA, ARENA + 0x10000)).toString("base64");
  const { faults, guarded, interrupts } = cpu;
  return { ...seen(subject), ram, faults, guarded, interrupts };
}

/** Both tiers at once. */
class Pair {
  readonly cold: ToyMachine;
  readonly hot: ToyMachine;

  constructor(code: number[], registers: Readonly<Record<number, bigint>> = {}, walker?: PageWalker) {
    this.cold = create("cold", walker);
    this.hot = create("hot", walker);
    // Traps and interrupts are counted in r12 and r11; what trapped is stepped over.
    const faults = [toy("addi", 12, 12, 1), toy("addi", 15, 15, 4), toy("jumpReg", 0, 15)];
    const interrupts = [toy("addi", 11, 11, 1), toy("jumpReg", 0, 13)];
    this.both((machine) => {
      putWords(machine, START, code);
      putWords(machine, FAULTS, faults);
      putWords(machine, INTERRUPTS, interrupts);
      setRegisters(machine, registers);
      machine.core.setPc(START, 0);
    });
  }

  both(action: (subject: ToyMachine) => void): void {
    action(this.cold);
    action(this.hot);
  }

  run(budget: number): string {
    const end = this.cold.core.run(budget);
    expect(this.hot.core.run(budget)).toBe(end);
    expect(seen(this.hot)).toEqual(seen(this.cold));
    if (end === "exit" && this.cold.core.exit === "halt") this.ended();
    return end;
  }

  finish(budget: number, between: (subject: ToyMachine) => void = () => {}): void {
    for (let n = 0; n < 3000; n++) {
      if (this.run(budget) === "exit" && this.cold.core.exit === "halt") return;
      this.both(between);
    }
    throw new Error("the program does not end");
  }

  private ended(): void {
    expect(seenAtEnd(this.hot)).toEqual(seenAtEnd(this.cold));
    if (this.hot.core.onInstruction === null) expect(this.hot.engine.compiledInstructions).toBeGreaterThan(0);
  }

  registers(...list: number[]): bigint[] {
    return list.map((i) => register(this.cold, i));
  }
}

describe("a helper that is called on a condition", () => {
  /** r1 counts up to r8 in a ring of r4's 8 bytes at r2; the guard looks at one of them. */
  const guarding = (what: number) => [
    toy("li", 5, 0, 77),
    toy("addi", 3, 3, 2),
    toy("load", 4, 2, 0),
    toy("li", 5, 0, 78),
    // A constant that was overwritten unread, one that an exit in between delays, and one that comes later.
    toy("li", 6, 0, 1),
    toy("load", 7, 2, 8),
    toy("li", 6, 0, 2),
    toy("guard", 9, 4, what),
    toy("li", 6, 0, 3),
    toy("addi", 10, 10, 1),
    toy("add", 2, 2, 7),
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 8, -12),
    toy("halt"),
  ];
  /** A ring of `length` places of 16 bytes: a condition each, and how far the next one is. */
  const ring = ({ engine }: ToyMachine, conditions: readonly number[]): void => {
    for (const [i, condition] of conditions.entries()) {
      const w = (ARENA + 0x2000 + 16 * i) >> 2;
      engine.words[w] = condition;
      // Only the low word is asked.
      engine.words[w + 1] = i;
      const step = i === conditions.length - 1 ? -16 * i : 16;
      engine.words[w + 2] = step;
      engine.words[w + 3] = step >> 31;
    }
  };
  const ROUNDS = 1200;
  const CONDITIONS = [0, 0, 0, 5, 0, 0, -1, 0, 0, 0, 1 << 31, 0];
  const CALLS = (ROUNDS / CONDITIONS.length) * 3;
  const start = (what: number): Pair => {
    const pair = new Pair(guarding(what), { 2: 0x2000n, 8: BigInt(ROUNDS) });
    pair.both((subject) => ring(subject, CONDITIONS));
    return pair;
  };
  /** Every call saw what the instructions before it had set, and nothing of what comes after. */
  const expectSeen = (pair: Pair): void => {
    expect(pair.cold.cpu.guarded).toHaveLength(CALLS);
    for (const [i, found] of pair.cold.cpu.guarded.entries()) {
      const round = Math.floor(i / 3) * 12 + ([3, 6, 10][i % 3] as number);
      expect([found[1], found[3], found[5], found[6]]).toEqual([
        BigInt(round),
        2n * BigInt(round + 1),
        78n,
        2n,
      ]);
      expect(found[10]).toBe(BigInt(round));
    }
  };

  test.each([1777, 61, 7])("completes its instruction, slices of %d", (budget) => {
    const pair = start(ToyGuard.complete);
    pair.finish(budget);
    expectSeen(pair);
    // r9 counts the rounds without a call; each call adds it to r14.
    let [sum, quiet] = [0, 0];
    for (let i = 0; i < ROUNDS; i++) {
      if (CONDITIONS[i % 12] === 0) quiet++;
      else sum += quiet;
    }
    expect(pair.registers(9, 14, 6, 10, 12)).toEqual([BigInt(quiet), BigInt(sum), 3n, BigInt(ROUNDS), 0n]);
    expect(pair.cold.core.instructions()).toBe(13 * ROUNDS + 1);
  });

  test.each([1777, 61, 7])("traps, slices of %d", (budget) => {
    const pair = start(ToyGuard.trap);
    pair.finish(budget);
    expectSeen(pair);
    expect(pair.registers(9, 12, 10)).toEqual([BigInt(ROUNDS - CALLS), BigInt(CALLS), BigInt(ROUNDS)]);
    expect(pair.cold.core.instructions()).toBe(13 * ROUNDS + 1 + 3 * CALLS);
    expect(pair.cold.core.traps).toBe(CALLS);
  });

  test.each([1777, 7])("lets its instruction go on, slices of %d", (budget) => {
    const pair = start(ToyGuard.next);
    pair.finish(budget);
    expectSeen(pair);
    expect(pair.registers(9, 10)).toEqual([BigInt(ROUNDS), BigInt(ROUNDS)]);
  });

  test("ends the run", () => {
    const pair = start(ToyGuard.exit);
    let exits = 0;
    while (pair.run(1777) !== "exit" || pair.cold.core.exit !== "halt")
      if (pair.cold.core.exit === "guard") exits++;
    expect(exits).toBe(CALLS);
    expectSeen(pair);
    expect(pair.cold.core.instructions()).toBe(13 * ROUNDS + 1);
  });

  test("single steps see the same", () => {
    const pair = start(ToyGuard.complete);
    pair.both(({ core }) => {
      core.onInstruction = () => {};
    });
    while (pair.run(997) !== "exit");
    expectSeen(pair);
  });

  test("as the first instruction of a region's entry, and as the last of a block", () => {
    const code = [
      toy("guard", 9, 4, ToyGuard.complete),
      toy("addi", 1, 1, 1),
      // r4 is 1 in every fourth round: r1 & 3 by a table.
      toy("loadb", 4, 2, 0),
      toy("xchg", 2, 3, 2),
      toy("load", 2, 3, 0),
      toy("bltu", 1, 8, -5),
      toy("halt"),
    ];
    const pair = new Pair(code, { 2: 0x3000n, 3: 0x3100n, 8: 800n });
    pair.both(({ engine }) => {
      engine.bytes.set([1], ARENA + 0x3000);
      engine.words[(ARENA + 0x3100) >> 2] = 0x3000;
    });
    pair.finish(333);
    // The first round's condition is 0, all others' 1.
    expect(pair.registers(9, 14)).toEqual([1n, 799n]);
  });

  test("stands before whatever its instruction writes", () => {
    const block = (build: (b: IrBuilder) => void) => {
      const b = new IrBuilder();
      b.instruction(0);
      build(b);
      return b.finish(4);
    };
    const field = toyRegisters[1] as never;
    const call = (b: IrBuilder) => b.callIf(b.i32.const(1), 3, 0, b.get(field));
    const first = block((b) => {
      call(b);
      b.set(field, b.i64.const(1));
      b.jump(4);
    });
    expect(() => verify(first)).not.toThrow();
    for (const write of [
      (b: IrBuilder) => b.set(field, b.get(toyRegisters[2] as never)),
      (b: IrBuilder) => b.store(8, b.get(field), b.get(field)),
      (b: IrBuilder) => b.selectContext(b.i32.const(1)),
      (b: IrBuilder) => b.set(toyRegisters[3] as never, b.rmw("add", 8, b.get(field), b.get(field))),
    ]) {
      const late = block((b) => {
        write(b);
        call(b);
        b.jump(4);
      });
      expect(() => verify(late)).toThrow("its instruction has written something already");
    }
    // What an earlier instruction wrote does not count.
    const b = new IrBuilder();
    b.instruction(0);
    b.set(field, b.i64.const(1));
    b.instruction(4);
    call(b);
    b.jump(8);
    expect(() => verify(b.finish(8))).not.toThrow();
  });

  test("its operands have types", () => {
    const b = new IrBuilder();
    b.instruction(0);
    b.callIf(b.i64.const(1), 3, 0, b.i64.const(1));
    b.jump(4);
    expect(() => verify(b.finish(4))).toThrow("operand 0 is i64, not i32");
  });
});

describe("an end that asks whether something waits", () => {
  const LOOP = [
    toy("addi", 1, 1, 1),
    toy("guard", 9, 4, ToyGuard.wait),
    toy("poll"),
    toy("addi", 10, 10, 1),
    toy("load", 4, 2, 0),
    toy("bltu", 1, 8, -5),
    toy("halt"),
  ];
  const AFTER = START + 12;

  test.each([1777, 61, 7])("goes on by itself while nothing does, slices of %d", (budget) => {
    const pair = new Pair(LOOP, { 2: 0x2000n, 8: 3000n });
    pair.finish(budget);
    expect(pair.registers(1, 9, 10, 11)).toEqual([3000n, 3000n, 3000n, 0n]);
    // Without a dispatch in each round.
    if (budget === 1777) expect(pair.hot.core.dispatches).toBeLessThan(200);
  });

  test.each([1777, 61, 7])(
    "goes by way of the dispatcher for what came up in the block, slices of %d",
    (budget) => {
      const pair = new Pair(LOOP, { 2: 0x2000n, 4: 1n, 8: 1500n });
      pair.both(({ engine }) => {
        engine.words[(ARENA + 0x2000) >> 2] = 1;
      });
      pair.finish(budget);
      // An interrupt in each round, taken right behind the poll, or before it where a slice began there.
      expect(pair.registers(1, 9, 10, 11)).toEqual([1500n, 1500n, 1500n, 1500n]);
      const behind = pair.cold.cpu.interrupts.filter((pc) => pc === AFTER).length;
      const before = pair.cold.cpu.interrupts.filter((pc) => pc === AFTER - 4).length;
      expect([behind + before, behind > 1200]).toEqual([1500, true]);
    },
  );

  test("finds what comes up only now and then", () => {
    const pair = new Pair(LOOP, { 2: 0x2000n, 8: 4000n });
    for (let slice = 0; pair.run(300 + (slice % 7)) !== "exit"; slice++)
      pair.both(({ engine }) => {
        engine.words[(ARENA + 0x2000) >> 2] = slice % 3 === 0 ? 1 : 0;
      });
    const raised = pair.cold.cpu.guarded.length;
    expect(raised).toBeGreaterThan(1000);
    expect(pair.registers(11)).toEqual([BigInt(raised)]);
  });

  test("sees the attention that a helper asked for", () => {
    const pair = new Pair(LOOP, { 2: 0x2000n, 4: 1n, 8: 1500n });
    pair.both((subject) => {
      const { core, cpu } = subject;
      const { helper } = cpu;
      let calls = 0;
      cpu.helper = function (...args) {
        const status = helper.apply(this, args);
        // Not what waits, only the word that says so.
        core.set(toyWaiting, 0, 0);
        if (++calls % 5 === 0) core.stop();
        return status;
      };
      subject.engine.words[(ARENA + 0x2000) >> 2] = 1;
    });
    let stops = 0;
    for (let end = ""; end !== "exit"; ) {
      end = pair.run(100_000);
      if (end !== "stopped") continue;
      stops++;
      expect(pair.cold.core.pcLo()).toBe(AFTER);
      expect(register(pair.cold, 1)).toBe(BigInt(5 * stops));
    }
    expect(stops).toBe(300);
  });

  test("at the end of a page", () => {
    const at = 0x1ff4;
    const pair = new Pair([toy("jumpReg", 0, 5)], { 2: 0x3000n, 5: BigInt(at), 8: 2000n });
    pair.both(({ engine }) => {
      engine.words.set(
        [
          toy("addi", 1, 1, 1),
          toy("guard", 9, 4, ToyGuard.wait),
          toy("poll"),
          toy("addi", 10, 10, 1),
          toy("loadb", 4, 2, 0),
          toy("add", 2, 2, 3),
          toy("bltu", 1, 8, -6),
          toy("halt"),
        ],
        (ARENA + at) >> 2,
      );
      engine.bytes.fill(1, ARENA + 0x3000 + 100, ARENA + 0x3000 + 150);
    });
    pair.both(({ core }) => core.setBig(toyRegisters[3] as never, 1n));
    pair.finish(1777);
    expect(pair.registers(10, 11)).toEqual([2000n, 50n]);
    expect(pair.cold.cpu.interrupts).toEqual(new Array(50).fill(0x2000));
  });
});

describe("two data contexts", () => {
  /** In context 1 the two pages at r2 are exchanged. Loads and stores of one base in each, in the same block. */
  const LOOP = [
    toy("select", 0, 1),
    toy("load", 3, 2, 0),
    toy("load", 4, 2, 8),
    toy("addi", 3, 3, 1),
    toy("store", 3, 2, 0),
    toy("addi", 1, 1, 1),
    toy("select", 0, 1),
    toy("load", 5, 2, 0),
    toy("load", 6, 2, 8),
    toy("add", 7, 7, 4),
    toy("add", 9, 9, 6),
    toy("addi", 5, 5, 2),
    toy("store", 5, 2, 0),
    toy("bltu", 1, 8, -13),
    toy("halt"),
  ];
  const ROUNDS = 2000;
  const start = (): Pair => {
    const pair = new Pair(LOOP, { 2: 0x2ff0n, 8: BigInt(ROUNDS) });
    pair.both(({ engine }) => {
      engine.words[(ARENA + 0x2ff8) >> 2] = 3;
      engine.words[(ARENA + 0x3ff8) >> 2] = 1000;
    });
    return pair;
  };
  const expectSums = (pair: Pair): void => {
    const half = ROUNDS / 2;
    const word = (address: number) => pair.cold.engine.words[(ARENA + address) >> 2];
    expect([word(0x2ff0), word(0x3ff0)]).toEqual([3 * half, 3 * half]);
    expect(pair.registers(7, 9)).toEqual([BigInt(1003 * half), BigInt(1003 * half)]);
  };

  test.each([1777, 100, 13])("keep their translations apart, slices of %d", (budget) => {
    const pair = start();
    pair.finish(budget);
    expectSums(pair);
    const { fills } = pair.hot.core.tlb;
    expect(fills).toBeLessThan(20);
  });

  test("are dropped with what was found under them, and stay selected", () => {
    const pair = start();
    const drops: ((core: Core) => void)[] = [
      (core) => core.dropContexts(),
      (core) => core.dropContexts((key) => key === 10),
      (core) => core.dropContexts((key) => key === 11),
      (core) => core.dropContextRange(10, 1),
      (core) => core.dropContextRange(11, 1),
      (core) => core.dropContextRange(8, 8),
      (core) => core.dropPage(0x2000, 0),
    ];
    let n = 0;
    pair.both(({ core }) => expect(core.run(0)).toBe("budget"));
    while (pair.run(211) !== "exit") {
      const drop = drops[n++ % drops.length] as (core: Core) => void;
      pair.both(({ core }) => drop(core));
    }
    expectSums(pair);
  });

  test("outlive the numbers that they are given", () => {
    const pair = start();
    let key = 100;
    while (pair.run(501) !== "exit") {
      // Some hundred address spaces come and go: 4094 numbers do not last.
      key += 300;
      pair.both(({ core }) => {
        const selected = core.lo(toySelected);
        for (let k = 0; k < 300; k++) core.setDataContexts([2 * (key + k), 2 * (key + k) + 1], 1);
        core.setDataContexts([10, 11], selected);
      });
    }
    expectSums(pair);
  });

  test("that are one and the same", () => {
    const pair = new Pair(LOOP, { 2: 0x5000n, 8: 600n });
    pair.both(({ core, cpu }) => {
      core.setDataContext(20);
      cpu.translate = (_access, lo, _hi, _size, out) => {
        out.physical = lo >>> 0;
        out.readable = out.writable = out.cacheable = true;
        out.pageShift = 12;
        return 0;
      };
    });
    pair.finish(777);
    expect(pair.cold.engine.words[(ARENA + 0x5000) >> 2]).toBe(1800);
  });
});

describe("four data contexts", () => {
  /** In context k the page at r2 is the kth behind 0x4000. r3 counts the rounds of each. */
  const LOOP = [
    toy("select", 0, 1, 3),
    toy("load", 3, 2, 0),
    toy("addi", 3, 3, 1),
    toy("store", 3, 2, 0),
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 8, -5),
    toy("halt"),
  ];
  const ROUNDS = 2000;
  const KEYS = [10, 11, 12, 13];
  const start = (walker?: PageWalker): Pair => {
    const pair = new Pair(LOOP, { 2: 0x4000n, 8: BigInt(ROUNDS) }, walker);
    pair.both(({ core }) => core.setDataContexts(KEYS, 0));
    return pair;
  };
  const expectCounts = (pair: Pair): void => {
    const words = [0x4000, 0x5000, 0x6000, 0x7000].map((at) => pair.cold.engine.words[(ARENA + at) >> 2]);
    expect(words).toEqual(new Array(4).fill(ROUNDS / 4));
  };

  test.each([1777, 13])("keep their translations apart, slices of %d", (budget) => {
    const pair = start();
    pair.finish(budget);
    expectCounts(pair);
    expect(pair.hot.core.tlb.fills).toBeLessThan(20);
  });

  test("are dropped each alone, and outlive their numbers", () => {
    const pair = start();
    for (let slice = 0; pair.run(97) !== "exit"; slice++)
      pair.both(({ core }) => {
        const key = KEYS[slice % 4] as number;
        const selected = core.lo(toySelected);
        if (slice % 3 === 0) core.dropContexts((k) => k === key);
        else for (let k = 0; k < 300; k++) core.setDataContexts([1000 + k + 300 * slice, 2, 3, key], 3);
        core.setDataContexts(KEYS, selected);
      });
    expectCounts(pair);
  });

  test("are told to a page walker", () => {
    const pair = start(selectingWalker);
    pair.finish(1777);
    expectCounts(pair);
    expect(pair.hot.core.statistics().walks).toBeGreaterThanOrEqual(4);
    expect(pair.hot.core.statistics().slowAccesses).toBe(0);
  });
});
