import { Comparators } from "@hypercraft/hypercraft";
import type { RiscvHart } from "./hart.js";
import { H, M, S, VS } from "./state.js";
import { ENVCFG } from "./status-bits.js";

const TWO_32 = 0x1_0000_0000;

/**
 * Time and the Sstc timers. `time` counts ticks of the timebase since the machine started, plus an offset
 * that whoever owns mtime may set. stimecmp and vstimecmp are compared when time is looked at, and at the
 * deadlines that the run loop is told.
 */
export class Timers {
  /** `time` as of the last `sample`, guest offset not included. */
  lo = 0;
  hi = 0;
  /** stimecmp drives mip.STIP: Sstc is there and menvcfg.STCE is set. */
  supervisorOn = false;
  supervisorPending = false;
  /** vstimecmp has reached time + htimedelta (and henvcfg.STCE is set). */
  guestPending = false;
  readonly comparators: Comparators;
  private readonly hart: RiscvHart;
  private offsetLo = 0;
  private offsetHi = 0;

  constructor(hart: RiscvHart, timebaseHz: number) {
    this.hart = hart;
    this.comparators = new Comparators(timebaseHz);
  }

  /** Take the clock's time into `lo`, `hi`; gives nanoseconds. */
  sample(): number {
    const ns = this.hart.clock.now(this.hart.pendingInstructions);
    this.comparators.sample(ns);
    const ticks = this.comparators.now;
    const low = (ticks % TWO_32) + (this.offsetLo >>> 0);
    this.lo = low | 0;
    this.hi = (Math.floor(ticks / TWO_32) + this.offsetHi + (low >= TWO_32 ? 1 : 0)) | 0;
    return ns;
  }

  /** `sample`, and interrupts that are due become pending; for reads of `time` by the guest. */
  sampleAndUpdate(): void {
    if (this.sample() >= this.comparators.deadline) this.update();
  }

  /** The value that mtime has beyond the ticks of the clock. */
  setOffset(lo: number, hi: number): void {
    this.offsetLo = lo;
    this.offsetHi = hi;
    this.update();
  }

  /** Make mtime read `lo`, `hi` now. */
  setTime(lo: number, hi: number): void {
    this.sample();
    const { now } = this.comparators;
    const low = (lo >>> 0) - (now % TWO_32);
    this.setOffset(low | 0, (hi - Math.floor(now / TWO_32) - (low < 0 ? 1 : 0)) | 0);
  }

  /** Compare again, from scratch: a comparator, an offset or an enable was written, or time has passed. */
  update(): void {
    const { core, features, interrupts } = this.hart;
    const { comparators } = this;
    comparators.begin(this.sample());
    const on = features.sstc && (core.hi(M.envcfg) & ENVCFG.STCE_HI) !== 0;
    const changed = on !== this.supervisorOn;
    this.supervisorOn = on;
    const supervisor = on && comparators.reached(this.lo, this.hi, core.lo(S.timecmp), core.hi(S.timecmp));
    const guestOn = on && features.h && (core.hi(H.envcfg) & ENVCFG.STCE_HI) !== 0;
    const guest = guestOn && this.compareGuest();
    if (comparators.end()) core.requestDispatch();
    if (!changed && supervisor === this.supervisorPending && guest === this.guestPending) return;
    this.supervisorPending = supervisor;
    this.guestPending = guest;
    interrupts.refresh();
  }

  /** Time as the guest sees it, into `lo`, `hi` (after a `sample`). */
  addGuestOffset(): void {
    const { core } = this.hart;
    const low = (this.lo >>> 0) + (core.lo(H.timedelta) >>> 0);
    this.lo = low | 0;
    this.hi = (this.hi + core.hi(H.timedelta) + (low >= TWO_32 ? 1 : 0)) | 0;
  }

  private compareGuest(): boolean {
    const { core } = this.hart;
    const { lo, hi } = this;
    this.addGuestOffset();
    const due = this.comparators.reached(this.lo, this.hi, core.lo(VS.timecmp), core.hi(VS.timecmp));
    this.lo = lo;
    this.hi = hi;
    return due;
  }
}
