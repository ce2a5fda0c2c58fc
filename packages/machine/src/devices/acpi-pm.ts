import { DeadlineTimer, Timebase } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

// ACPI fixed hardware: ACPI specification 6.5, 4.8.3. It is in ACPI mode always.

const STATE_VERSION = 1;
const TIMER_HZ = 3_579_545;
/** The timer has 24 bits; its highest tells of itself. */
const TIMER_MODULUS = 2 ** 24;
const TIMER_HALF = 2 ** 23;

/** Offsets of PM1 event, PM1 control and timer blocks. */
const STATUS = 0;
const ENABLE = 2;
const CONTROL = 4;
const TIMER = 8;

const EVENT = { timer: 0x001, global: 0x020, power: 0x100, rtc: 0x400, wake: 0x8000 } as const;
const EVENTS = EVENT.timer | EVENT.global | EVENT.power | EVENT.rtc;
const SCI_ENABLED = 1;
/** SLP_EN and GBL_RLS read as 0. */
const CONTROL_WRITABLE = 0x1c02;
const SLEEP = 0x2000;
const SLEEP_TYPE_SHIFT = 10;

/** SLP_TYP of soft-off, as in `\_S5`: QEMU's. */
export const SLEEP_TYPE_OFF = 0;

export interface AcpiPmOptions {
  /** SCI: level-triggered. */
  readonly irq: IrqLine;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** The guest entered soft-off. */
  readonly onPowerOff: () => void;
}

/** Power management registers: events, control with power-off, and the timer. */
export class AcpiPm implements Device {
  /** Where QEMU's firmware puts it on its PC, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0x600, size: 12, widest: 4 } as const;
  readonly #options: AcpiPmOptions;
  readonly #timebase = new Timebase(TIMER_HZ);
  readonly #alarm: DeadlineTimer;
  #status = 0;
  #enable = 0;
  #control = 0;
  /** Changes of the timer's highest bit that were noticed. */
  #seen = 0;

  constructor(options: AcpiPmOptions) {
    this.#options = options;
    this.#alarm = new DeadlineTimer(options.timers, () => this.#update());
    this.#seen = this.#changes;
  }

  reset(): void {
    this.#status = 0;
    this.#enable = 0;
    this.#control = 0;
    this.#seen = this.#changes;
    this.#update();
  }

  /** Someone pressed the power button: the operating system decides. */
  pressPowerButton(): void {
    this.#status |= EVENT.power;
    this.#update();
  }

  get #ticks(): number {
    return this.#timebase.ticks(this.#options.clock.now());
  }

  get #changes(): number {
    return Math.floor(this.#ticks / TIMER_HALF);
  }

  #update(): void {
    const changes = this.#changes;
    if (changes > this.#seen) this.#status |= EVENT.timer;
    this.#seen = changes;
    this.#options.irq.set((this.#status & this.#enable & EVENTS) !== 0);
    const awaited = (this.#enable & ~this.#status & EVENT.timer) !== 0;
    this.#alarm.restore(awaited ? this.#timebase.nanoseconds((changes + 1) * TIMER_HALF) : null);
  }

  read(offset: number, width: DeviceWidth): number {
    const low = this.#half(offset & ~1);
    if (width === 1) return (low >> (8 * (offset & 1))) & 0xff;
    if (width === 2) return low;
    return offset === TIMER ? this.#ticks % TIMER_MODULUS : low + this.#half(offset + 2) * 0x1_0000;
  }

  #half(offset: number): number {
    switch (offset) {
      case STATUS:
        this.#update();
        return this.#status;
      case ENABLE:
        return this.#enable;
      case CONTROL:
        return this.#control | SCI_ENABLED;
      case TIMER:
        return this.#ticks & 0xffff;
      case TIMER + 2:
        return Math.floor((this.#ticks % TIMER_MODULUS) / 0x1_0000);
      default:
        return 0;
    }
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (width === 4) {
      this.#writeHalf(offset, value & 0xffff, 0xffff);
      this.#writeHalf(offset + 2, value >>> 16, 0xffff);
    } else {
      const shift = 8 * (offset & 1);
      this.#writeHalf(offset & ~1, (value << shift) & 0xffff, width === 2 ? 0xffff : 0xff << shift);
    }
    this.#update();
  }

  /** `mask`: the bits that are written. */
  #writeHalf(offset: number, value: number, mask: number): void {
    switch (offset) {
      case STATUS:
        this.#update();
        this.#status &= ~(value & mask);
        break;
      case ENABLE:
        this.#enable = ((this.#enable & ~mask) | (value & mask)) & EVENTS;
        break;
      case CONTROL:
        this.#control = ((this.#control & ~mask) | (value & mask)) & CONTROL_WRITABLE;
        if ((value & mask & SLEEP) !== 0) this.#sleep();
        break;
      default:
        break;
    }
  }

  /** There is no other sleeping state than off. */
  #sleep(): void {
    if (((this.#control >> SLEEP_TYPE_SHIFT) & 7) === SLEEP_TYPE_OFF) this.#options.onPowerOff();
  }

  state(): ComponentState {
    // What time has brought: the same, whether somebody has looked since or not.
    this.#update();
    return {
      version: STATE_VERSION,
      status: this.#status,
      enable: this.#enable,
      control: this.#control,
      seen: this.#seen,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("acpi-pm", state, STATE_VERSION);
    this.#status = reader.u16("status");
    this.#enable = reader.u16("enable");
    this.#control = reader.u16("control");
    this.#seen = reader.integer("seen");
    this.#update();
  }
}
