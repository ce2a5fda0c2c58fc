/** Whole ticks of a counter of a fixed frequency, against nanoseconds: exact for 2^53 ns (104 days). */
export class Timebase {
  readonly hz: number;

  constructor(hz: number) {
    this.hz = hz;
  }

  /** Whole ticks in a time. */
  ticks(ns: number): number {
    const { hz } = this;
    if (1e9 % hz === 0) return Math.floor(ns / (1e9 / hz));
    const seconds = Math.floor(ns / 1e9);
    return seconds * hz + Math.floor(((ns - seconds * 1e9) * hz) / 1e9);
  }

  /** The earliest nanosecond at which `ticks` have passed; Infinity beyond 2^53 ns. */
  nanoseconds(ticks: number): number {
    const { hz } = this;
    const seconds = Math.floor(ticks / hz);
    let ns = seconds * 1e9 + Math.ceil((ticks - seconds * hz) * (1e9 / hz));
    if (ns >= Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
    // The product is rounded; the answer is not.
    while (this.ticks(ns) < ticks) ns++;
    while (this.ticks(ns - 1) >= ticks) ns--;
    return ns;
  }
}
