import type { ComponentState, DeviceWidth, IrqLine } from "../contracts.js";
import { MachineError } from "../errors.js";
import { StateReader } from "../state-reader.js";
import { type Device, noIrq } from "./device.js";

// 8259A programmable interrupt controller (data sheet 231468), two of them as in PCs, with the edge/level control
// registers of EISA and later chip sets (82371AB data sheet, 4.2.5).

const STATE_VERSION = 1;

/** Offsets from port 0x20. */
const SECOND = 0x80;
const TRIGGERS = 0x4b0;
/** Where the second chip's output goes. */
const CASCADE = 2;
/** Inputs whose trigger mode is fixed: timer, keyboard, cascade; clock and coprocessor. */
const LEVEL_CAPABLE = [0xf8, 0xde] as const;
const INPUTS = 8;
/** What acknowledging gives when no request is there any more. */
const SPURIOUS = 7;

const ICW1 = { ic4: 0x01, single: 0x02, marker: 0x10 } as const;
const ICW4 = { autoEnd: 0x02, specialNested: 0x10 } as const;
const OCW3 = { marker: 0x08, poll: 0x04, readSelect: 0x02, readService: 0x01 } as const;
const SPECIAL_MASK = { enable: 0x40, value: 0x20 } as const;

/** Where the initialization sequence stands. */
const Step = { done: 0, icw2: 2, icw3: 3, icw4: 4 } as const;

/** One 8259A. `requests` is IRR, `service` ISR, `mask` IMR. */
class Chip {
  lines = 0;
  /** Edges that were seen and not acknowledged, while the line is high. */
  edges = 0;
  service = 0;
  mask = 0;
  levelTriggered = 0;
  base = 0;
  /** The level of lowest priority. */
  lowest = 7;
  step: number = Step.done;
  single = false;
  needsIcw4 = false;
  icw3 = 0;
  autoEnd = false;
  rotateAtEnd = false;
  specialNested = false;
  specialMask = false;
  readService = false;
  polling = false;

  get requests(): number {
    return (this.lines & this.levelTriggered) | this.edges;
  }

  setLine(input: number, level: boolean): void {
    const bit = 1 << input;
    if (level === ((this.lines & bit) !== 0)) return;
    this.lines ^= bit;
    // A request that is withdrawn before its acknowledgement is none.
    if (level && (this.levelTriggered & bit) === 0) this.edges |= bit;
    else this.edges &= ~bit;
  }

  /** Distance from the highest priority. */
  private rank(input: number): number {
    return (input - this.lowest - 1) & 7;
  }

  /** The input of highest priority in a set, -1 in the empty one. */
  private first(set: number): number {
    for (let rank = 0; rank < INPUTS; rank++) {
      const input = (this.lowest + 1 + rank) & 7;
      if ((set >> input) & 1) return input;
    }
    return -1;
  }

  /** The request that INT tells of, -1 if there is none. */
  request(cascaded: boolean): number {
    const request = this.first(this.requests & ~this.mask);
    if (request < 0) return -1;
    let blocking = this.specialMask ? this.service & ~this.mask : this.service;
    // The second chip's higher requests come through while a lower one of it is in service.
    if (this.specialNested && cascaded) blocking &= ~(1 << CASCADE);
    const servicing = this.first(blocking);
    return servicing < 0 || this.rank(request) < this.rank(servicing) ? request : -1;
  }

  /** INTA: the level, which is in service now. */
  acknowledge(cascaded: boolean): number {
    const level = this.request(cascaded);
    if (level < 0) return SPURIOUS;
    this.edges &= ~(1 << level);
    if (!this.autoEnd) this.service |= 1 << level;
    else if (this.rotateAtEnd) this.lowest = level;
    return level;
  }

  write(a0: number, value: number): void {
    this.polling = false;
    if (a0 === 0) {
      if ((value & ICW1.marker) !== 0) this.begin(value);
      else if ((value & OCW3.marker) !== 0) this.operate(value);
      else this.end(value >> 5, value & 7);
      return;
    }
    switch (this.step) {
      case Step.icw2:
        this.base = value & 0xf8;
        this.step = this.single ? this.afterIcw3() : Step.icw3;
        break;
      case Step.icw3:
        this.icw3 = value;
        this.step = this.afterIcw3();
        break;
      case Step.icw4:
        this.autoEnd = (value & ICW4.autoEnd) !== 0;
        this.specialNested = (value & ICW4.specialNested) !== 0;
        this.step = Step.done;
        break;
      default:
        this.mask = value;
    }
  }

  private afterIcw3(): number {
    return this.needsIcw4 ? Step.icw4 : Step.done;
  }

  /** ICW1. */
  private begin(value: number): void {
    this.edges = 0;
    this.service = 0;
    this.mask = 0;
    this.lowest = 7;
    this.specialMask = false;
    this.readService = false;
    this.autoEnd = false;
    this.rotateAtEnd = false;
    this.specialNested = false;
    this.single = (value & ICW1.single) !== 0;
    this.needsIcw4 = (value & ICW1.ic4) !== 0;
    this.step = Step.icw2;
  }

  /** OCW3. */
  private operate(value: number): void {
    if ((value & SPECIAL_MASK.enable) !== 0) this.specialMask = (value & SPECIAL_MASK.value) !== 0;
    this.polling = (value & OCW3.poll) !== 0;
    if ((value & OCW3.readSelect) !== 0) this.readService = (value & OCW3.readService) !== 0;
  }

  /** OCW2: R, SL and EOI. */
  private end(command: number, level: number): void {
    switch (command) {
      case 0b000:
      case 0b100:
        this.rotateAtEnd = command === 0b100;
        break;
      case 0b001:
      case 0b101: {
        const ended = this.first(this.specialMask ? this.service & ~this.mask : this.service);
        if (ended < 0) break;
        this.service &= ~(1 << ended);
        if (command === 0b101) this.lowest = ended;
        break;
      }
      case 0b011:
      case 0b111:
        this.service &= ~(1 << level);
        if (command === 0b111) this.lowest = level;
        break;
      case 0b110:
        this.lowest = level;
        break;
      default:
        break;
    }
  }

  read(a0: number): number {
    if (a0 === 1) return this.mask;
    return this.readService ? this.service : this.requests;
  }

  /** Trigger modes by input: 1 is level. */
  setTriggers(value: number): void {
    this.levelTriggered = value;
    this.edges &= ~value;
  }

  state(): ComponentState {
    const { lines, edges, service, mask, levelTriggered, base, lowest, step, icw3 } = this;
    const { single, needsIcw4, autoEnd, rotateAtEnd, specialNested, specialMask, readService, polling } =
      this;
    return {
      version: STATE_VERSION,
      ...{ lines, edges, service, mask, levelTriggered, base, lowest, step, icw3 },
      ...{ single, needsIcw4, autoEnd, rotateAtEnd, specialNested, specialMask, readService, polling },
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("i8259", state, STATE_VERSION);
    const bytes = ["lines", "edges", "service", "mask", "levelTriggered", "base", "icw3"] as const;
    const flags = [
      ...(["single", "needsIcw4", "autoEnd", "rotateAtEnd"] as const),
      ...(["specialNested", "specialMask", "readService", "polling"] as const),
    ];
    for (const name of bytes) this[name] = reader.u8(name);
    for (const name of flags) this[name] = reader.flag(name);
    this.lowest = reader.unsigned("lowest", 3);
    this.step = reader.unsigned("step", 3);
  }
}

export interface PicOptions {
  /** INT of the first chip: the processors' INTR or LINT0. */
  readonly output?: IrqLine;
}

/**
 * Two 8259A, the second one behind input 2 of the first: interrupts 0 to 15. Registers are at offsets 0 and 1 from
 * port 0x20, 0x80 and 0x81, and the trigger modes at 0x4b0 and 0x4b1.
 */
export class Pic implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = {
    space: "ports",
    base: 0x20,
    size: 2,
    further: [
      { base: 0x20 + SECOND, size: 2 },
      { base: 0x20 + TRIGGERS, size: 2 },
    ],
  } as const;
  readonly #output: IrqLine;
  readonly #first = new Chip();
  readonly #second = new Chip();

  constructor({ output = noIrq }: PicOptions = {}) {
    this.#output = output;
  }

  /** An interrupt by its number, 0 to 15. Throws MachineError OutOfRange for others and for the cascade, 2. */
  line(irq: number): IrqLine {
    if (!Number.isInteger(irq) || irq < 0 || irq >= 2 * INPUTS || irq === CASCADE)
      throw new MachineError("OutOfRange", `the 8259s have no input ${irq} (0, 1, 3..15)`);
    const chip = irq < INPUTS ? this.#first : this.#second;
    return {
      set: (level) => {
        chip.setLine(irq & 7, level);
        this.#update();
      },
    };
  }

  /** INT of the first chip. */
  get pending(): boolean {
    return this.#first.request(true) >= 0;
  }

  /** INTA: the vector, now in service unless interrupts end by themselves. */
  acknowledge(): number {
    const level = this.#first.acknowledge(true);
    const vector =
      level === CASCADE && !this.#first.single
        ? this.#second.base + this.#second.acknowledge(false)
        : this.#first.base + level;
    this.#update();
    return vector;
  }

  reset(): void {
    for (const chip of [this.#first, this.#second]) {
      const { lines } = chip;
      Object.assign(chip, new Chip());
      chip.lines = lines;
    }
    this.#update();
  }

  read(offset: number, _width: DeviceWidth): number {
    const chip = this.#chip(offset);
    if (offset >= TRIGGERS) return chip.levelTriggered;
    if (!chip.polling) return chip.read(offset & 1);
    chip.polling = false;
    const first = chip === this.#first;
    const requested = chip.request(first) >= 0;
    const level = requested ? chip.acknowledge(first) : 0;
    this.#update();
    return requested ? 0x80 | level : 0;
  }

  write(offset: number, _width: DeviceWidth, value: number): void {
    const chip = this.#chip(offset);
    if (offset >= TRIGGERS) chip.setTriggers(value & LEVEL_CAPABLE[offset & 1]!);
    else chip.write(offset & 1, value & 0xff);
    this.#update();
  }

  #chip(offset: number): Chip {
    if (offset >= TRIGGERS) return offset & 1 ? this.#second : this.#first;
    return offset < SECOND ? this.#first : this.#second;
  }

  #update(): void {
    this.#first.setLine(CASCADE, this.#second.request(false) >= 0);
    this.#output.set(this.pending);
  }

  state(): ComponentState {
    return { version: STATE_VERSION, first: this.#first.state(), second: this.#second.state() };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("i8259", state, STATE_VERSION);
    this.#first.restore(reader.part("first"));
    this.#second.restore(reader.part("second"));
    this.#update();
  }
}
