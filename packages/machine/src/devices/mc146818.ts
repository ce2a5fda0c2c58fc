import { DeadlineTimer, Timebase } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

// MC146818A real-time clock (Motorola data sheet), and its RAM as PCs use it ("CMOS").

const STATE_VERSION = 1;
const RAM_SIZE = 128;

/** Registers. Those of time are 0, 2, 4 and 6 to 9, those of the alarm 1, 3 and 5. */
const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const DAY_OF_WEEK = 0x06;
const DAY = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const D = 0x0d;
/** A byte of RAM that PCs keep the century in. */
const CENTURY = 0x32;

const UPDATE_IN_PROGRESS = 0x80;
/** Register A's divider: of a 32.768 kHz crystal, or held in reset. */
const DIVIDER_RUNS = 0x20;
const DIVIDER = 0x70;
const SET = 0x80;
/** Interrupts: enables in B, flags in C. */
const PERIODIC = 0x40;
const ALARM = 0x20;
const UPDATE = 0x10;
const REQUEST = 0x80;
const BINARY = 0x04;
const HOURS_24 = 0x02;
const VALID = 0x80;
const AFTERNOON = 0x80;
/** From here on, an alarm byte matches all. */
const ANY = 0xc0;

const SECOND = 1e9;
/** An update takes 1984 us, and UIP goes up 244 us before. */
const UPDATE_NS = 2_228_000;
const CRYSTAL_HZ = 32_768;
const DAY_SECONDS = 86_400;

/** Calendar time, as its registers tell it. */
interface Calendar {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  readonly year: number;
}

export interface CmosRtcOptions {
  /** Interrupt 8. */
  readonly irq: IrqLine;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** Calendar time at machine time 0: nanoseconds since 1970 UTC. Deterministic machines give a constant. */
  readonly epochNs: bigint;
  /** RAM from byte 0x0e on at power-up, by its number: what firmware finds there. */
  readonly ram?: Readonly<Record<number, number>>;
}

/** The clock of a PC: index and data at offsets 0 and 1 from port 0x70. */
export class CmosRtc implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0x70, size: 2 } as const;
  readonly #irq: IrqLine;
  readonly #clock: Clock;
  readonly #timer: DeadlineTimer;
  readonly #crystal = new Timebase(CRYSTAL_HZ);
  readonly #ram = new Uint8Array(RAM_SIZE);
  #index = 0;
  #a = 0;
  #b = 0;
  #flags = 0;
  /** Calendar time in seconds is `#epoch` and what passed since machine time `#since` (ns). */
  #epoch = 0;
  #since = 0;
  /** Time stands still: SET, or the divider is held in reset. */
  #held: Calendar | undefined;
  /** What the day of the week is ahead of the calendar's. */
  #weekShift = 0;
  /** Up to where events were noticed: in seconds of calendar time, and in ticks of the crystal. */
  #seenSecond = 0;
  #seenTick = 0;

  constructor(options: CmosRtcOptions) {
    this.#irq = options.irq;
    this.#clock = options.clock;
    this.#timer = new DeadlineTimer(options.timers, () => this.#update());
    for (const [at, value] of Object.entries(options.ram ?? {})) this.#ram[Number(at)] = value;
    const seconds = options.epochNs / 1_000_000_000n;
    this.#epoch = Number(seconds);
    this.#since = Number(seconds * 1_000_000_000n - options.epochNs);
    this.#b = HOURS_24;
    this.#seenSecond = this.#seconds;
    this.reset();
  }

  /** RESET of the chip: interrupts are off. Time and RAM have a battery. */
  reset(): void {
    this.#index = 0;
    this.#a = DIVIDER_RUNS | 6;
    this.#b &= BINARY | HOURS_24 | 1;
    this.#flags = 0;
    this.#resume();
    this.#update();
  }

  /** A byte of RAM, for firmware. */
  get(index: number): number {
    return this.#ram[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#ram[index] = value;
  }

  // --- Time -------------------------------------------------------------------------------------

  /** Calendar time in seconds since 1970. */
  get #seconds(): number {
    if (this.#held !== undefined) return toSeconds(this.#held);
    return this.#epoch + Math.floor((this.#clock.now() - this.#since) / SECOND);
  }

  get #calendar(): Calendar {
    return this.#held ?? toCalendar(this.#seconds);
  }

  #setCalendar(changed: Partial<Calendar>): void {
    const calendar = { ...this.#calendar, ...changed };
    if (this.#held !== undefined) this.#held = calendar;
    else {
      this.#epoch += toSeconds(calendar) - this.#seconds;
      this.#seenSecond = this.#seconds;
    }
  }

  get #stopped(): boolean {
    return (this.#b & SET) !== 0 || (this.#a & DIVIDER) !== DIVIDER_RUNS;
  }

  /** SET or the divider changed; with the divider, seconds begin anew half a second later. */
  #holdOrResume(dividerStarts: boolean): void {
    if (this.#stopped) this.#held ??= this.#calendar;
    else if (dividerStarts) this.#resume(SECOND / 2);
    else this.#resume();
  }

  #resume(phase?: number): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    const now = this.#clock.now();
    this.#epoch = toSeconds(held);
    // Without a divider that was reset, seconds begin where they would have.
    this.#since = phase === undefined ? now - modulo(now - this.#since, SECOND) : now - phase;
    this.#seenSecond = this.#seconds;
  }

  // --- Events -----------------------------------------------------------------------------------

  /** Ticks of the crystal between two periodic interrupts, 0 for none. */
  get #period(): number {
    const rate = this.#a & 15;
    if (rate === 0) return 0;
    return 1 << (rate < 3 ? rate + 6 : rate - 1);
  }

  /** Set the flags of what happened by now. */
  #settle(): void {
    const tick = this.#crystal.ticks(this.#clock.now());
    const period = this.#period;
    if (period > 0 && Math.floor(tick / period) > Math.floor(this.#seenTick / period))
      this.#flags |= PERIODIC;
    this.#seenTick = tick;
    if (this.#held !== undefined) return;
    const seconds = this.#seconds;
    if (seconds > this.#seenSecond) {
      this.#flags |= UPDATE;
      if (this.#nextAlarm(this.#seenSecond) <= seconds) this.#flags |= ALARM;
    }
    this.#seenSecond = seconds;
  }

  /** The first second after one at which the alarm matches. */
  #nextAlarm(after: number): number {
    const [second, minute, hour] = [SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM].map((register) => {
      const value = this.#ram[register]!;
      if (value >= ANY) return -1;
      return register === HOURS_ALARM ? this.#hourOf(value) : this.#decode(value);
    }) as [number, number, number];
    const matches = (wanted: number, value: number) => wanted < 0 || wanted === value;
    for (let at = after + 1; at <= after + DAY_SECONDS; at++) {
      const ofDay = modulo(at, DAY_SECONDS);
      if (
        matches(second, ofDay % 60) &&
        matches(minute, Math.floor(ofDay / 60) % 60) &&
        matches(hour, Math.floor(ofDay / 3600))
      )
        return at;
    }
    return Number.POSITIVE_INFINITY;
  }

  #update(): void {
    this.#settle();
    this.#irq.set((this.#flags & this.#b & (PERIODIC | ALARM | UPDATE)) !== 0);
    this.#timer.restore(this.#nextEvent());
  }

  /** Machine time of the next event that would interrupt. */
  #nextEvent(): number {
    // One that is pending already changes nothing by happening again.
    const wanted = this.#b & ~this.#flags;
    let at = Number.POSITIVE_INFINITY;
    const period = this.#period;
    if ((wanted & PERIODIC) !== 0 && period > 0)
      at = this.#crystal.nanoseconds((Math.floor(this.#seenTick / period) + 1) * period);
    if (this.#held !== undefined) return at;
    const when = (second: number) => this.#since + (second - this.#epoch) * SECOND;
    if ((wanted & UPDATE) !== 0) at = Math.min(at, when(this.#seenSecond + 1));
    if ((wanted & ALARM) !== 0) at = Math.min(at, when(this.#nextAlarm(this.#seenSecond)));
    return at;
  }

  // --- Registers --------------------------------------------------------------------------------

  /** A number as the registers have it: binary or BCD. */
  #encode(value: number): number {
    return (this.#b & BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decode(value: number): number {
    return (this.#b & BINARY) !== 0 ? value : (value >> 4) * 10 + (value & 15);
  }

  #encodeHour(hour: number): number {
    if ((this.#b & HOURS_24) !== 0) return this.#encode(hour);
    return this.#encode(hour % 12 || 12) | (hour >= 12 ? AFTERNOON : 0);
  }

  #hourOf(value: number): number {
    if ((this.#b & HOURS_24) !== 0) return this.#decode(value);
    return (this.#decode(value & 0x7f) % 12) + ((value & AFTERNOON) !== 0 ? 12 : 0);
  }

  read(offset: number, _width: DeviceWidth): number {
    // The index is write-only.
    if (offset === 0) return 0xff;
    switch (this.#index) {
      case A:
        return this.#a | (this.#updating ? UPDATE_IN_PROGRESS : 0);
      case B:
        return this.#b;
      case C: {
        this.#settle();
        const flags = this.#flags;
        const request = (flags & this.#b & (PERIODIC | ALARM | UPDATE)) !== 0;
        this.#flags = 0;
        this.#update();
        return flags | (request ? REQUEST : 0);
      }
      case D:
        return VALID;
      default:
        return this.#readTime(this.#index) ?? this.#ram[this.#index]!;
    }
  }

  get #updating(): boolean {
    return this.#held === undefined && modulo(this.#clock.now() - this.#since, SECOND) >= SECOND - UPDATE_NS;
  }

  #readTime(register: number): number | undefined {
    const { second, minute, hour, day, month, year } = this.#calendar;
    switch (register) {
      case SECONDS:
        return this.#encode(second);
      case MINUTES:
        return this.#encode(minute);
      case HOURS:
        return this.#encodeHour(hour);
      case DAY_OF_WEEK:
        return this.#encode(modulo(dayOfWeek(this.#calendar) + this.#weekShift, 7) + 1);
      case DAY:
        return this.#encode(day);
      case MONTH:
        return this.#encode(month);
      case YEAR:
        return this.#encode(year % 100);
      case CENTURY:
        return this.#encode(Math.floor(year / 100));
      default:
        return undefined;
    }
  }

  write(offset: number, _width: DeviceWidth, value: number): void {
    if (offset === 0) {
      // Bit 7 masks NMIs, which nothing here raises.
      this.#index = value & (RAM_SIZE - 1);
      return;
    }
    this.#settle();
    this.#writeRegister(this.#index, value & 0xff);
    this.#update();
  }

  #writeRegister(register: number, value: number): void {
    const { year } = this.#calendar;
    switch (register) {
      case A: {
        const starts = (this.#a & DIVIDER) !== DIVIDER_RUNS;
        this.#a = value & ~UPDATE_IN_PROGRESS;
        this.#holdOrResume(starts);
        break;
      }
      case B:
        // SET takes the update interrupt back.
        this.#b = (value & SET) !== 0 ? value & ~UPDATE : value;
        this.#holdOrResume(false);
        break;
      case C:
      case D:
        break;
      case SECONDS:
        this.#setCalendar({ second: this.#decode(value & 0x7f) });
        break;
      case MINUTES:
        this.#setCalendar({ minute: this.#decode(value) });
        break;
      case HOURS:
        this.#setCalendar({ hour: this.#hourOf(value) });
        break;
      case DAY_OF_WEEK:
        this.#weekShift = modulo(this.#decode(value) - 1 - dayOfWeek(this.#calendar), 7);
        break;
      case DAY:
        this.#setCalendar({ day: this.#decode(value) });
        break;
      case MONTH:
        this.#setCalendar({ month: this.#decode(value) });
        break;
      case YEAR:
        this.#setCalendar({ year: year - (year % 100) + this.#decode(value) });
        break;
      case CENTURY:
        this.#setCalendar({ year: (year % 100) + 100 * this.#decode(value) });
        break;
      default:
        this.#ram[register] = value;
    }
  }

  state(): ComponentState {
    this.#settle();
    const held = this.#held;
    return {
      version: STATE_VERSION,
      ram: [...this.#ram],
      index: this.#index,
      a: this.#a,
      b: this.#b,
      flags: this.#flags,
      epoch: this.#epoch,
      since: this.#since,
      held:
        held === undefined ? null : [held.second, held.minute, held.hour, held.day, held.month, held.year],
      weekShift: this.#weekShift,
      seenSecond: this.#seenSecond,
      seenTick: this.#seenTick,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("mc146818", state, STATE_VERSION);
    const ram = reader.integers("ram", RAM_SIZE, 0xff);
    const held = state.held === null ? undefined : reader.integers("held", 6, 0xffff);
    const signed = (field: string) => {
      const value = state[field];
      if (!Number.isSafeInteger(value)) throw reader.bad(field);
      return value as number;
    };
    this.#ram.set(ram);
    this.#index = reader.unsigned("index", 7);
    this.#a = reader.u8("a");
    this.#b = reader.u8("b");
    this.#flags = reader.u8("flags");
    this.#epoch = signed("epoch");
    this.#since = signed("since");
    this.#weekShift = reader.unsigned("weekShift", 3);
    this.#seenSecond = signed("seenSecond");
    this.#seenTick = reader.integer("seenTick");
    this.#held = undefined;
    if (held !== undefined) {
      const [second = 0, minute = 0, hour = 0, day = 1, month = 1, year = 1970] = held;
      this.#held = { second, minute, hour, day, month, year };
    }
    this.#update();
  }
}

function modulo(value: number, by: number): number {
  return value - Math.floor(value / by) * by;
}

function toSeconds({ second, minute, hour, day, month, year }: Calendar): number {
  return Math.floor(Date.UTC(year, month - 1, day, hour, minute, second) / 1000);
}

function toCalendar(seconds: number): Calendar {
  const date = new Date(seconds * 1000);
  return {
    second: date.getUTCSeconds(),
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    year: date.getUTCFullYear(),
  };
}

/** 0 is Sunday. */
function dayOfWeek(calendar: Calendar): number {
  return modulo(Math.floor(toSeconds(calendar) / DAY_SECONDS) + 4, 7);
}

/** What firmware and kernels find in the RAM about memory and processors, by byte. */
export function cmosMemory(memory: {
  readonly low: number;
  readonly high?: number;
  readonly cpus: number;
}): Record<number, number> {
  const { low, high = 0, cpus } = memory;
  const ram: Record<number, number> = {};
  const word = (at: number, value: number) => {
    ram[at] = value & 0xff;
    ram[at + 1] = (value >> 8) & 0xff;
  };
  const KIB = 1024;
  const above = (start: number, unit: number, most: number) =>
    Math.min(most, Math.max(0, Math.floor((low - start) / unit)));
  word(0x15, 640);
  const extended = above(KIB * KIB, KIB, 0xffff);
  word(0x17, extended);
  word(0x30, extended);
  word(0x34, above(16 * KIB * KIB, 64 * KIB, 0xffff));
  const beyond = Math.floor(high / (64 * KIB));
  word(0x5b, beyond & 0xffff);
  ram[0x5d] = Math.floor(beyond / 0x1_0000);
  ram[0x5f] = cpus - 1;
  // Equipment: a coprocessor, a display of its own ROM, no diskettes.
  ram[0x14] = 0x02;
  return ram;
}
