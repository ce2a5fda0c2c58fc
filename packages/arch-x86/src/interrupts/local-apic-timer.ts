import { type Clock, DeadlineTimer, Timebase, type TimerQueue } from "@hypercraft/hypercraft";

/** The processor's time-stamp counter, for TSC-deadline mode. */
export interface TimestampCounter {
  /** The counter now. */
  now(): bigint;
  /** Machine time in ns at which it reaches a value; Infinity beyond any time. */
  reaches(value: bigint): number;
}

export interface LocalApicTimerOptions {
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** Frequency in Hz of the clock that the divider divides. */
  readonly hz: number;
  readonly tsc: TimestampCounter | undefined;
  readonly expired: () => void;
}

/** Bits 18:17 of the timer's LVT entry. */
const TimerMode = { oneShot: 0, periodic: 1, tscDeadline: 2 } as const;

/** The timer's registers, as plain data. */
export interface LocalApicTimerState {
  readonly mode: number;
  readonly divider: number;
  readonly initial: number;
  /** Ticks of the undivided clock at which the count is 0; null when it stands still. */
  readonly zeroAt: number | null;
  /** IA32_TSC_DEADLINE, hexadecimal. */
  readonly deadline: string;
}

/** The timer of a local APIC: SDM volume 3, 11.5.4. */
export class LocalApicTimer {
  private readonly clock: Clock;
  private readonly timebase: Timebase;
  private readonly tsc: TimestampCounter | undefined;
  private readonly expired: () => void;
  private readonly alarm: DeadlineTimer;
  private currentMode: number = TimerMode.oneShot;
  private dividerBits = 0;
  private initial = 0;
  private zeroAt: number | undefined;
  private tscDeadline = 0n;

  constructor({ clock, timers, hz, tsc, expired }: LocalApicTimerOptions) {
    this.clock = clock;
    this.timebase = new Timebase(hz);
    this.tsc = tsc;
    this.expired = expired;
    this.alarm = new DeadlineTimer(timers, () => this.settle());
  }

  reset(): void {
    this.currentMode = TimerMode.oneShot;
    this.dividerBits = 0;
    this.initial = 0;
    this.stop();
  }

  private stop(): void {
    this.zeroAt = undefined;
    this.tscDeadline = 0n;
    this.alarm.cancel();
  }

  /** A `TimerMode`. */
  get mode(): number {
    return this.currentMode;
  }

  set mode(mode: number) {
    if (mode === this.currentMode) return;
    this.settle();
    // Between one-shot and periodic the count goes on.
    if (mode === TimerMode.tscDeadline || this.currentMode === TimerMode.tscDeadline) this.stop();
    this.currentMode = mode;
  }

  /** The divide configuration register: bits 0, 1 and 3. */
  get divider(): number {
    return this.dividerBits;
  }

  set divider(value: number) {
    const left = this.current;
    this.dividerBits = value & 0b1011;
    if (this.zeroAt === undefined) return;
    this.zeroAt = this.ticks + left * this.divisor;
    this.arm();
  }

  /** 1 to 128: 0b111 is 1, and the others are powers of two from 2 on. */
  private get divisor(): number {
    const code = (this.dividerBits & 3) | ((this.dividerBits & 8) >> 1);
    return 1 << ((code + 1) & 7);
  }

  private get ticks(): number {
    return this.timebase.ticks(this.clock.now());
  }

  get initialCount(): number {
    return this.initial;
  }

  /** Starts the count anew, or with 0 stops it. Has no effect in TSC-deadline mode. */
  set initialCount(value: number) {
    if (this.currentMode === TimerMode.tscDeadline) return;
    this.settle();
    this.initial = value;
    this.zeroAt = value === 0 ? undefined : this.ticks + value * this.divisor;
    this.arm();
  }

  get current(): number {
    this.settle();
    return this.zeroAt === undefined ? 0 : Math.ceil((this.zeroAt - this.ticks) / this.divisor);
  }

  /** IA32_TSC_DEADLINE; 0 when it is not armed. */
  get deadline(): bigint {
    this.settle();
    return this.tscDeadline;
  }

  set deadline(value: bigint) {
    if (this.currentMode !== TimerMode.tscDeadline) return;
    this.tscDeadline = value;
    this.arm();
    this.settle();
  }

  /** The time-stamp counter was written: its distance to the deadline is another one. */
  timestampChanged(): void {
    if (this.tscDeadline === 0n) return;
    this.arm();
    this.settle();
  }

  private arm(): void {
    this.alarm.restore(this.deadlineNs);
  }

  /** Machine time in ns at which it expires, Infinity while it stands still. */
  get deadlineNs(): number {
    if (this.zeroAt !== undefined) return this.timebase.nanoseconds(this.zeroAt);
    if (this.tscDeadline === 0n) return Number.POSITIVE_INFINITY;
    return this.tsc?.reaches(this.tscDeadline) ?? Number.POSITIVE_INFINITY;
  }

  /** Let happen what is due by now. */
  private settle(): void {
    if (this.zeroAt !== undefined) {
      const { ticks } = this;
      if (ticks < this.zeroAt) return;
      const period = this.initial * this.divisor;
      // Periods that nobody looked at, because the machine was stopped, are not made up for.
      const missed = Math.floor((ticks - this.zeroAt) / period) + 1;
      this.zeroAt = this.currentMode === TimerMode.periodic ? this.zeroAt + missed * period : undefined;
      this.arm();
      this.expired();
    } else if (this.tscDeadline !== 0n && this.tsc !== undefined && this.tsc.now() >= this.tscDeadline) {
      this.tscDeadline = 0n;
      this.arm();
      this.expired();
    }
  }

  state(): LocalApicTimerState {
    return {
      mode: this.currentMode,
      divider: this.dividerBits,
      initial: this.initial,
      zeroAt: this.zeroAt ?? null,
      deadline: `0x${this.tscDeadline.toString(16)}`,
    };
  }

  restore(state: LocalApicTimerState): void {
    this.currentMode = state.mode;
    this.dividerBits = state.divider;
    this.initial = state.initial;
    this.zeroAt = state.zeroAt ?? undefined;
    this.tscDeadline = BigInt(state.deadline);
    this.arm();
  }
}
