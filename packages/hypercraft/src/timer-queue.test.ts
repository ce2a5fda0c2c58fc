import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { DeadlineQueue } from "./timer-queue.js";

describe("DeadlineQueue", () => {
  it("runs what is due, by deadline, then by order of scheduling", () => {
    const queue = new DeadlineQueue();
    const ran: string[] = [];
    queue.schedule(20, () => void ran.push("b1"));
    queue.schedule(10, () => void ran.push("a"));
    queue.schedule(20, () => void ran.push("b2"));
    queue.schedule(30, () => void ran.push("c"));
    expect(queue.nextDeadline()).toBe(10);
    expect(queue.runDue(9)).toBeUndefined();
    expect(ran).toEqual([]);
    queue.runDue(20);
    expect(ran).toEqual(["a", "b1", "b2"]);
    expect(queue.nextDeadline()).toBe(30);
  });

  it("is empty at infinity", () => {
    expect(new DeadlineQueue().nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it("forgets what is cancelled, also twice, also after it ran", () => {
    const queue = new DeadlineQueue();
    const callback = vi.fn();
    const handle = queue.schedule(5, callback);
    handle.cancel();
    handle.cancel();
    expect(queue.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    const second = queue.schedule(6, callback);
    queue.runDue(6);
    second.cancel();
    expect(callback).toHaveBeenCalledTimes(1);
  });

  it("runs what a callback schedules for now, and keeps what it schedules for later", () => {
    const queue = new DeadlineQueue();
    const ran: string[] = [];
    queue.schedule(5, () => {
      ran.push("first");
      queue.schedule(5, () => void ran.push("now"));
      queue.schedule(6, () => void ran.push("later"));
    });
    queue.runDue(5);
    expect(ran).toEqual(["first", "now"]);
    expect(queue.nextDeadline()).toBe(6);
  });

  it("stops at a callback that gives a promise", async () => {
    const queue = new DeadlineQueue();
    const ran: string[] = [];
    queue.schedule(1, async () => {
      await Promise.resolve();
      ran.push("held");
    });
    queue.schedule(2, () => void ran.push("after"));
    const promise = queue.runDue(9);
    expect(promise).toBeInstanceOf(Promise);
    expect(ran).toEqual([]);
    await promise;
    expect(queue.runDue(9)).toBeUndefined();
    expect(ran).toEqual(["held", "after"]);
  });

  it("tells when a new deadline is the earliest", () => {
    const queue = new DeadlineQueue();
    const onEarlier = vi.fn();
    queue.onEarlier = onEarlier;
    queue.schedule(10, () => {});
    queue.schedule(20, () => {});
    expect(onEarlier).toHaveBeenCalledTimes(1);
    queue.schedule(5, () => {});
    expect(onEarlier).toHaveBeenCalledTimes(2);
  });

  it("refuses a deadline that is not a number", () => {
    expect(() => new DeadlineQueue().schedule(Number.NaN, () => {})).toThrow(
      expect.objectContaining({ code: "InvalidParam" }),
    );
  });

  it("agrees with a sorted list, whatever is scheduled and cancelled", () => {
    const step = fc.oneof(
      fc.record({ schedule: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ cancel: fc.nat(200) }),
      fc.record({ run: fc.integer({ min: 0, max: 50 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const queue = new DeadlineQueue();
        const ran: number[] = [];
        let model: { id: number; deadline: number }[] = [];
        const expected: number[] = [];
        const handles: { cancel(): void }[] = [];
        for (const each of steps) {
          if ("schedule" in each) {
            const id = handles.length;
            handles.push(queue.schedule(each.schedule, () => void ran.push(id)));
            model.push({ id, deadline: each.schedule });
          } else if ("cancel" in each) {
            handles[each.cancel]?.cancel();
            model = model.filter(({ id }) => id !== each.cancel);
          } else {
            queue.runDue(each.run);
            const due = model.filter(({ deadline }) => deadline <= each.run);
            expected.push(...due.sort((a, b) => a.deadline - b.deadline || a.id - b.id).map(({ id }) => id));
            model = model.filter(({ deadline }) => deadline > each.run);
          }
          const next = Math.min(Number.POSITIVE_INFINITY, ...model.map(({ deadline }) => deadline));
          expect(queue.nextDeadline()).toBe(next);
        }
        expect(ran).toEqual(expected);
      }),
    );
  });

  it("does not keep cancelled far deadlines", () => {
    const queue = new DeadlineQueue();
    let alive = 0;
    const registry = { callbacks: 0 };
    for (let i = 0; i < 100_000; i++) queue.schedule(1e15, () => void registry.callbacks++).cancel();
    for (let i = 0; i < 10; i++) queue.schedule(i, () => void alive++);
    const started = performance.now();
    for (let i = 0; i < 1000; i++) queue.nextDeadline();
    queue.runDue(1e16);
    expect([alive, registry.callbacks]).toEqual([10, 0]);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
