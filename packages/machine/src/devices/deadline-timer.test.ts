import { expect, it } from "vitest";
import { StateReader } from "../state-reader.js";
import { DeadlineTimer } from "./deadline-timer.js";
import { Rig } from "./testing/rig.js";

function timer() {
  const rig = new Rig();
  const expired: number[] = [];
  return { rig, expired, it: new DeadlineTimer(rig.timers, () => expired.push(rig.clock.now())) };
}

it("expires once, where it was set last", async () => {
  const { rig, expired, it } = timer();
  it.arm(100);
  it.arm(200);
  expect(it.armed).toBe(true);
  await rig.runTo(1000);
  expect(expired).toEqual([200]);
  expect(it.armed).toBe(false);
});

it("does not expire when it was cancelled", async () => {
  const { rig, expired, it } = timer();
  it.arm(100);
  it.cancel();
  expect(it.state()).toBeNull();
  await rig.runTo(1000);
  expect(expired).toEqual([]);
});

it("may be set again by what it calls", async () => {
  const rig = new Rig();
  const again: DeadlineTimer = new DeadlineTimer(rig.timers, () => again.arm(rig.clock.now() + 100));
  again.arm(100);
  await rig.runTo(350);
  expect(again.state()).toBe(400);
});

it("goes on after a restore", async () => {
  const [before, after] = [timer(), timer()];
  before.it.arm(300);
  const saved = { version: 1, at: before.it.state(), never: null };
  const reader = new StateReader("test", saved, 1);
  after.it.arm(100);
  after.it.restore(reader, "at");
  await after.rig.runTo(1000);
  expect(after.expired).toEqual([300]);
  before.it.restore(reader, "never");
  expect(before.it.armed).toBe(false);
});
