import type { TimerHandle, TimerQueue } from "./timer-queue.js";

/** One alarm that a device or a CPU sets, moves and takes back. */
export class DeadlineTimer {
  readonly #timers: TimerQueue | undefined;
  readonly #expire: () => void;
  #deadline = Number.POSITIVE_INFINITY;
  #handle: TimerHandle | undefined;

  /** Without a queue it never expires. */
  constructor(timers: TimerQueue | undefined, expire: () => void) {
    this.#timers = timers;
    this.#expire = expire;
  }

  /** Is it set to expire at some time? */
  get armed(): boolean {
    return Number.isFinite(this.#deadline);
  }

  /** Expire at a machine time in ns, and not when it was set to before. */
  arm(deadline: number): void {
    this.cancel();
    this.#deadline = deadline;
    this.#handle = this.#timers?.schedule(deadline, () => {
      this.cancel();
      this.#expire();
    });
  }

  cancel(): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#handle?.cancel();
    this.#handle = undefined;
  }

  /** The deadline as states keep it; null when it is not armed, as JSON has no `Infinity`. */
  state(): number | null {
    return this.armed ? this.#deadline : null;
  }

  /** The deadline of a saved state: null or Infinity is none. */
  restore(deadline: number | null): void {
    if (deadline !== null && Number.isFinite(deadline)) this.arm(deadline);
    else this.cancel();
  }
}
