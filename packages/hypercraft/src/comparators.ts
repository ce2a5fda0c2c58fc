import { Timebase } from "./timebase.js";

const TWO_32 = 0x1_0000_0000;

/**
 * The comparators of a CPU's timers against one counter: which are due, when the next one will be, and whether the run
 * loop, which sleeps and cuts slices by that, has been told. 64-bit values are pairs of halves, int32.
 */
export class Comparators {
  readonly timebase: Timebase;
  /** Ticks of the counter, as of the last `sample`. */
  now = 0;
  /** Nanoseconds at which the next comparator is due, Infinity if none will be by itself. */
  deadline = Number.POSITIVE_INFINITY;
  /** The deadline is nearer than what the run loop was last told: it has to ask again. */
  moved = false;
  private told = Number.POSITIVE_INFINITY;

  constructor(hz: number) {
    this.timebase = new Timebase(hz);
  }

  /** It is `ns` now. */
  sample(ns: number): void {
    this.now = this.timebase.ticks(ns);
  }

  /** The deadline, to the run loop. */
  tell(): number {
    this.told = this.deadline;
    this.moved = false;
    return this.deadline;
  }

  /** Compare all anew, by calls of `reached` before `end`, at the time of the last `sample`. */
  begin(ns: number): void {
    // What was told and is over bounds the run loop no more.
    if (ns >= this.told) this.told = Number.POSITIVE_INFINITY;
    this.deadline = Number.POSITIVE_INFINITY;
  }

  /**
   * Is a count that goes with the counter, or is a fixed distance from it, at a comparator's value (unsigned)? If it is
   * not, and the comparator is `awaited`, the deadline is brought forward to when it will be.
   */
  reached(countLo: number, countHi: number, valueLo: number, valueHi: number, awaited = true): boolean {
    const high = (valueHi >>> 0) - (countHi >>> 0);
    const left = high * TWO_32 + ((valueLo >>> 0) - (countLo >>> 0));
    if (high < 0 || left <= 0) return true;
    if (awaited) this.deadline = Math.min(this.deadline, this.timebase.nanoseconds(this.now + left));
    return false;
  }

  /** Is the run loop to ask again? */
  end(): boolean {
    this.moved = this.deadline < this.told;
    return this.moved;
  }
}
