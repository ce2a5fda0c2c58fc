import { HyperError, type IrqLine, type MmioDevice } from "@hypercraft/hypercraft";
import type { ApicBus, EndOfInterruptListener } from "./apic-bus.js";
import { DeliveryMode } from "./message.js";

// I/O APIC: 82093AA data sheet, with the EOI register of version 0x20 (ICH data sheets).

const SELECT = 0x00;
const WINDOW = 0x10;
const END = 0x40;
/** Registers behind the window. */
const ID = 0x00;
const VERSION = 0x01;
const ARBITRATION = 0x02;
const REDIRECTION = 0x10;
const ID_BITS = 0x0f00_0000;
const VERSION_NUMBER = 0x20;

/** Low half of a redirection entry. */
const ENTRY = {
  vector: 0xff,
  modeShift: 8,
  logical: 1 << 11,
  remoteIrr: 1 << 14,
  level: 1 << 15,
  mask: 1 << 16,
  writable: 0x1afff,
} as const;

export interface IoApicOptions {
  readonly bus: ApicBus;
  /** I/O APIC ID after reset. */
  readonly id?: number;
  /** Inputs, 1 to 240; default 24. */
  readonly pins?: number;
}

/** An I/O APIC's registers and inputs, as plain data. */
export interface IoApicState {
  readonly version: 1;
  readonly id: number;
  readonly select: number;
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly level: readonly boolean[];
}

/**
 * An I/O APIC as a register model. A line is asserted or not, whichever polarity its entry says: boards are wired
 * so that both agree.
 */
export class IoApic implements MmioDevice, EndOfInterruptListener {
  readonly pins: number;
  private readonly bus: ApicBus;
  private readonly firstId: number;
  private idRegister = 0;
  private select = 0;
  private readonly low: Uint32Array;
  private readonly high: Uint32Array;
  private readonly level: boolean[];

  /** Throws InvalidParam for a number of pins that cannot be. */
  constructor({ bus, id = 0, pins = 24 }: IoApicOptions) {
    if (!Number.isInteger(pins) || pins < 1 || pins > 240)
      throw new HyperError("InvalidParam", `an I/O APIC has 1 to 240 pins, not ${pins}`);
    this.bus = bus;
    this.pins = pins;
    this.firstId = id;
    this.low = new Uint32Array(pins);
    this.high = new Uint32Array(pins);
    this.level = new Array<boolean>(pins).fill(false);
    this.reset();
    bus.listen(this);
  }

  reset(): void {
    this.idRegister = (this.firstId << 24) & ID_BITS;
    this.select = 0;
    this.low.fill(ENTRY.mask);
    this.high.fill(0);
  }

  /** The input of one pin. Throws OutOfRange. */
  line(pin: number): IrqLine {
    if (!Number.isInteger(pin) || pin < 0 || pin >= this.pins)
      throw new HyperError("OutOfRange", `the I/O APIC has no pin ${pin} (0..${this.pins - 1})`);
    return { set: (level) => this.setLevel(pin, level) };
  }

  private setLevel(pin: number, level: boolean): void {
    if (this.level[pin] === level) return;
    this.level[pin] = level;
    const entry = this.low[pin]!;
    // An edge that meets a mask is lost.
    if ((entry & ENTRY.level) !== 0) this.serviceLevel(pin);
    else if (level && (entry & ENTRY.mask) === 0) this.send(pin);
  }

  private serviceLevel(pin: number): void {
    const entry = this.low[pin]!;
    if (!this.level[pin] || (entry & ENTRY.level) === 0) return;
    if ((entry & (ENTRY.mask | ENTRY.remoteIrr)) !== 0) return;
    if (this.send(pin)) this.low[pin] = entry | ENTRY.remoteIrr;
  }

  /** True if a local APIC took it as a level-triggered interrupt that it will end. */
  private send(pin: number): boolean {
    const entry = this.low[pin]!;
    const mode = (entry >> ENTRY.modeShift) & 7;
    const ends = mode === DeliveryMode.fixed || mode === DeliveryMode.lowestPriority;
    const accepted = this.bus.send({
      mode,
      vector: entry & ENTRY.vector,
      level: ends && (entry & ENTRY.level) !== 0,
      logical: (entry & ENTRY.logical) !== 0,
      destination: this.high[pin]! >>> 24,
      wide: false,
    });
    return accepted && ends;
  }

  retry(): void {
    for (let pin = 0; pin < this.pins; pin++) this.serviceLevel(pin);
  }

  /** EOI of a vector, by broadcast or by the register. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < this.pins; pin++) {
      const entry = this.low[pin]!;
      if ((entry & ENTRY.vector) !== vector || (entry & ENTRY.remoteIrr) === 0) continue;
      this.low[pin] = entry & ~ENTRY.remoteIrr;
      this.serviceLevel(pin);
    }
  }

  /** Registers have 32 bits; narrower reads give parts of them, narrower writes reach IOREGSEL alone. */
  read(offset: number, width: 1 | 2 | 4): number {
    const word = this.readWord(offset & ~3);
    if (width === 4) return word >>> 0;
    return (word >>> ((offset & 3) * 8)) & (width === 1 ? 0xff : 0xffff);
  }

  private readWord(offset: number): number {
    if (offset === SELECT) return this.select;
    return offset === WINDOW ? this.get(this.select) : 0;
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset === SELECT) this.select = value & 0xff;
    else if (width !== 4) return;
    else if (offset === WINDOW) this.set(this.select, value >>> 0);
    else if (offset === END) this.endOfInterrupt(value & 0xff);
  }

  private get(register: number): number {
    if (register === ID || register === ARBITRATION) return this.idRegister;
    if (register === VERSION) return VERSION_NUMBER | ((this.pins - 1) << 16);
    const half = register & 1 ? this.high : this.low;
    return half[(register - REDIRECTION) >> 1] ?? 0;
  }

  private set(register: number, value: number): void {
    if (register === ID) this.idRegister = value & ID_BITS;
    const pin = (register - REDIRECTION) >> 1;
    if (pin < 0 || pin >= this.pins) return;
    if (register & 1) {
      this.high[pin] = value & 0xff00_0000;
      return;
    }
    const old = this.low[pin]!;
    // An entry that becomes edge-triggered waits for no end.
    const kept = (value & ENTRY.level) !== 0 ? old & ENTRY.remoteIrr : 0;
    this.low[pin] = (value & ENTRY.writable) | kept;
    this.serviceLevel(pin);
  }

  state(): IoApicState {
    return {
      version: 1,
      id: this.idRegister,
      select: this.select,
      low: [...this.low],
      high: [...this.high],
      level: [...this.level],
    };
  }

  /** Throws InvalidParam for a state of another version or shape. */
  restore(state: IoApicState): void {
    if (state.version !== 1 || state.low.length !== this.pins)
      throw new HyperError("InvalidParam", "the saved state of an I/O APIC is of another version or shape");
    this.idRegister = state.id;
    this.select = state.select;
    this.low.set(state.low);
    this.high.set(state.high);
    state.level.forEach((level, pin) => {
      this.level[pin] = level;
    });
  }
}
