import { DeadlineTimer } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import type { FdtNode } from "../fdt/node.js";
import { StateReader } from "../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "./device.js";
import { PRIMECELL, primecellIdentification } from "./primecell.js";

const STATE_VERSION = 1;

/** Registers (DDI 0224, table 3-1). All are of 32 bits. */
const DR = 0x00;
const MR = 0x04;
const LR = 0x08;
const CR = 0x0c;
const IMSC = 0x10;
const RIS = 0x14;
const MIS = 0x18;
const ICR = 0x1c;
const PERIPHERAL_ID = [0x31, 0x10, 0x14, 0x00] as const;

const SECOND = 1_000_000_000n;

export interface Pl031Options {
  readonly irq: IrqLine;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** Calendar time at machine time 0: nanoseconds since 1970 UTC. Deterministic machines give a constant. */
  readonly epochNs: bigint;
}

/**
 * PrimeCell real-time clock PL031: seconds since 1970, one alarm. It runs from power-on, as one that a battery
 * and earlier software have kept going: CR reads 1 always.
 */
export class Pl031 implements Device {
  readonly #irq: IrqLine;
  readonly #clock: Clock;
  readonly #alarm: DeadlineTimer;
  readonly #epoch: bigint;

  /** What the guest added by setting the time: seconds modulo 2^32. */
  #shift = 0;
  #load = 0;
  #match = 0;
  #mask = 0;
  #raw = 0;

  constructor(options: Pl031Options) {
    this.#irq = options.irq;
    this.#clock = options.clock;
    this.#alarm = new DeadlineTimer(options.timers, () => this.#ring());
    this.#epoch = options.epochNs;
  }

  reset(): void {
    this.#shift = 0;
    this.#load = 0;
    this.#match = 0;
    this.#mask = 0;
    this.#raw = 0;
    this.#alarm.cancel();
    this.#update();
  }

  read(offset: number, width: DeviceWidth): number {
    if (width !== 4) return 0;
    switch (offset) {
      case DR:
        return this.#seconds();
      case MR:
        return this.#match;
      case LR:
        return this.#load;
      case CR:
        return 1;
      case IMSC:
        return this.#mask;
      case RIS:
        return this.#raw;
      case MIS:
        return this.#raw & this.#mask;
      default:
        return primecellIdentification(offset, PERIPHERAL_ID);
    }
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (width !== 4) return;
    switch (offset) {
      case MR:
        this.#match = value >>> 0;
        this.#compare();
        break;
      case LR:
        this.#load = value >>> 0;
        this.#shift = (this.#shift + this.#load - this.#seconds()) >>> 0;
        this.#compare();
        break;
      case IMSC:
        this.#mask = value & 1;
        break;
      case ICR:
        this.#raw &= ~value;
        break;
      default:
        return;
    }
    this.#update();
  }

  /** The board adds `clocks` by `primecellClocks`: "apb_pclk". */
  fdt(context: FdtContext): FdtNode {
    return mmioNode("pl031", ["arm,pl031", PRIMECELL], context);
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      shift: this.#shift,
      load: this.#load,
      match: this.#match,
      mask: this.#mask,
      raw: this.#raw,
      armed: this.#alarm.armed,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("pl031", state, STATE_VERSION);
    const armed = reader.flag("armed");
    this.reset();
    this.#shift = reader.u32("shift");
    this.#load = reader.u32("load");
    this.#match = reader.u32("match");
    this.#mask = reader.unsigned("mask", 1);
    this.#raw = reader.unsigned("raw", 1);
    if (armed) this.#arm((this.#match - this.#seconds()) >>> 0);
    this.#update();
  }

  #now(): bigint {
    return this.#epoch + BigInt(Math.floor(this.#clock.now()));
  }

  #seconds(): number {
    return (Number((this.#now() / SECOND) & 0xffff_ffffn) + this.#shift) >>> 0;
  }

  /** After a write of the match or the time: the counter matches now, or when it gets there, around 2^32 perhaps. */
  #compare(): void {
    const ahead = (this.#match - this.#seconds()) >>> 0;
    if (ahead === 0) this.#raw = 1;
    this.#arm(ahead);
  }

  #arm(ahead: number): void {
    // A match now is over; the next one is a whole turn of the counter away.
    const seconds = ahead === 0 ? 2 ** 32 : ahead;
    const now = this.#now();
    const due = (now / SECOND + BigInt(seconds)) * SECOND;
    this.#alarm.arm(Math.floor(this.#clock.now()) + Number(due - now));
  }

  #ring(): void {
    this.#raw = 1;
    this.#arm(0);
    this.#update();
  }

  #update(): void {
    this.#irq.set((this.#raw & this.#mask) !== 0);
  }
}
