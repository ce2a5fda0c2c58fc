import { describe, expect, it } from "vitest";
import { type Clock, InstructionClock } from "./clock.js";
import { type HostEventLoop, hostEventLoop, Waker } from "./event-loop.js";
import { runTogether, type Schedulable, type TurnLimits, type TurnOutcome } from "./scheduler.js";

const code = (name: string) => expect.objectContaining({ code: name });
const RAN: TurnOutcome = { kind: "ran" };
const HALTED: TurnOutcome = { kind: "ended", result: { kind: "halted" } };
const idle = (deadline = Number.POSITIVE_INFINITY): TurnOutcome => ({ kind: "idle", deadline });

/** Gives written-down outcomes, then ends. */
class Script implements Schedulable {
  readonly name: string;
  readonly clock: Clock;
  readonly times: number[] = [];
  readonly limits: TurnLimits[] = [];
  onWake: (() => void) | undefined;
  readonly #steps: (TurnOutcome | (() => TurnOutcome))[];

  constructor(name: string, clock: Clock, ...steps: (TurnOutcome | (() => TurnOutcome))[]) {
    this.name = name;
    this.clock = clock;
    this.#steps = steps;
  }

  turn(limits: TurnLimits): TurnOutcome {
    this.times.push(this.clock.now());
    this.limits.push(limits);
    const step = this.#steps.shift() ?? HALTED;
    return typeof step === "function" ? step() : step;
  }
}

/** Sleeps only in the log, moving a wall clock along. */
function fakeTime() {
  let nowNs = 0;
  const sleeps: number[] = [];
  let yields = 0;
  const eventLoop: HostEventLoop = {
    yield: async () => void yields++,
    sleep(milliseconds) {
      sleeps.push(milliseconds);
      nowNs += milliseconds * 1e6;
      return { done: Promise.resolve(), cancel: () => {} };
    },
  };
  return { clock: { now: () => nowNs } as Clock, sleeps, eventLoop, yields: () => yields };
}

describe("runTogether", () => {
  it("gives a member that takes short slices more of them, unless told how long slices are", async () => {
    const { clock, eventLoop } = fakeTime();
    const turnsTaken = async (slice?: number) => {
      const order: string[] = [];
      const member = (name: string, turns: number, turnsInPass?: number) => {
        const step = (): TurnOutcome => {
          order.push(name);
          return RAN;
        };
        const script = new Script(name, clock, ...Array.from({ length: turns }, () => step));
        return turnsInPass === undefined ? script : Object.assign(script, { turnsInPass });
      };
      const members = [member("a", 6, 3), member("b", 2)];
      await runTogether(members, { eventLoop, ...(slice === undefined ? {} : { slice }) });
      return order.join("");
    };
    expect(await turnsTaken()).toBe("aaabaaab");
    expect(await turnsTaken(20)).toBe("ababaaaa");
  });

  it("gives no more to a member whose turn was long already", async () => {
    const { clock, eventLoop } = fakeTime();
    const order: string[] = [];
    const member = (name: string, outcome: TurnOutcome) => {
      const step = (): TurnOutcome => {
        order.push(name);
        return outcome;
      };
      return Object.assign(new Script(name, clock, step, step), { turnsInPass: 2 });
    };
    await runTogether([member("a", { kind: "ran", long: true }), member("b", RAN)], { eventLoop });
    expect(order.join("")).toBe("abba");
  });

  it("takes turns in order and yields after each pass", async () => {
    const { clock, eventLoop, yields, sleeps } = fakeTime();
    const order: string[] = [];
    const member = (name: string, turns: number) =>
      new Script(
        name,
        clock,
        ...Array.from({ length: turns }, () => () => {
          order.push(name);
          return RAN;
        }),
      );
    const members = [member("a", 3), member("b", 1), member("c", 2)];
    const results = await runTogether(members, { eventLoop });
    expect(order).toEqual(["a", "b", "c", "a", "c", "a"]);
    expect([...results.keys()].map(({ name }) => name)).toEqual(["b", "c", "a"]);
    expect([...results.values()].every(({ kind }) => kind === "halted")).toBe(true);
    expect([yields(), sleeps]).toEqual([4, []]);
  });

  it("sleeps until the earliest deadline when all are idle, in whole milliseconds", async () => {
    const { clock, eventLoop, sleeps } = fakeTime();
    const a = new Script("a", clock, idle(5_000_001), idle(70_000_000));
    const b = new Script("b", clock, idle(), idle(9_000_000));
    await runTogether([a, b], { eventLoop });
    expect(sleeps).toEqual([6, 3]);
    expect(a.times).toEqual([0, 6_000_000, 9_000_000]);
  });

  it("does not sleep while one of them runs", async () => {
    const { clock, eventLoop, sleeps } = fakeTime();
    const members = [new Script("a", clock, idle(1e9), idle(1e9)), new Script("b", clock, RAN, RAN)];
    await runTogether(members, { eventLoop });
    expect(sleeps).toEqual([]);
  });

  it("lets a virtual clock jump to the next deadline of its members, without sleeping", async () => {
    const { eventLoop, sleeps } = fakeTime();
    const clock = new InstructionClock();
    const a = new Script("a", clock, idle(5_000_000_000), idle(7e9));
    const b = new Script("b", clock, idle(3_000_000_000), idle());
    await runTogether([a, b], { eventLoop });
    expect(a.times).toEqual([0, 3e9, 7e9]);
    expect(sleeps).toEqual([]);
  });

  it("holds a virtual clock while one of its members runs or is held, and jumps others", async () => {
    const { eventLoop } = fakeTime();
    const [shared, own] = [new InstructionClock(), new InstructionClock()];
    const runs = new Script("runs", shared, RAN, { kind: "held", until: Promise.resolve() }, RAN);
    const waits = new Script("waits", shared, idle(100), idle(100), idle(100));
    const alone = new Script("alone", own, idle(500), idle(600), idle(700));
    await runTogether([runs, waits, alone], { eventLoop });
    expect(waits.times).toEqual([0, 0, 0, 0]);
    expect(alone.times).toEqual([0, 500, 600, 700]);
  });

  it("sleeps without end, but in pieces, when nothing is ahead", async () => {
    const { clock, eventLoop, sleeps } = fakeTime();
    await runTogether([new Script("a", clock, idle(), idle())], { eventLoop });
    expect(sleeps).toEqual([60_000, 60_000]);
  });

  it("stops as idle when told to", async () => {
    const { clock, eventLoop, sleeps } = fakeTime();
    const a = new Script("a", clock, RAN, idle(), idle());
    const virtual = new Script("v", new InstructionClock(), idle());
    const results = await runTogether([a, virtual], { eventLoop, onIdle: "stop" });
    expect(results.get(a)).toEqual({ kind: "idle" });
    expect(results.get(virtual)?.kind).toBe("halted");
    expect(sleeps).toEqual([]);
  });

  it("looks again when something woke a member while it was found idle", async () => {
    const { clock, eventLoop, sleeps } = fakeTime();
    const a: Script = new Script("a", clock, () => {
      a.onWake?.();
      return idle();
    });
    expect((await runTogether([a], { eventLoop, onIdle: "stop" })).get(a)?.kind).toBe("halted");
    const b: Script = new Script("b", clock, () => {
      b.onWake?.();
      return idle();
    });
    const never: HostEventLoop = {
      ...eventLoop,
      sleep: () => ({ done: new Promise(() => {}), cancel: () => {} }),
    };
    expect((await runTogether([b], { eventLoop: never })).get(b)?.kind).toBe("halted");
    expect(sleeps).toEqual([]);
  });

  it("is woken from a real sleep by a member or by an abort", async () => {
    const clock: Clock = { now: () => 0 };
    const a = new Script("a", clock, idle());
    const run = runTogether([a]);
    setTimeout(() => a.onWake?.(), 2);
    expect((await run).get(a)?.kind).toBe("halted");

    const controller = new AbortController();
    const b = new Script("b", clock, idle(), idle());
    const aborted = runTogether([b], { signal: controller.signal });
    setTimeout(() => controller.abort(), 2);
    expect((await aborted).get(b)).toEqual({ kind: "stopped" });
  });

  it("does nothing after an abort that came before", async () => {
    const a = new Script("a", { now: () => 0 }, RAN);
    const results = await runTogether([a], { signal: AbortSignal.abort() });
    expect([results.get(a)?.kind, a.times.length]).toEqual(["stopped", 0]);
  });

  it("waits for what holds a member, and can be aborted meanwhile", async () => {
    const { clock, eventLoop } = fakeTime();
    const hold = Promise.withResolvers<void>();
    const a = new Script("a", clock, { kind: "held", until: hold.promise });
    let done = false;
    const run = runTogether([a], { eventLoop }).finally(() => {
      done = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(done).toBe(false);
    hold.resolve();
    expect((await run).get(a)?.kind).toBe("halted");

    const controller = new AbortController();
    const b = new Script("b", clock, { kind: "held", until: new Promise(() => {}) });
    const aborted = runTogether([b], { eventLoop, signal: controller.signal });
    controller.abort();
    expect((await aborted).get(b)?.kind).toBe("stopped");
  });

  it("passes the limits on, separately to each", async () => {
    const { clock, eventLoop } = fakeTime();
    const [a, b] = [new Script("a", clock), new Script("b", clock)];
    await runTogether([a, b], { eventLoop, slice: 7, maxInstructions: 100 });
    expect(a.limits).toEqual([{ slice: 7, instructionsLeft: 100 }]);
    expect(a.limits[0]).not.toBe(b.limits[0]);
  });

  it("refuses limits that are none, and a member that is being run", async () => {
    const a = new Script("a", { now: () => 0 }, RAN);
    await expect(runTogether([a], { slice: 0 })).rejects.toThrow(code("InvalidParam"));
    await expect(runTogether([a], { maxInstructions: 1.5 })).rejects.toThrow(code("InvalidParam"));
    const run = runTogether([a]);
    await expect(runTogether([a])).rejects.toThrow(code("BadState"));
    await run;
    expect(a.onWake).toBeUndefined();
    await runTogether([a]);
  });

  it("cleans up when a member throws", async () => {
    const a = new Script("a", { now: () => 0 }, () => {
      throw new Error("bug");
    });
    await expect(runTogether([a])).rejects.toThrow("bug");
    expect(a.onWake).toBeUndefined();
  });
});

describe("hostEventLoop", () => {
  it("lets ready callbacks run at each yield", async () => {
    let ran = false;
    setTimeout(() => {
      ran = true;
    }, 0);
    const until = performance.now() + 1000;
    while (!ran && performance.now() < until) await hostEventLoop.yield();
    expect(ran).toBe(true);
  });

  it("yields through messages where there is no setImmediate", async () => {
    const { setImmediate } = globalThis as unknown as { setImmediate: unknown };
    Object.assign(globalThis, { setImmediate: undefined });
    try {
      const order: string[] = [];
      const yielded = hostEventLoop.yield().then(() => order.push("yield"));
      await Promise.resolve().then(() => order.push("microtask"));
      await yielded;
      expect(order).toEqual(["microtask", "yield"]);
    } finally {
      Object.assign(globalThis, { setImmediate });
    }
  });

  it("sleeps for its time, or until cancelled", async () => {
    const started = performance.now();
    await hostEventLoop.sleep(20).done;
    expect(performance.now() - started).toBeGreaterThan(15);
    const long = hostEventLoop.sleep(100_000);
    setTimeout(() => long.cancel(), 1);
    await long.done;
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe("Waker", () => {
  it("remembers a signal until it is cleared", async () => {
    const waker = new Waker();
    expect(waker.signalled).toBe(false);
    waker.signal();
    await waker.wait();
    expect(waker.signalled).toBe(true);
    waker.clear();
    expect(waker.signalled).toBe(false);
    const waiting = waker.wait();
    waker.signal();
    await waiting;
  });
});
