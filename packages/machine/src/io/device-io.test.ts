import { DeadlineQueue } from "@hypercraft/hypercraft";
import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../time/clock.js";
import { RealTimeIo, VirtualTimeIo } from "./device-io.js";

/** A promise that the test settles. */
function deferred() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise, resolve, reject };
}

describe("RealTimeIo", () => {
  it("finishes synchronous work at once, errors included", () => {
    const io = new RealTimeIo({ timers: new DeadlineQueue() });
    const results: unknown[] = [];
    io.submit({ work() {}, done: (error) => results.push(error) });
    io.submit({
      work() {
        throw new Error("no disk");
      },
      done: (error) => results.push((error as Error).message),
    });
    expect(results).toEqual([undefined, "no disk"]);
  });

  it("takes late results in between slices, and wakes the loop for them", async () => {
    const timers = new DeadlineQueue();
    let woken = 0;
    timers.onEarlier = () => woken++;
    const io = new RealTimeIo({ timers });
    const [a, b] = [deferred(), deferred()];
    const results: string[] = [];
    io.submit({ work: () => a.promise, done: (error) => results.push(`a ${String(error)}`) });
    io.submit({ work: () => b.promise, done: (error) => results.push(`b ${String(error)}`) });
    b.reject("broken");
    await Promise.resolve();
    await b.promise.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve));
    expect([results, woken, timers.nextDeadline(), io.underWay]).toEqual([[], 1, 0, 2]);
    timers.runDue(5);
    expect([results, io.underWay]).toEqual([["b broken"], 1]);
    a.resolve();
    await io.quiesce();
    expect([results, io.underWay]).toEqual([["b broken", "a undefined"], 0]);
    // The timer that comes after quiesce finds nothing.
    timers.runDue(5);
    expect(results).toHaveLength(2);
  });

  it("does not report a cancelled job", async () => {
    const io = new RealTimeIo({ timers: new DeadlineQueue() });
    const a = deferred();
    let done = false;
    const ticket = io.submit({
      work: () => a.promise,
      done: () => {
        done = true;
      },
    });
    ticket.cancel();
    a.resolve();
    await io.quiesce();
    expect(done).toBe(false);
  });
});

describe("VirtualTimeIo", () => {
  function virtual() {
    const clock = new DeterministicClock(1, 1);
    const timers = new DeadlineQueue();
    return { clock, timers, io: new VirtualTimeIo({ clock, timers, latencyNs: 100 }) };
  }

  it("completes at fixed times, in order of submission, and begins work only then", () => {
    const { clock, timers, io } = virtual();
    const log: string[] = [];
    const job = (name: string) => ({
      work: () => void log.push(`${name} begins`),
      done: () => void log.push(`${name} done`),
    });
    expect(io.submit(job("a")).due).toBe(100);
    clock.retire(30);
    expect(io.submit(job("b")).due).toBe(130);
    expect(timers.nextDeadline()).toBe(100);
    timers.runDue(99);
    expect(log).toEqual([]);
    timers.runDue(130);
    expect(log).toEqual(["a begins", "a done", "b begins", "b done"]);
  });

  it("holds virtual time while the host is not done", async () => {
    const { timers, io } = virtual();
    const a = deferred();
    const log: string[] = [];
    io.submit({ work: () => a.promise, done: (error) => log.push(`a ${String(error)}`) });
    io.submit({ work() {}, done: () => log.push("b") });
    const held = timers.runDue(1000);
    expect(held).toBeInstanceOf(Promise);
    expect(log).toEqual([]);
    a.reject(new Error("gone"));
    await held;
    timers.runDue(1000);
    expect(log).toEqual(["a Error: gone", "b"]);
  });

  it("never lets a later job overtake a restored one", () => {
    const { io } = virtual();
    const job = { work() {}, done() {} };
    expect(io.submit(job, 5000).due).toBe(5000);
    expect(io.submit(job).due).toBe(5000);
  });

  it("does not begin a cancelled job", () => {
    const { timers, io } = virtual();
    let begun = false;
    io.submit({
      work: () => {
        begun = true;
      },
      done() {},
    }).cancel();
    timers.runDue(1000);
    expect(begun).toBe(false);
  });
});
