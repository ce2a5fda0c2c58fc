import { HyperError } from "./error.js";

/** One scheduled callback. */
export interface TimerHandle {
  /** Takes the callback back; harmless when it has run or was cancelled. */
  cancel(): void;
}

/**
 * What devices schedule on. Callbacks run between slices, at a virtual time at or after their deadline.
 * A callback that returns a promise holds virtual time where it is until the promise settles: so a disk can
 * complete at a fixed virtual time however long the host takes.
 */
export interface TimerQueue {
  /** Calls `callback` once, as soon as the clock has reached `deadlineNs`. */
  schedule(deadlineNs: number, callback: () => void | Promise<void>): TimerHandle;
  /** The earliest deadline in ns, Infinity if there is none. */
  nextDeadline(): number;
}

interface Entry {
  deadline: number;
  order: number;
  callback: (() => void | Promise<void>) | undefined;
}

function before(a: Entry, b: Entry): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}

/** A binary heap of deadlines; equal ones run in the order in which they were scheduled. */
export class DeadlineQueue implements TimerQueue {
  #heap: Entry[] = [];
  #order = 0;
  #cancelled = 0;

  /** Called when a new deadline is earlier than all others: a sleeping loop must wake up and look again. */
  onEarlier: (() => void) | undefined;

  /** Throws InvalidParam for NaN. */
  schedule(deadlineNs: number, callback: () => void | Promise<void>): TimerHandle {
    if (Number.isNaN(deadlineNs)) throw new HyperError("InvalidParam", "a timer's deadline is not a number");
    const earliest = this.nextDeadline();
    const entry: Entry = { deadline: deadlineNs, order: this.#order++, callback };
    this.#heap.push(entry);
    this.#siftUp(this.#heap.length - 1);
    if (deadlineNs < earliest) this.onEarlier?.();
    return { cancel: () => this.#cancel(entry) };
  }

  nextDeadline(): number {
    while (this.#heap.length > 0 && this.#heap[0]!.callback === undefined) {
      this.#pop();
      this.#cancelled -= 1;
    }
    return this.#heap[0]?.deadline ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Runs what is due at `nowNs`, in order. What a callback schedules for `nowNs` or before runs too. Stops at a
   * callback that returns a promise and hands the promise out: call again when it has settled.
   */
  runDue(nowNs: number): Promise<void> | undefined {
    while (this.nextDeadline() <= nowNs) {
      const entry = this.#pop();
      const callback = entry.callback!;
      entry.callback = undefined;
      const held = callback();
      if (held !== undefined) return held;
    }
    return undefined;
  }

  // A cancelled entry stays in the heap until it comes up, or until such entries are the majority.
  #cancel(entry: Entry): void {
    if (entry.callback === undefined) return;
    entry.callback = undefined;
    this.#cancelled += 1;
    if (this.#cancelled < 64 || this.#cancelled * 2 < this.#heap.length) return;
    const live = this.#heap.filter((other) => other.callback !== undefined);
    // A sorted array is a heap.
    this.#heap = live.sort((a, b) => (before(a, b) ? -1 : 1));
    this.#cancelled = 0;
  }

  #pop(): Entry {
    const top = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#siftDown();
    }
    return top;
  }

  #siftUp(start: number): void {
    const heap = this.#heap;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(heap[index]!, heap[parent]!)) return;
      [heap[index], heap[parent]] = [heap[parent]!, heap[index]!];
      index = parent;
    }
  }

  #siftDown(): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child;
      }
      if (least === index) return;
      [heap[index], heap[least]] = [heap[least]!, heap[index]!];
      index = least;
    }
  }
}
