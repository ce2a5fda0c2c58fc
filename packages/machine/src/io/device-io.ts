import type { Clock, TimerHandle, TimerQueue } from "../contracts.js";

/** Work of a back end, and what a device does when it is over. */
export interface IoJob {
  /** Does the work on the host's side. It must not touch guest memory or device state. */
  work(): void | Promise<void>;
  /** Takes the result into the machine. `error` is what `work` threw or was rejected with. */
  done(error: unknown): void;
}

/** An accepted job. */
export interface IoTicket {
  /** Machine time in ns at which it completes; undefined where nobody knows. */
  readonly due: number | undefined;
  /** Forgets the job: `done` is not called, and `work` neither if it has not begun. */
  cancel(): void;
}

/**
 * How the results of back ends come back to a machine: `done` is called between slices, or within `submit`.
 */
export interface DeviceIo {
  /** @param due of a job that was saved in a snapshot: it completes at that time. */
  submit(job: IoJob, due?: number): IoTicket;
}

/**
 * For machines in real time. Work begins at once. What is done at once is done within `submit`; other results
 * come in by a timer that is due at once, so that the run loop wakes up and takes them between slices.
 */
export class RealTimeIo implements DeviceIo {
  readonly #timers: TimerQueue;
  #underWay = 0;
  #finished: (() => void)[] = [];
  #waiting: (() => void)[] = [];

  constructor(options: { readonly timers: TimerQueue }) {
    this.#timers = options.timers;
  }

  submit(job: IoJob): IoTicket {
    let cancelled = false;
    const finish = (error: unknown) => {
      if (!cancelled) job.done(error);
    };
    const answer = begin(job);
    if (answer instanceof Promise) {
      this.#underWay++;
      answer.then((error) => this.#finish(() => finish(error)));
    } else {
      finish(answer);
    }
    return {
      due: undefined,
      cancel() {
        cancelled = true;
      },
    };
  }

  /** Jobs whose result has not been taken in. */
  get underWay(): number {
    return this.#underWay + this.#finished.length;
  }

  /** Waits until nothing is under way, taking results in meanwhile: then devices can be saved. */
  async quiesce(): Promise<void> {
    while (this.underWay > 0) {
      this.#deliver();
      if (this.#underWay > 0 && this.#finished.length === 0) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    }
  }

  #finish(finish: () => void): void {
    this.#underWay--;
    if (this.#finished.push(finish) === 1) this.#timers.schedule(0, () => this.#deliver());
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #deliver(): void {
    for (const finish of this.#finished.splice(0)) finish();
  }
}

/**
 * For deterministic machines. A job completes at a fixed virtual time after its submission, in the order of
 * submission, however long the host takes. Work begins only when that time has come, and time stands still
 * until it is over; so a snapshot finds jobs either complete or not begun.
 */
export class VirtualTimeIo implements DeviceIo {
  readonly #clock: Clock;
  readonly #timers: TimerQueue;
  readonly #latency: number;
  #lastDue = 0;

  /** @param latencyNs virtual time that every job takes, at least 1 ns. Default 100 us. */
  constructor(options: { readonly clock: Clock; readonly timers: TimerQueue; readonly latencyNs?: number }) {
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#latency = Math.max(1, options.latencyNs ?? 100_000);
  }

  submit(job: IoJob, due = Math.max(this.#lastDue, this.#clock.now() + this.#latency)): IoTicket {
    this.#lastDue = Math.max(this.#lastDue, due);
    let cancelled = false;
    const finish = (error: unknown) => {
      if (!cancelled) job.done(error);
    };
    const timer: TimerHandle = this.#timers.schedule(due, () => {
      const answer = begin(job);
      // The queue holds virtual time until the promise settles.
      return answer instanceof Promise ? answer.then(finish) : finish(answer);
    });
    return {
      due,
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }
}

/** Starts the work. The result, now or later, is its error, or undefined when it succeeded. */
function begin(job: IoJob): unknown | Promise<unknown> {
  const failure = (error: unknown) => error ?? new Error("the back end failed");
  try {
    const answer = job.work();
    return answer instanceof Promise ? answer.then(() => undefined, failure) : undefined;
  } catch (error) {
    return failure(error);
  }
}
