import { DeadlineTimer, Timebase } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import { StateReader, u64Text } from "../state-reader.js";
import type { Device } from "./device.js";

// IA-PC HPET specification 1.0a: a counter of 64 bits and three comparators, without FSB (MSI) delivery.

const STATE_VERSION = 1;
/** Size in bytes of the registers. */
export const HPET_SIZE = 0x400;
export const HPET_HZ = 100_000_000;
const FEMTOSECONDS = 1e15;
const TIMERS = 3;

const CAPABILITIES = 0x00;
const CONFIGURATION = 0x10;
const STATUS = 0x20;
const COUNTER = 0xf0;
const FIRST_TIMER = 0x100;
const TIMER_STRIDE = 0x20;
const COMPARATOR = 8;

/** Intel, legacy replacement, 64 bits, three timers, revision 1. */
const CAPABILITY_BITS = 0x8086_0000 | (1 << 15) | (1 << 13) | ((TIMERS - 1) << 8) | 1;
const GENERAL = { enable: 1, legacy: 2 } as const;
const TIMER = {
  level: 1 << 1,
  enable: 1 << 2,
  periodic: 1 << 3,
  periodicCapable: 1 << 4,
  wide: 1 << 5,
  setValue: 1 << 6,
  narrow: 1 << 8,
  routeShift: 9,
  /** But `setValue`, which clears itself. */
  writable: 0x3f0e,
} as const;

const MASK32 = 0xffff_ffffn;
const high = (value: bigint): number => Number(value >> 32n);
const low = (value: bigint): number => Number(value & MASK32);
const replaceHalf = (value: bigint, offset: number, half: number): bigint =>
  (offset & 4) !== 0 ? (BigInt(half) << 32n) | (value & MASK32) : ((value >> 32n) << 32n) | BigInt(half);

export interface HpetOptions {
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** Input of the I/O APIC by number. */
  readonly route: (input: number) => IrqLine;
  /** Inputs that comparators may be routed to, as bits. Default: 2 and 20 to 23. */
  readonly routes?: number;
  /** ISA interrupts 0 and 8, which the first two comparators take from PIT and RTC in legacy replacement. */
  readonly irq0: IrqLine;
  readonly irq8: IrqLine;
}

class Comparator {
  config: number;
  value = 0xffff_ffff_ffff_ffffn;
  period = 0n;
  /** Of its interrupt line. */
  line = false;
  readonly alarm: DeadlineTimer;

  constructor(alarm: DeadlineTimer) {
    this.alarm = alarm;
    this.config = TIMER.periodicCapable | TIMER.wide;
  }

  get narrow(): boolean {
    return (this.config & TIMER.narrow) !== 0;
  }

  get bits(): 32 | 64 {
    return this.narrow ? 32 : 64;
  }
}

/** High precision event timers at 100 MHz. */
export class Hpet implements Device {
  /** What PIT and RTC interrupt by: ISA interrupts 0 and 8, unless comparators replace them. */
  readonly pit: IrqLine;
  readonly rtc: IrqLine;
  readonly #options: HpetOptions;
  readonly #routes: number;
  readonly #timebase = new Timebase(HPET_HZ);
  readonly #comparators: readonly Comparator[];
  /** Levels of `pit` and `rtc`. */
  readonly #replaced = [false, false];
  #general = 0;
  #status = 0;
  /** The counter while it stands still; else what is to be added to the ticks. */
  #base = 0n;
  /** What the upper half of the counter is for a read that follows at once. */
  #latched: number | undefined;
  /** The comparator whose accumulator the next write of an upper half belongs to. */
  #settingHigh: Comparator | undefined;

  constructor(options: HpetOptions) {
    this.#options = options;
    this.#routes = options.routes ?? 0x00f0_0004;
    this.#comparators = Array.from({ length: TIMERS }, (_, index) => {
      const comparator: Comparator = new Comparator(
        new DeadlineTimer(options.timers, () => this.#expire(comparator, index)),
      );
      return comparator;
    });
    this.pit = { set: (level) => this.#setReplaced(0, level) };
    this.rtc = { set: (level) => this.#setReplaced(1, level) };
  }

  reset(): void {
    this.#comparators.forEach((comparator, index) => {
      this.#setLine(comparator, index, false);
      comparator.config = TIMER.periodicCapable | TIMER.wide;
      comparator.value = 0xffff_ffff_ffff_ffffn;
      comparator.period = 0n;
      comparator.alarm.cancel();
    });
    this.#setGeneral(0);
    this.#status = 0;
    this.#base = 0n;
  }

  // --- The counter ------------------------------------------------------------------------------

  get #running(): boolean {
    return (this.#general & GENERAL.enable) !== 0;
  }

  get #ticks(): number {
    return this.#timebase.ticks(this.#options.clock.now());
  }

  /** The main counter. */
  get counter(): bigint {
    return this.#running ? BigInt.asUintN(64, this.#base + BigInt(this.#ticks)) : this.#base;
  }

  #setCounter(value: bigint): void {
    this.#base = this.#running ? BigInt.asUintN(64, value - BigInt(this.#ticks)) : value;
    this.#armAll();
  }

  #setGeneral(value: number): void {
    const { counter } = this;
    const legacy = (this.#general ^ value) & GENERAL.legacy;
    if (legacy !== 0) this.#release();
    this.#general = value & (GENERAL.enable | GENERAL.legacy);
    this.#base = this.#running ? BigInt.asUintN(64, counter - BigInt(this.#ticks)) : counter;
    if (legacy !== 0) this.#takeOver();
    this.#armAll();
  }

  // --- Lines ------------------------------------------------------------------------------------

  get #legacy(): boolean {
    return (this.#general & GENERAL.legacy) !== 0;
  }

  #legacyLine(index: number): IrqLine {
    return index === 0 ? this.#options.irq0 : this.#options.irq8;
  }

  #setReplaced(index: 0 | 1, level: boolean): void {
    this.#replaced[index] = level;
    if (!this.#legacy) this.#legacyLine(index).set(level);
  }

  /** Before legacy replacement changes: all lines are low. */
  #release(): void {
    this.#comparators.forEach((comparator, index) => this.#setLine(comparator, index, false));
    if (!this.#legacy) for (const index of [0, 1]) this.#legacyLine(index).set(false);
  }

  #takeOver(): void {
    if (this.#legacy) return;
    for (const index of [0, 1]) this.#legacyLine(index).set(this.#replaced[index]!);
  }

  /** Where a comparator interrupts, as it is configured. */
  #lineOf(comparator: Comparator, index: number): IrqLine {
    if (this.#legacy && index < 2) return this.#legacyLine(index);
    return this.#options.route((comparator.config >> TIMER.routeShift) & 31);
  }

  #setLine(comparator: Comparator, index: number, level: boolean): void {
    if (comparator.line === level) return;
    comparator.line = level;
    this.#lineOf(comparator, index).set(level);
  }

  // --- Comparators ------------------------------------------------------------------------------

  #armAll(): void {
    for (const comparator of this.#comparators) this.#arm(comparator);
  }

  #arm(comparator: Comparator): void {
    comparator.alarm.cancel();
    if (!this.#running) return;
    const left = BigInt.asUintN(comparator.bits, comparator.value - this.counter);
    if (left > BigInt(Number.MAX_SAFE_INTEGER)) return;
    const at = this.#timebase.nanoseconds(this.#ticks + Number(left));
    comparator.alarm.restore(at);
  }

  /** The counter reached the comparator. */
  #expire(comparator: Comparator, index: number): void {
    const { config } = comparator;
    const periodic = (config & TIMER.periodic) !== 0 && comparator.period > 0n;
    if (periodic) {
      // Periods that nobody looked at, because the machine was stopped, are not made up for.
      const late = BigInt.asUintN(comparator.bits, this.counter - comparator.value);
      const periods = late / comparator.period + 1n;
      comparator.value = BigInt.asUintN(comparator.bits, comparator.value + periods * comparator.period);
      this.#arm(comparator);
    } else if (comparator.narrow) this.#armNextRound(comparator);
    if ((config & TIMER.enable) === 0) {
      if ((config & TIMER.level) !== 0) this.#status |= 1 << index;
      return;
    }
    if ((config & TIMER.level) !== 0) this.#status |= 1 << index;
    else this.#setLine(comparator, index, false);
    this.#setLine(comparator, index, true);
  }

  /** A comparator of 32 bits matches again when the counter's low half comes round. */
  #armNextRound(comparator: Comparator): void {
    const left = Number(BigInt.asUintN(32, comparator.value - this.counter - 1n)) + 1;
    comparator.alarm.restore(this.#timebase.nanoseconds(this.#ticks + left));
  }

  #configure(comparator: Comparator, index: number, value: number): void {
    const fixed = TIMER.periodicCapable | TIMER.wide;
    const route = (value >> TIMER.routeShift) & 31;
    const routed = ((this.#routes >>> route) & 1) !== 0 ? value : value & ~(31 << TIMER.routeShift);
    const was = comparator.config;
    const config = (routed & TIMER.writable) | fixed | (value & TIMER.setValue);
    const level = (config & (TIMER.level | TIMER.enable)) === (TIMER.level | TIMER.enable);
    const moved = ((was ^ config) & ~TIMER.setValue) !== 0;
    if (moved) this.#setLine(comparator, index, false);
    comparator.config = config;
    if (comparator.narrow) {
      comparator.value &= MASK32;
      comparator.period &= MASK32;
    }
    if ((config & TIMER.level) === 0) this.#status &= ~(1 << index);
    if (level && (this.#status & (1 << index)) !== 0) this.#setLine(comparator, index, true);
    this.#arm(comparator);
  }

  #writeComparator(comparator: Comparator, offset: number, value: number): void {
    const { config } = comparator;
    const upper = (offset & 4) !== 0;
    if (upper && comparator.narrow) return;
    const setting = (config & TIMER.setValue) !== 0 || (upper && this.#settingHigh === comparator);
    if ((config & TIMER.periodic) === 0) {
      comparator.value = replaceHalf(comparator.value, offset, value);
    } else {
      // In periodic mode a write sets the period, and where software asked for it, the accumulator, too.
      if (setting) comparator.value = replaceHalf(comparator.value, offset, value);
      comparator.period = replaceHalf(comparator.period, offset, value);
    }
    this.#settingHigh = setting && !upper ? comparator : undefined;
    comparator.config &= ~TIMER.setValue;
    this.#arm(comparator);
  }

  // --- Registers --------------------------------------------------------------------------------

  read(offset: number, width: DeviceWidth): number {
    const word = this.#readWord(offset & ~3);
    if (width === 4) return word;
    return (word >>> ((offset & 3) * 8)) & (width === 1 ? 0xff : 0xffff);
  }

  #readWord(offset: number): number {
    const latched = this.#latched;
    this.#latched = undefined;
    if (offset >= FIRST_TIMER) return this.#readTimer(offset - FIRST_TIMER);
    switch (offset) {
      case CAPABILITIES:
        return CAPABILITY_BITS >>> 0;
      case CAPABILITIES + 4:
        return FEMTOSECONDS / HPET_HZ;
      case CONFIGURATION:
        return this.#general;
      case STATUS:
        return this.#status;
      case COUNTER: {
        const { counter } = this;
        this.#latched = high(counter);
        return low(counter);
      }
      case COUNTER + 4:
        return latched ?? high(this.counter);
      default:
        return 0;
    }
  }

  #readTimer(offset: number): number {
    const comparator = this.#comparators[Math.floor(offset / TIMER_STRIDE)];
    if (comparator === undefined) return 0;
    switch (offset % TIMER_STRIDE) {
      case 0:
        return comparator.config;
      case 4:
        return this.#routes >>> 0;
      case COMPARATOR:
        return low(comparator.value);
      case COMPARATOR + 4:
        return high(comparator.value);
      default:
        return 0;
    }
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    const at = offset & ~3;
    if (width === 4) this.#writeWord(at, value >>> 0);
    else if (at === STATUS) this.#writeWord(at, (value << ((offset & 3) * 8)) >>> 0);
    else {
      // The rest of the register stays as it is.
      const shift = (offset & 3) * 8;
      const mask = (width === 1 ? 0xff : 0xffff) << shift;
      this.#writeWord(at, ((this.#readWord(at) & ~mask) | ((value << shift) & mask)) >>> 0);
    }
  }

  #writeWord(offset: number, value: number): void {
    this.#latched = undefined;
    if (offset >= FIRST_TIMER) {
      const index = Math.floor((offset - FIRST_TIMER) / TIMER_STRIDE);
      const comparator = this.#comparators[index];
      const register = (offset - FIRST_TIMER) % TIMER_STRIDE;
      if (comparator !== undefined && (register === COMPARATOR || register === COMPARATOR + 4)) {
        this.#writeComparator(comparator, register, value);
        return;
      }
      this.#settingHigh = undefined;
      if (comparator !== undefined && register === 0) this.#configure(comparator, index, value);
      return;
    }
    this.#settingHigh = undefined;
    if (offset === CONFIGURATION) this.#setGeneral(value);
    else if (offset === STATUS) this.#clearStatus(value);
    else if (offset === COUNTER || offset === COUNTER + 4)
      this.#setCounter(replaceHalf(this.counter, offset, value));
  }

  /** Write 1 to clear; level-triggered lines fall. */
  #clearStatus(bits: number): void {
    this.#comparators.forEach((comparator, index) => {
      if (((bits & this.#status) >> index) & 1) this.#setLine(comparator, index, false);
    });
    this.#status &= ~bits;
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      general: this.#general,
      status: this.#status,
      base: u64Text(this.#base),
      replaced: [...this.#replaced],
      comparators: this.#comparators.map(({ config, value, period, line, alarm }) => ({
        version: STATE_VERSION,
        config,
        value: u64Text(value),
        period: u64Text(period),
        line,
        alarm: alarm.state(),
      })),
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("hpet", state, STATE_VERSION);
    const parts = reader.parts("comparators");
    if (parts.length !== TIMERS) throw reader.bad("comparators");
    this.reset();
    this.#general = reader.unsigned("general", 2);
    this.#status = reader.unsigned("status", TIMERS);
    this.#base = reader.u64("base");
    reader.list("replaced").forEach((level, index) => {
      this.#replaced[index] = level === true;
    });
    this.#takeOver();
    parts.forEach((part, index) => {
      const fields = new StateReader("hpet", part, STATE_VERSION);
      const comparator = this.#comparators[index]!;
      comparator.config = fields.unsigned("config", 14);
      comparator.value = fields.u64("value");
      comparator.period = fields.u64("period");
      comparator.alarm.restore(fields.deadline("alarm"));
      this.#setLine(comparator, index, fields.flag("line"));
    });
  }
}
