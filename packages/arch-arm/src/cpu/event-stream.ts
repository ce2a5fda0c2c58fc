import { EVENT_STREAM } from "./control-bits.js";
import { EL1, EL2 } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { system } from "./state.js";

const TWO_32 = 0x1_0000_0000;
/** The physical count up to which events were looked for. */
const seen = system("eventStreamSeen");

/**
 * The generic timer's event streams: events at the transitions of one of the low 16 bits of a counter, CNTVCT for
 * CNTKCTL_EL1 and CNTPCT for CNTHCTL_EL2. Nobody counts them: a PE that asks is told whether there was one since.
 */
export class EventStream {
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  /** What happened until now is forgotten. */
  restart(): void {
    const { core, timers } = this.pe;
    timers.sample();
    core.set(seen, timers.lo, timers.hi);
  }

  /** Was there an event since the stream was last taken from? */
  get due(): boolean {
    const { core, timers } = this.pe;
    const distance = this.distance();
    if (distance === Number.POSITIVE_INFINITY) return false;
    timers.sample();
    return count(timers.lo, timers.hi) - count(core.lo(seen), core.hi(seen)) >= distance;
  }

  /** Nanoseconds of the next event, Infinity if there is none. */
  get deadline(): number {
    const { core, timers } = this.pe;
    const distance = this.distance();
    if (distance === Number.POSITIVE_INFINITY) return distance;
    return timers.nanoseconds(count(core.lo(seen), core.hi(seen)) + distance);
  }

  /** Counts from `seen` to the first event behind it. */
  private distance(): number {
    const { core } = this.pe;
    const kernel = core.lo(EL1.cntkctl);
    const hypervisor = core.lo(EL2.cnthctl);
    if (((kernel | hypervisor) & EVENT_STREAM.EVNTEN) === 0) return Number.POSITIVE_INFINITY;
    const physical = core.lo(seen);
    return Math.min(distance(kernel, physical - core.lo(EL2.cntvoff)), distance(hypervisor, physical));
  }
}

const count = (lo: number, hi: number): number => (hi >>> 0) * TWO_32 + (lo >>> 0);

/** Counts from a counter's value to the next transition that a control register selects. */
function distance(control: number, from: number): number {
  if ((control & EVENT_STREAM.EVNTEN) === 0) return Number.POSITIVE_INFINITY;
  const bit = (control >>> EVENT_STREAM.EVNTI_SHIFT) & 15;
  const period = 2 << bit;
  // A bit rises when it and all below it become 1 and 0s, and falls when all become 0.
  const target = (control & EVENT_STREAM.EVNTDIR) === 0 ? 1 << bit : 0;
  return (target - from) & (period - 1) || period;
}
