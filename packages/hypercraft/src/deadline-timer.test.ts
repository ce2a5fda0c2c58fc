import { expect, it } from "vitest";
import { InstructionClock } from "./clock.js";
import { DeadlineTimer } from "./deadline-timer.js";
import { DeadlineQueue } from "./timer-queue.js";

function rig() {
  const clock = new InstructionClock(1, 1);
  const timers = new DeadlineQueue();
  const runTo = (ns: number) => {
    while (timers.nextDeadline() <= ns) {
      clock.advanceTo(timers.nextDeadline());
      timers.runDue(clock.now());
    }
  };
  return { clock, timers, runTo };
}

function timer() {
  const { clock, timers, runTo } = rig();
  const expired: number[] = [];
  return { runTo, expired, it: new DeadlineTimer(timers, () => expired.push(clock.now())) };
}

it("expires once, where it was set last", () => {
  const { runTo, expired, it } = timer();
  it.arm(100);
  it.arm(200);
  expect(it.armed).toBe(true);
  runTo(1000);
  expect(expired).toEqual([200]);
  expect(it.armed).toBe(false);
});

it("does not expire when it was cancelled", () => {
  const { runTo, expired, it } = timer();
  it.arm(100);
  it.cancel();
  expect(it.state()).toBeNull();
  runTo(1000);
  expect(expired).toEqual([]);
});

it("may be set again by what it calls", () => {
  const { clock, timers, runTo } = rig();
  const again: DeadlineTimer = new DeadlineTimer(timers, () => again.arm(clock.now() + 100));
  again.arm(100);
  runTo(350);
  expect(again.state()).toBe(400);
});

it("goes on after a restore", () => {
  const [before, after] = [timer(), timer()];
  before.it.arm(300);
  after.it.arm(100);
  after.it.restore(before.it.state());
  after.runTo(1000);
  expect(after.expired).toEqual([300]);
  before.it.restore(null);
  expect(before.it.armed).toBe(false);
});
