import { MDCR } from "./control-bits.js";
import { EL2 } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { system } from "./state.js";

/** Event counters; PMCR_EL0.N. The cycle counter is the 32nd. */
export const EVENT_COUNTERS = 6;
export const CYCLE_COUNTER = 31;
/** Bits of the counters there are, in the registers that have one for each. */
const ALL_COUNTERS = (1 << CYCLE_COUNTER) | ((1 << EVENT_COUNTERS) - 1);

export const PMCR = { E: 1 << 0, P: 1 << 1, C: 1 << 2, D: 1 << 3, N_SHIFT: 11 } as const;
/** Common events, those that PMCEID0_EL0 names. */
export const EVENT = { swIncr: 0x00, instRetired: 0x08, cpuCycles: 0x11, chain: 0x1e } as const;

export const PMU = {
  control: system("PMCR_EL0"),
  enabled: system("PMCNTEN"),
  overflowed: system("PMOVS"),
  interrupting: system("PMINTEN"),
  cycles: system("PMCCNTR_EL0"),
  /** Cycles below 64, where PMCR_EL0.D divides by it. */
  remainder: system("pmuRemainder"),
  cycleFilter: system("PMCCFILTR_EL0"),
} as const;
export const eventCounters = Array.from({ length: EVENT_COUNTERS }, (_, n) => ({
  value: system(`PMEVCNTR${n}_EL0`),
  type: system(`PMEVTYPER${n}_EL0`),
}));

const TWO_32 = 0x1_0000_0000;
const DIVIDER = 64;
/** Filters: do not count at EL1, at EL0; count at EL2. */
const NOT_EL1 = 1 << 31;
const NOT_EL0 = 1 << 30;
const AT_EL2 = 1 << 27;
const EVENT_MASK = 0x3ff;
/** Where the clock does not know when how many instructions will have been executed, overflows are looked for so often. */
const LOOK_NS = 1_000_000;

/**
 * The performance monitors (Arm ARM, "The Performance Monitors Extension"), PMUv3. A cycle is an instruction: the PE
 * executes one in each, and has none while it waits. Counters are brought up to date when somebody looks, or when what
 * they count changes.
 */
export class Pmu {
  /** Where the interrupt leads: a PPI. */
  onChange: ((level: boolean) => void) | undefined;
  /** The run loop has to ask for the deadline again. */
  moved = false;
  private running = false;
  private level = false;
  /** `core.instructions()` when the counters were brought up to date. */
  private base = 0;
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  /** Counters that belong to EL2 begin with this one. */
  get firstOfEl2(): number {
    return Math.min(this.pe.core.lo(EL2.mdcr) & MDCR.HPMN, EVENT_COUNTERS);
  }

  /** The counters that the present level may see: those of EL2 are not EL1's. */
  get visible(): number {
    if (this.pe.el === 2) return ALL_COUNTERS;
    return (1 << CYCLE_COUNTER) | ((1 << this.firstOfEl2) - 1);
  }

  // --- Counting ------------------------------------------------------------------------------

  /** Bring the counters up to date. Before the exception level changes, too. */
  sync(): void {
    if (!this.running) return;
    const now = this.pe.core.instructions();
    const delta = now - this.base;
    if (delta <= 0) return;
    this.base = now;
    this.count(delta);
  }

  /** The current instruction changes the level, and belongs to the one it leaves. */
  retire(): void {
    if (!this.running) return;
    this.sync();
    this.base++;
    this.count(1);
  }

  /** The current instruction is trapped: it is not retired. */
  trapped(): void {
    if (!this.running) return;
    this.sync();
    this.base++;
  }

  private count(delta: number): void {
    const { core } = this.pe;
    const counting = this.counting();
    if (counting < 0) this.countCycles(delta);
    for (let n = 0; n < EVENT_COUNTERS; n++) {
      if ((counting & (1 << n)) === 0) continue;
      const event = core.lo(eventCounters[n]!.type) & EVENT_MASK;
      if (event === EVENT.instRetired || event === EVENT.cpuCycles) this.add(n, delta);
    }
  }

  /** Counters that count at the present level. */
  private counting(): number {
    const { core } = this.pe;
    const enabled = core.lo(PMU.enabled) & this.groups();
    let counting = 0;
    for (let n = 0; n < EVENT_COUNTERS; n++) {
      const bit = 1 << n;
      if ((enabled & bit) !== 0 && this.passes(core.lo(eventCounters[n]!.type))) counting |= bit;
    }
    return enabled < 0 && this.passes(core.lo(PMU.cycleFilter)) ? counting | (1 << CYCLE_COUNTER) : counting;
  }

  /** Counters whose group is on: PMCR_EL0.E, and MDCR_EL2.HPME for those of EL2. */
  private groups(): number {
    const { core } = this.pe;
    const own = (1 << CYCLE_COUNTER) | ((1 << this.firstOfEl2) - 1);
    let on = (core.lo(PMU.control) & PMCR.E) !== 0 ? own : 0;
    if ((core.lo(EL2.mdcr) & MDCR.HPME) !== 0) on |= ALL_COUNTERS & ~own;
    return on;
  }

  private passes(filter: number): boolean {
    const { el } = this.pe;
    if (el === 2) return (filter & AT_EL2) !== 0;
    return (filter & (el === 1 ? NOT_EL1 : NOT_EL0)) === 0;
  }

  private countCycles(delta: number): void {
    const { core } = this.pe;
    let cycles = delta;
    if ((core.lo(PMU.control) & PMCR.D) !== 0) {
      const all = core.lo(PMU.remainder) + delta;
      core.set(PMU.remainder, all % DIVIDER, 0);
      cycles = Math.floor(all / DIVIDER);
    }
    const low = (core.lo(PMU.cycles) >>> 0) + cycles;
    const high = (core.hi(PMU.cycles) >>> 0) + Math.floor(low / TWO_32);
    core.set(PMU.cycles, low | 0, high | 0);
    // PMCR_EL0.LC is fixed: the counter has 64 bits.
    if (high >= TWO_32) this.overflow(1 << CYCLE_COUNTER);
  }

  /** Add to an event counter of 32 bits; an odd one may count the overflows of the one before. */
  private add(n: number, events: number): void {
    const { core } = this.pe;
    const { value } = eventCounters[n]!;
    const sum = (core.lo(value) >>> 0) + events;
    core.set(value, sum | 0, 0);
    const overflows = Math.floor(sum / TWO_32);
    if (overflows === 0) return;
    this.overflow(1 << n);
    const next = eventCounters[n + 1];
    if (n % 2 !== 0 || next === undefined || (core.lo(next.type) & EVENT_MASK) !== EVENT.chain) return;
    if ((this.counting() & (2 << n)) !== 0) this.add(n + 1, overflows);
  }

  private overflow(bit: number): void {
    const { core } = this.pe;
    core.set(PMU.overflowed, core.lo(PMU.overflowed) | bit, 0);
  }

  /** PMSWINC_EL0: counters that count software's increments get one. */
  increment(counters: number): void {
    this.sync();
    const { core } = this.pe;
    const counting = this.counting() & counters;
    for (let n = 0; n < EVENT_COUNTERS; n++) {
      const event = core.lo(eventCounters[n]!.type) & EVENT_MASK;
      if ((counting & (1 << n)) !== 0 && event === EVENT.swIncr) this.add(n, 1);
    }
    this.drive();
  }

  // --- Interrupt -----------------------------------------------------------------------------

  /** A register was written, after `sync`. */
  changed(): void {
    const { core } = this.pe;
    const running = (core.lo(PMU.enabled) & this.groups()) !== 0;
    if (running && !this.running) this.base = core.instructions();
    this.running = running;
    this.drive();
    if (this.awaited === 0) return;
    this.moved = true;
    core.requestDispatch();
  }

  /** Time has passed. */
  update(): void {
    if (!this.running) return;
    this.sync();
    this.drive();
  }

  private drive(): void {
    const { core } = this.pe;
    const level = (core.lo(PMU.overflowed) & core.lo(PMU.interrupting) & this.groups()) !== 0;
    if (level === this.level) return;
    this.level = level;
    this.onChange?.(level);
  }

  /** Counters that run, have not overflowed and would interrupt. */
  private get awaited(): number {
    const { core } = this.pe;
    const quiet = core.lo(PMU.interrupting) & ~core.lo(PMU.overflowed);
    return core.lo(PMU.enabled) & this.groups() & quiet;
  }

  /** Nanoseconds before which no counter interrupts; Infinity if none will. */
  tellDeadline(): number {
    this.moved = false;
    if (!this.running) return Number.POSITIVE_INFINITY;
    const { awaited, pe } = this;
    if (awaited === 0) return Number.POSITIVE_INFINITY;
    this.sync();
    const left = this.leastLeft(awaited);
    if (left === Number.POSITIVE_INFINITY) return left;
    const now = pe.clock.now(pe.pendingInstructions);
    const then = pe.clock.now(pe.pendingInstructions + left);
    return then > now ? then : now + LOOK_NS;
  }

  /** Instructions before the first of some counters can overflow. */
  private leastLeft(counters: number): number {
    const { core } = this.pe;
    let least = Number.POSITIVE_INFINITY;
    for (let n = 0; n < EVENT_COUNTERS; n++) {
      if ((counters & (1 << n)) === 0) continue;
      const { value, type } = eventCounters[n]!;
      let left = TWO_32 - (core.lo(value) >>> 0);
      const event = core.lo(type) & EVENT_MASK;
      // A pair overflows with its lower half.
      const lower = n > 0 ? eventCounters[n - 1] : undefined;
      if (event === EVENT.chain && lower !== undefined) left = TWO_32 - (core.lo(lower.value) >>> 0);
      if (event !== EVENT.swIncr) least = Math.min(least, left);
    }
    const cycles = (TWO_32 - (core.hi(PMU.cycles) >>> 0)) * TWO_32 - (core.lo(PMU.cycles) >>> 0);
    // Farther away than a machine lives, unless software put it near.
    return counters < 0 && cycles < Number.MAX_SAFE_INTEGER ? Math.min(least, cycles) : least;
  }

  /** The state's fields were replaced. */
  restored(): void {
    this.level = false;
    this.onChange?.(false);
    this.running = false;
    this.changed();
  }
}
