import type { Field } from "@hypercraft/engine";
import { Comparators } from "@hypercraft/hypercraft";
import { EL2, TIMER } from "./fields.js";
import type { ArmPe } from "./pe.js";

const TWO_32 = 0x1_0000_0000;
const ENABLE = 1;
const IMASK = 2;
const ISTATUS = 4;

export type TimerName = "physical" | "virtual" | "hyp";
const NAMES: readonly TimerName[] = ["physical", "virtual", "hyp"];

/**
 * The generic timer (Arm ARM, "The Generic Timer in AArch64 state"): the physical count, the virtual one behind
 * CNTVOFF_EL2, and the timers CNTP, CNTV and CNTHP. Comparators are looked at when time is, and at the deadlines
 * that the run loop is told.
 */
export class Timers {
  /** The count of the last `sample`, or what a read gave. */
  lo = 0;
  hi = 0;
  readonly comparators: Comparators;
  /** Where the outputs lead: the interrupt controller's PPIs. */
  onChange: ((which: TimerName, level: boolean) => void) | undefined;
  readonly frequency: number;
  private readonly pe: ArmPe;
  private readonly levels: Record<TimerName, boolean> = { physical: false, virtual: false, hyp: false };

  constructor(pe: ArmPe, hz: number) {
    this.pe = pe;
    this.frequency = hz;
    this.comparators = new Comparators(hz);
  }

  /** Take the physical count into `lo`, `hi`; gives nanoseconds. */
  sample(): number {
    const ns = this.pe.clock.now(this.pe.pendingInstructions);
    const { comparators } = this;
    comparators.sample(ns);
    this.lo = (comparators.now % TWO_32) | 0;
    this.hi = Math.floor(comparators.now / TWO_32) | 0;
    return ns;
  }

  /** `sample`, and timers that are due fire; for reads by the guest. */
  sampleAndUpdate(): void {
    if (this.sample() >= this.comparators.deadline) {
      this.update();
      this.sample();
    }
  }

  /** When the physical count reaches a value. */
  nanoseconds(count: number): number {
    return this.comparators.timebase.nanoseconds(count);
  }

  /** CNTVCT_EL0 instead of CNTPCT_EL0, after a `sample`. */
  subtractOffset(): void {
    const { core } = this.pe;
    const low = (this.lo >>> 0) - (core.lo(EL2.cntvoff) >>> 0);
    this.lo = low | 0;
    this.hi = (this.hi - core.hi(EL2.cntvoff) - (low < 0 ? 1 : 0)) | 0;
  }

  /** The count of a timer into `lo`, `hi`. */
  private count(which: TimerName): void {
    this.sample();
    if (which === "virtual") this.subtractOffset();
  }

  // --- Registers -----------------------------------------------------------------------------

  /** CTL with ISTATUS. */
  readControl(which: TimerName): number {
    const control = this.pe.core.lo(TIMER[which].ctl) & (ENABLE | IMASK);
    if ((control & ENABLE) === 0) return control;
    return control | (this.due(which) ? ISTATUS : 0);
  }

  writeControl(which: TimerName, value: number): void {
    this.pe.core.set(TIMER[which].ctl, value & (ENABLE | IMASK), 0);
    this.update();
  }

  writeCompare(which: TimerName, lo: number, hi: number): void {
    this.pe.core.set(TIMER[which].cval, lo, hi);
    this.update();
  }

  /** TVAL: the distance to CVAL, 32 bits. */
  readValue(which: TimerName): number {
    this.count(which);
    return (this.pe.core.lo(TIMER[which].cval) - this.lo) | 0;
  }

  writeValue(which: TimerName, value: number): void {
    this.count(which);
    const low = (this.lo >>> 0) + (value >>> 0);
    const carry = low >= TWO_32 ? 1 : 0;
    this.writeCompare(which, low | 0, (this.hi + (value >> 31) + carry) | 0);
  }

  // --- Comparing -----------------------------------------------------------------------------

  /** Compare again: a register was written, or time has passed. */
  update(): void {
    const { core } = this.pe;
    const { comparators } = this;
    comparators.begin(this.sample());
    for (const which of NAMES) {
      const control = core.lo(TIMER[which].ctl);
      const due = (control & ENABLE) !== 0 && this.due(which);
      this.drive(which, due && (control & IMASK) === 0);
    }
    if (comparators.end()) core.requestDispatch();
  }

  /** All outputs anew, after the state was replaced. */
  restored(): void {
    for (const which of NAMES) this.levels[which] = false;
    for (const which of NAMES) this.onChange?.(which, false);
    this.update();
  }

  private drive(which: TimerName, level: boolean): void {
    if (this.levels[which] === level) return;
    this.levels[which] = level;
    this.onChange?.(which, level);
  }

  /** Has the count reached CVAL? If not, and the timer may interrupt, that is when it is looked at again. */
  private due(which: TimerName): boolean {
    const { core } = this.pe;
    const cval: Field = TIMER[which].cval;
    this.count(which);
    const awaited = (core.lo(TIMER[which].ctl) & (ENABLE | IMASK)) === ENABLE;
    return this.comparators.reached(this.lo, this.hi, core.lo(cval), core.hi(cval), awaited);
  }
}
