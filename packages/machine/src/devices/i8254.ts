import { DeadlineTimer, Timebase } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

// 8254 programmable interval timer (data sheet 231164), as PCs have it: channel 0 interrupts, channel 1 refreshed
// memory, channel 2 has its gate and its output in port 0x61.

const STATE_VERSION = 1;
/** A third of the NTSC colour subcarrier. */
export const PIT_HZ = 1_193_182;

/** Offsets from port 0x40. */
const CONTROL = 3;
const PORT_B = 0x21;
const SPEAKER_CHANNEL = 2;

/** Port 0x61. */
const PORT_B_GATE = 0x01;
const PORT_B_WRITABLE = 0x0f;
const PORT_B_REFRESH = 0x10;
const PORT_B_OUT = 0x20;
/** Nanoseconds between two memory refreshes. */
const REFRESH_NS = 15_085;

const READ_BACK = 3;

/**
 * A counter. Ticks are those of its clock since the machine started; the count is a function of them, and of when it
 * was loaded.
 */
class Channel {
  /** As it was written: 6 and 7 are 2 and 3. */
  modeBits = 0;
  bcd = false;
  /** Bytes of the count register that are accessed: bit 0 the low one, bit 1 the high one. */
  access = 3;
  /** Counts from the count register, 1 to 65536; 0 before it was written. */
  reload = 0;
  /** The tick at which the count was loaded; undefined while it waits for a count, or for a trigger. */
  start: number | undefined;
  /** Ticks counted when the gate went low. */
  stoppedAt: number | undefined;
  /** What a periodic mode goes on with, and from which tick. */
  next: { readonly reload: number; readonly start: number; readonly from: number } | undefined;
  gate = true;
  /** A control word was written and no whole count since. */
  fresh = true;
  /** A count was written for the next trigger. */
  untriggered = false;
  lowByte: number | undefined;
  readHigh = false;
  latchedCount: number | undefined;
  latchedStatus: number | undefined;

  private get mode(): number {
    return this.modeBits > 5 ? this.modeBits - 4 : this.modeBits;
  }

  private get periodic(): boolean {
    return this.mode === 2 || this.mode === 3;
  }

  /** Started by the gate's rising edge alone. */
  private get triggered(): boolean {
    return this.mode === 1 || this.mode === 5;
  }

  private get modulus(): number {
    return this.bcd ? 10_000 : 0x1_0000;
  }

  control(value: number): void {
    this.access = (value >> 4) & 3;
    this.modeBits = (value >> 1) & 7;
    this.bcd = (value & 1) !== 0;
    this.start = undefined;
    this.stoppedAt = undefined;
    this.next = undefined;
    this.fresh = true;
    this.untriggered = false;
    this.lowByte = undefined;
    this.readHigh = false;
    this.latchedCount = undefined;
    this.latchedStatus = undefined;
  }

  /** Take up what was to begin by now. */
  settle(now: number): void {
    if (this.next === undefined || now < this.next.from) return;
    this.reload = this.next.reload;
    this.start = this.next.start;
    this.next = undefined;
  }

  /** A byte for the count register. */
  write(value: number, now: number): void {
    this.settle(now);
    if (this.access === 3) {
      if (this.lowByte === undefined) {
        this.lowByte = value;
        // Mode 0 stops until the count is whole.
        if (this.mode === 0) this.start = undefined;
        return;
      }
      this.load((value << 8) | this.lowByte, now);
      this.lowByte = undefined;
    } else this.load(this.access === 1 ? value : value << 8, now);
  }

  private load(register: number, now: number): void {
    const count = (this.bcd ? fromBcd(register) : register) || this.modulus;
    this.fresh = false;
    if (this.triggered) {
      this.reload = count;
      this.untriggered = true;
    } else if (this.periodic && this.start !== undefined && this.stoppedAt === undefined) {
      this.next = this.afterThisCycle(count, now);
    } else {
      this.reload = count;
      this.begin(now);
    }
  }

  /** The count is loaded by the next clock. */
  private begin(now: number): void {
    this.start = now + 1;
    this.stoppedAt = this.gate ? undefined : 0;
  }

  /** A new count of a periodic mode waits for the end of the cycle, or of the half of a square wave. */
  private afterThisCycle(reload: number, now: number) {
    const start = this.start!;
    const elapsed = Math.max(0, now - start);
    const phase = elapsed % this.reload;
    const cycle = start + elapsed - phase;
    if (this.mode === 2) {
      const from = cycle + this.reload;
      return { reload, start: from, from };
    }
    const high = Math.ceil(this.reload / 2);
    const from = cycle + (phase < high ? high : this.reload);
    return { reload, start: phase < high ? from - Math.ceil(reload / 2) : from, from };
  }

  setGate(level: boolean, now: number): void {
    this.settle(now);
    if (level === this.gate) return;
    this.gate = level;
    if (level && (this.periodic || this.triggered)) {
      if (this.reload === 0 || this.fresh) return;
      this.untriggered = false;
      this.begin(now);
    } else if (level) {
      if (this.start !== undefined && this.stoppedAt !== undefined) this.start = now - this.stoppedAt;
      this.stoppedAt = undefined;
    } else if (!this.triggered && this.start !== undefined) this.stoppedAt = now - this.start;
  }

  private elapsed(now: number): number | undefined {
    return this.start === undefined ? undefined : (this.stoppedAt ?? now - this.start);
  }

  /** The counting element. */
  count(now: number): number {
    this.settle(now);
    const elapsed = this.elapsed(now);
    if (elapsed === undefined || elapsed < 0) return this.reload % this.modulus;
    const { reload, modulus } = this;
    if (this.mode === 2) return (reload - (elapsed % reload)) % modulus;
    if (this.mode === 3) return squareWaveCount(reload, elapsed % reload) % modulus;
    return (((reload - elapsed) % modulus) + modulus) % modulus;
  }

  out(now: number): boolean {
    this.settle(now);
    const elapsed = this.elapsed(now);
    // Before it counts, only mode 0 is low.
    if (elapsed === undefined || elapsed < 0) return this.mode !== 0;
    const { reload } = this;
    switch (this.mode) {
      case 0:
        return elapsed >= reload;
      case 1:
        return elapsed >= reload;
      case 2:
        return !this.gate || elapsed % reload !== reload - 1;
      case 3:
        return !this.gate || elapsed % reload < Math.ceil(reload / 2);
      default:
        return elapsed !== reload;
    }
  }

  /** The tick at which the output changes next, as things are. */
  nextChange(now: number): number {
    this.settle(now);
    const { start, reload } = this;
    if (start === undefined || this.stoppedAt !== undefined) return Number.POSITIVE_INFINITY;
    const change = this.changeAfter(now, start, reload);
    return this.next === undefined ? change : Math.min(change, this.next.from);
  }

  private changeAfter(now: number, start: number, reload: number): number {
    const elapsed = now - start;
    if (elapsed < 0 && this.mode === 1) return start;
    const past = Math.max(0, elapsed);
    const cycle = start + past - (past % reload);
    switch (this.mode) {
      case 2:
        return past % reload < reload - 1 ? cycle + reload - 1 : cycle + reload;
      case 3: {
        const high = Math.ceil(reload / 2);
        return past % reload < high ? cycle + high : cycle + reload;
      }
      case 0:
      case 1:
        return elapsed < reload ? start + reload : Number.POSITIVE_INFINITY;
      default:
        if (elapsed < reload) return start + reload;
        return elapsed === reload ? start + reload + 1 : Number.POSITIVE_INFINITY;
    }
  }

  latchCount(now: number): void {
    this.latchedCount ??= this.register(now);
  }

  latchStatus(now: number): void {
    const out = this.out(now) ? 0x80 : 0;
    const waiting = this.fresh || this.untriggered || this.next !== undefined || now < (this.start ?? now);
    this.latchedStatus ??=
      out | (waiting ? 0x40 : 0) | (this.access << 4) | (this.modeBits << 1) | (this.bcd ? 1 : 0);
  }

  private register(now: number): number {
    const count = this.count(now);
    return this.bcd ? toBcd(count) : count;
  }

  read(now: number): number {
    if (this.latchedStatus !== undefined) {
      const status = this.latchedStatus;
      this.latchedStatus = undefined;
      return status;
    }
    const value = this.latchedCount ?? this.register(now);
    const high = this.access === 3 ? this.readHigh : this.access === 2;
    if (this.access === 3) this.readHigh = !this.readHigh;
    if (high || this.access === 1) this.latchedCount = undefined;
    return high ? value >> 8 : value & 0xff;
  }

  state(): ComponentState {
    const { modeBits, bcd, access, reload, gate, fresh, untriggered, readHigh, next } = this;
    return {
      version: STATE_VERSION,
      ...{ modeBits, bcd, access, reload, gate, fresh, untriggered, readHigh },
      start: this.start ?? null,
      stoppedAt: this.stoppedAt ?? null,
      next: next === undefined ? null : [next.reload, next.start, next.from],
      lowByte: this.lowByte ?? null,
      latchedCount: this.latchedCount ?? null,
      latchedStatus: this.latchedStatus ?? null,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("i8254", state, STATE_VERSION);
    const optional = (field: string) => {
      const value = state[field];
      if (value === null) return undefined;
      if (!Number.isSafeInteger(value)) throw reader.bad(field);
      return value as number;
    };
    this.modeBits = reader.unsigned("modeBits", 3);
    this.bcd = reader.flag("bcd");
    this.access = reader.unsigned("access", 2);
    this.reload = reader.integer("reload");
    this.gate = reader.flag("gate");
    this.fresh = reader.flag("fresh");
    this.untriggered = reader.flag("untriggered");
    this.readHigh = reader.flag("readHigh");
    this.start = optional("start");
    this.stoppedAt = optional("stoppedAt");
    this.lowByte = optional("lowByte");
    this.latchedCount = optional("latchedCount");
    this.latchedStatus = optional("latchedStatus");
    this.next = undefined;
    if (state.next !== null) {
      const [reload, start, from] = reader.list("next") as number[];
      if (![reload, start, from].every(Number.isSafeInteger)) throw reader.bad("next");
      this.next = { reload: reload!, start: start!, from: from! };
    }
  }
}

/** A square wave's count goes down by two; of an odd one, the high half is one longer. */
function squareWaveCount(reload: number, phase: number): number {
  const high = Math.ceil(reload / 2);
  const even = reload - (reload % 2);
  return phase < high ? even - 2 * phase : even - 2 * (phase - high);
}

function fromBcd(value: number): number {
  return [0, 4, 8, 12].reduce((sum, shift, i) => sum + ((value >> shift) & 15) * 10 ** i, 0);
}

function toBcd(value: number): number {
  return [0, 4, 8, 12].reduce((sum, shift, i) => sum | ((Math.floor(value / 10 ** i) % 10) << shift), 0);
}

export interface PitOptions {
  /** Output of channel 0. */
  readonly irq: IrqLine;
  readonly clock: Clock;
  readonly timers: TimerQueue;
}

/** The interval timer of a PC: registers at offsets 0 to 3 from port 0x40, and port 0x61 at 0x21. */
export class Pit implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = {
    space: "ports",
    base: 0x40,
    size: 4,
    further: [{ base: 0x40 + PORT_B, size: 1 }],
  } as const;
  readonly #irq: IrqLine;
  readonly #clock: Clock;
  readonly #timebase = new Timebase(PIT_HZ);
  readonly #timer: DeadlineTimer;
  #channels: readonly [Channel, Channel, Channel];
  #portB = 0;
  /** The interrupt line's. */
  #level = false;

  constructor({ irq, clock, timers }: PitOptions) {
    this.#irq = irq;
    this.#clock = clock;
    this.#timer = new DeadlineTimer(timers, () => this.#changed());
    this.#channels = makeChannels();
  }

  reset(): void {
    this.#channels = makeChannels();
    this.#portB = 0;
    this.#timer.cancel();
    this.#level = false;
    this.#irq.set(false);
  }

  /** Whether the speaker sounds: channel 2 lets its wave through, and bit 1 of port 0x61. */
  get speaker(): boolean {
    return (this.#portB & 3) === 3;
  }

  get #now(): number {
    return this.#timebase.ticks(this.#clock.now());
  }

  read(offset: number, _width: DeviceWidth): number {
    if (offset === PORT_B) return this.#readPortB();
    return this.#channels[offset]?.read(this.#now) ?? 0xff;
  }

  write(offset: number, _width: DeviceWidth, value: number): void {
    const now = this.#now;
    if (offset === PORT_B) {
      this.#portB = value & PORT_B_WRITABLE;
      this.#channels[SPEAKER_CHANNEL].setGate((value & PORT_B_GATE) !== 0, now);
    } else if (offset === CONTROL) this.#control(value & 0xff, now);
    else this.#channels[offset]?.write(value & 0xff, now);
    if (offset !== PORT_B) this.#update();
  }

  #control(value: number, now: number): void {
    const select = value >> 6;
    if (select === READ_BACK) {
      this.#channels.forEach((channel, index) => {
        if (((value >> (index + 1)) & 1) === 0) return;
        if ((value & 0x20) === 0) channel.latchCount(now);
        if ((value & 0x10) === 0) channel.latchStatus(now);
      });
    } else if ((value & 0x30) === 0) this.#channels[select]!.latchCount(now);
    else this.#channels[select]!.control(value);
  }

  #readPortB(): number {
    const refresh = Math.floor(this.#clock.now() / REFRESH_NS) & 1 ? PORT_B_REFRESH : 0;
    return this.#portB | refresh | (this.#channels[SPEAKER_CHANNEL].out(this.#now) ? PORT_B_OUT : 0);
  }

  /** The output changed; seen so late that it changed back, it was a pulse. */
  #changed(): void {
    const level = this.#channels[0].out(this.#now);
    if (level === this.#level) this.#irq.set(!level);
    this.#update();
  }

  /** Channel 0's output to its line, and again when it changes. */
  #update(): void {
    const [channel] = this.#channels;
    const now = this.#now;
    this.#level = channel.out(now);
    this.#irq.set(this.#level);
    const change = channel.nextChange(now);
    this.#timer.restore(Number.isFinite(change) ? this.#timebase.nanoseconds(change) : null);
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      channels: this.#channels.map((channel) => channel.state()),
      portB: this.#portB,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("i8254", state, STATE_VERSION);
    const channels = reader.parts("channels");
    if (channels.length !== 3) throw reader.bad("channels");
    channels.forEach((part, index) => this.#channels[index]!.restore(part));
    this.#portB = reader.u8("portB");
    this.#update();
  }
}

/** The gates of channels 0 and 1 are tied high. */
function makeChannels(): [Channel, Channel, Channel] {
  const channels: [Channel, Channel, Channel] = [new Channel(), new Channel(), new Channel()];
  channels[SPEAKER_CHANNEL].gate = false;
  return channels;
}
