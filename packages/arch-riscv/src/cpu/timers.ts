import { Timebase } from "@hypercraft/hypercraft";
import type { RiscvHart } from "./hart.js";
import { H, M, S, VS } from "./state.js";
import { ENVCFG } from "./status-bits.js";

const TWO_32 = 0x1_0000_0000;

/**
 * Time and the Sstc timers. `time` counts ticks of the timebase since the machine started, plus an offset
 * that whoever owns mtime may set. stimecmp and vstimecmp are compared when time is looked at, and at the
 * deadlines that `nextDeadline` tells.
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
  /** The deadline is nearer than what the run loop was last told: it has to ask again. */
  moved = false;
  private readonly hart: RiscvHart;
  private readonly timebase: Timebase;
  private offsetLo = 0;
  private offsetHi = 0;
  private deadline = Number.POSITIVE_INFINITY;
  private told = Number.POSITIVE_INFINITY;
  /** Ticks of the clock at the last `sample`: what `lo`, `hi` are without the offset. */
  private now = 0;

  constructor(hart: RiscvHart, timebaseHz: number) {
    this.hart = hart;
    this.timebase = new Timebase(timebaseHz);
  }

  /** Take the clock's time into `lo`, `hi`; gives nanoseconds. */
  sample(): number {
    const ns = this.hart.clock.now(this.hart.pendingInstructions);
    const ticks = this.timebase.ticks(ns);
    this.now = ticks;
    const low = (ticks % TWO_32) + (this.offsetLo >>> 0);
    this.lo = low | 0;
    this.hi = (Math.floor(ticks / TWO_32) + this.offsetHi + (low >= TWO_32 ? 1 : 0)) | 0;
    return ns;
  }

  /** `sample`, and interrupts that are due become pending; for reads of `time` by the guest. */
  sampleAndUpdate(): void {
    if (this.sample() >= this.deadline) this.update();
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
    const low = (lo >>> 0) - (this.now % TWO_32);
    this.setOffset(low | 0, (hi - Math.floor(this.now / TWO_32) - (low < 0 ? 1 : 0)) | 0);
  }

  /** Nanoseconds at which a timer interrupt becomes pending; Infinity if none will by itself. */
  tellDeadline(): number {
    this.told = this.deadline;
    this.moved = false;
    return this.deadline;
  }

  /** Compare again, from scratch: a comparator, an offset or an enable was written, or time has passed. */
  update(): void {
    const { core, features, interrupts } = this.hart;
    // What was told and is over bounds the run loop no more.
    if (this.sample() >= this.told) this.told = Number.POSITIVE_INFINITY;
    const on = features.sstc && (core.hi(M.envcfg) & ENVCFG.STCE_HI) !== 0;
    const changed = on !== this.supervisorOn;
    this.supervisorOn = on;
    this.deadline = Number.POSITIVE_INFINITY;
    const supervisor = on && this.compare(this.lo, this.hi, core.lo(S.timecmp), core.hi(S.timecmp));
    const guestOn = on && features.h && (core.hi(H.envcfg) & ENVCFG.STCE_HI) !== 0;
    const guest = guestOn && this.compareGuest();
    this.moved = this.deadline < this.told;
    if (this.moved) core.requestDispatch();
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
    const lo = this.lo;
    const hi = this.hi;
    this.addGuestOffset();
    const due = this.compare(this.lo, this.hi, core.lo(VS.timecmp), core.hi(VS.timecmp));
    this.lo = lo;
    this.hi = hi;
    return due;
  }

  /** Is time >= cmp (unsigned)? If not, `deadline` is brought forward to when it will be. */
  private compare(timeLo: number, timeHi: number, cmpLo: number, cmpHi: number): boolean {
    const high = (cmpHi >>> 0) - (timeHi >>> 0);
    const left = high * TWO_32 + ((cmpLo >>> 0) - (timeLo >>> 0));
    if (high < 0 || left <= 0) return true;
    this.deadline = Math.min(this.deadline, this.timebase.nanoseconds(this.now + left));
    return false;
  }
}
