import { DeadlineTimer } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import type { FdtNode } from "../fdt/node.js";
import { StateReader, u64Text } from "../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "./device.js";

const STATE_VERSION = 1;

/** Registers (Android goldfish hardware documentation, "RTC"). All are of 32 bits. */
const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

const MASK64 = (1n << 64n) - 1n;

export interface GoldfishRtcOptions {
  readonly irq: IrqLine;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** Calendar time at machine time 0: nanoseconds since 1970 UTC. Deterministic machines give a constant. */
  readonly epochNs: bigint;
}

/** Goldfish real-time clock: nanoseconds since 1970 in two registers, one alarm. */
export class GoldfishRtc implements Device {
  readonly #irq: IrqLine;
  readonly #clock: Clock;
  readonly #timer: DeadlineTimer;
  readonly #epoch: bigint;

  /** What the guest added by setting the time, modulo 2^64. */
  #shift = 0n;
  /** Upper half latched by a read of the lower. */
  #timeHigh = 0;
  #alarmHigh = 0;
  #alarm: bigint | undefined;
  #enabled = false;
  #pending = false;

  constructor(options: GoldfishRtcOptions) {
    this.#irq = options.irq;
    this.#clock = options.clock;
    this.#timer = new DeadlineTimer(options.timers, () => this.#ring());
    this.#epoch = options.epochNs;
  }

  reset(): void {
    this.#shift = 0n;
    this.#timeHigh = 0;
    this.#alarmHigh = 0;
    this.#clearAlarm();
    this.#enabled = false;
    this.#pending = false;
    this.#update();
  }

  read(offset: number, width: DeviceWidth): number {
    if (width !== 4) return 0;
    switch (offset) {
      case TIME_LOW: {
        const now = this.#now();
        this.#timeHigh = Number(now >> 32n);
        return Number(now & 0xffff_ffffn);
      }
      case TIME_HIGH:
        return this.#timeHigh;
      case ALARM_LOW:
        return Number((this.#alarm ?? 0n) & 0xffff_ffffn);
      case ALARM_HIGH:
        return this.#alarmHigh;
      case IRQ_ENABLED:
        return Number(this.#enabled);
      case ALARM_STATUS:
        return Number(this.#alarm !== undefined);
      default:
        return 0;
    }
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (width !== 4) return;
    switch (offset) {
      case TIME_LOW:
        this.#setTime((this.#now() & ~0xffff_ffffn) | BigInt(value));
        break;
      case TIME_HIGH:
        this.#setTime((this.#now() & 0xffff_ffffn) | (BigInt(value) << 32n));
        break;
      case ALARM_LOW:
        this.#setAlarm((BigInt(this.#alarmHigh) << 32n) | BigInt(value));
        break;
      case ALARM_HIGH:
        this.#alarmHigh = value;
        break;
      case IRQ_ENABLED:
        this.#enabled = (value & 1) !== 0;
        this.#update();
        break;
      case CLEAR_ALARM:
        this.#clearAlarm();
        break;
      case CLEAR_INTERRUPT:
        this.#pending = false;
        this.#update();
        break;
      default:
        break;
    }
  }

  fdt(context: FdtContext): FdtNode {
    return mmioNode("rtc", ["google,goldfish-rtc"], context);
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      shift: u64Text(this.#shift),
      timeHigh: this.#timeHigh,
      alarmHigh: this.#alarmHigh,
      alarm: this.#alarm === undefined ? null : u64Text(this.#alarm),
      enabled: this.#enabled,
      pending: this.#pending,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("goldfish-rtc", state, STATE_VERSION);
    const alarm = state.alarm === null ? undefined : reader.u64("alarm");
    this.reset();
    this.#shift = reader.u64("shift");
    this.#timeHigh = reader.u32("timeHigh");
    this.#enabled = reader.flag("enabled");
    this.#pending = reader.flag("pending");
    if (alarm !== undefined) this.#setAlarm(alarm);
    this.#alarmHigh = reader.u32("alarmHigh");
    this.#update();
  }

  #now(): bigint {
    return (this.#epoch + BigInt(Math.floor(this.#clock.now())) + this.#shift) & MASK64;
  }

  #setTime(time: bigint): void {
    this.#shift = (this.#shift + time - this.#now()) & MASK64;
    // The alarm stays at its calendar time.
    if (this.#alarm !== undefined) this.#setAlarm(this.#alarm);
  }

  #setAlarm(alarm: bigint): void {
    this.#timer.cancel();
    const now = this.#now();
    if (alarm <= now) {
      // An alarm in the past rings at once.
      this.#ring();
      return;
    }
    this.#alarm = alarm;
    this.#timer.arm(this.#clock.now() + Number(alarm - now));
  }

  #ring(): void {
    this.#clearAlarm();
    this.#pending = true;
    this.#update();
  }

  #clearAlarm(): void {
    this.#timer.cancel();
    this.#alarm = undefined;
  }

  #update(): void {
    this.#irq.set(this.#pending && this.#enabled);
  }
}
