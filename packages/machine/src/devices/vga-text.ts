import type { Clock, ComponentState, DeviceWidth } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

// The registers of a VGA in text mode (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"). They hold what
// is written to them and say where the beam would be; that is all that programs need that write to text memory, which is
// plain RAM. Nothing is drawn, and there is no graphics mode.

const STATE_VERSION = 1;

/** Ports from the first one, 0x3c0, on. */
const ATTRIBUTE = 0x00;
const ATTRIBUTE_READ = 0x01;
const MISCELLANEOUS_WRITE = 0x02;
const SEQUENCER = 0x04;
const PALETTE_MASK = 0x06;
const PALETTE_READ_INDEX = 0x07;
const PALETTE_INDEX = 0x08;
const PALETTE_DATA = 0x09;
const FEATURE_READ = 0x0a;
const MISCELLANEOUS_READ = 0x0c;
const GRAPHICS = 0x0e;
const CRTC = 0x14;
const STATUS = 0x1a;

/** The CRTC's registers of the address of the character with the cursor, high and low half. */
const CURSOR = { high: 0x0e, low: 0x0f } as const;

/** Registers in mode 3: 80 by 25 characters, 16 colours. */
const MODE_3 = {
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [
    ...[0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e],
    ...[0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff],
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
  attribute: [
    ...[0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f],
    ...[0x0c, 0x00, 0x0f, 0x08, 0x00],
  ],
  /** Colours, so its CRTC is at 0x3d4; RAM on. */
  miscellaneous: 0x67,
} as const;

/** A line of 900 dots at 28.322 MHz, of which 720 show something; 449 of them are a frame, 400 with a picture. */
const LINE_NS = (900 * 1000) / 28.322;
const LINES = 449;
const SHOWN_LINES = 400;
const RETRACE_LINES = [412, 414] as const;
/** The part of a line that shows something. */
const SHOWN_OF_LINE = 0.8;

const STATUS_BIT = { notShown: 0x01, verticalRetrace: 0x08 } as const;

/** Registers behind an index. */
class RegisterFile {
  index = 0;
  readonly #initial: readonly number[];
  readonly values: Uint8Array;

  constructor(initial: readonly number[]) {
    this.#initial = initial;
    this.values = Uint8Array.from(initial);
  }

  reset(): void {
    this.index = 0;
    this.values.set(this.#initial);
  }

  get(): number {
    return this.values[this.index] ?? 0;
  }

  set(value: number): void {
    this.values[this.index] = value;
  }
}

/** 256 colours of 3 bytes of 6 bits. */
const PALETTE_SIZE = 768;

export class VgaText implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0x3c0, size: 0x20 } as const;
  readonly #clock: Clock;
  readonly #sequencer = new RegisterFile(MODE_3.sequencer);
  readonly #crtc = new RegisterFile(MODE_3.crtc);
  readonly #graphics = new RegisterFile(MODE_3.graphics);
  readonly #attribute = new RegisterFile(MODE_3.attribute);
  readonly #palette = new Uint8Array(PALETTE_SIZE);
  /** Of the palette: the next byte to be read, and written, and the mask. */
  #readAt = 0;
  #writeAt = 0;
  #mask = 0xff;
  #miscellaneous: number = MODE_3.miscellaneous;
  /** The attribute controller's port takes data next, not an index. */
  #attributeData = false;

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  reset(): void {
    for (const file of this.#files) file.reset();
    this.#palette.fill(0);
    this.#readAt = 0;
    this.#writeAt = 0;
    this.#mask = 0xff;
    this.#miscellaneous = MODE_3.miscellaneous;
    this.#attributeData = false;
  }

  get #files(): readonly RegisterFile[] {
    return [this.#sequencer, this.#crtc, this.#graphics, this.#attribute];
  }

  /** Index of the character with the cursor. */
  get cursor(): number {
    const { values } = this.#crtc;
    return 256 * values[CURSOR.high]! + values[CURSOR.low]!;
  }

  read(offset: number, width: DeviceWidth): number {
    // An access to several ports is one to each.
    let value = 0;
    for (let i = 0; i < width; i++) value += this.#readPort(offset + i) * 2 ** (8 * i);
    return value;
  }

  #readPort(port: number): number {
    switch (port) {
      case ATTRIBUTE:
        return this.#attribute.index;
      case ATTRIBUTE_READ:
        return this.#attribute.get();
      case MISCELLANEOUS_READ:
        return this.#miscellaneous;
      case PALETTE_MASK:
        return this.#mask;
      case PALETTE_READ_INDEX:
        return 0;
      case PALETTE_INDEX:
        return Math.floor(this.#writeAt / 3);
      case PALETTE_DATA: {
        const value = this.#palette[this.#readAt]!;
        this.#readAt = (this.#readAt + 1) % PALETTE_SIZE;
        return value;
      }
      case FEATURE_READ:
      case MISCELLANEOUS_WRITE:
        return 0;
      case STATUS:
        this.#attributeData = false;
        return this.#status;
      default: {
        const file = this.#fileAt(port & ~1);
        if (file === undefined) return 0xff;
        return (port & 1) === 0 ? file.index : file.get();
      }
    }
  }

  /** Where the beam is. */
  get #status(): number {
    const line = (this.#clock.now() / LINE_NS) % LINES;
    const shown = line < SHOWN_LINES && line % 1 < SHOWN_OF_LINE;
    const retrace = line >= RETRACE_LINES[0] && line < RETRACE_LINES[1];
    return (shown ? 0 : STATUS_BIT.notShown) | (retrace ? STATUS_BIT.verticalRetrace : 0);
  }

  #fileAt(port: number): RegisterFile | undefined {
    if (port === SEQUENCER) return this.#sequencer;
    if (port === GRAPHICS) return this.#graphics;
    return port === CRTC ? this.#crtc : undefined;
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    for (let i = 0; i < width; i++) this.#writePort(offset + i, Math.floor(value / 2 ** (8 * i)) & 0xff);
  }

  #writePort(port: number, value: number): void {
    switch (port) {
      case ATTRIBUTE:
        if (this.#attributeData) this.#attribute.set(value);
        // Bit 5 lets the palette be shown.
        else this.#attribute.index = value & 0x1f;
        this.#attributeData = !this.#attributeData;
        return;
      case MISCELLANEOUS_WRITE:
        this.#miscellaneous = value;
        return;
      case PALETTE_MASK:
        this.#mask = value;
        return;
      case PALETTE_READ_INDEX:
        this.#readAt = 3 * value;
        return;
      case PALETTE_INDEX:
        this.#writeAt = 3 * value;
        return;
      case PALETTE_DATA:
        this.#palette[this.#writeAt] = value & 0x3f;
        this.#writeAt = (this.#writeAt + 1) % PALETTE_SIZE;
        return;
      default: {
        const file = this.#fileAt(port & ~1);
        if (file === undefined) return;
        if ((port & 1) === 0) file.index = value;
        else file.set(value);
      }
    }
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      registers: this.#files.map(({ values }) => [...values]),
      indices: this.#files.map(({ index }) => index),
      palette: [...this.#palette],
      readAt: this.#readAt,
      writeAt: this.#writeAt,
      mask: this.#mask,
      miscellaneous: this.#miscellaneous,
      attributeData: this.#attributeData,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("vga", state, STATE_VERSION);
    const registers = reader.list("registers");
    const indices = reader.integers("indices", this.#files.length, 0xff);
    const palette = reader.integers("palette", PALETTE_SIZE, 0x3f);
    if (palette.length !== PALETTE_SIZE) throw reader.bad("palette");
    for (const [i, file] of this.#files.entries()) {
      const values = registers[i];
      if (!Array.isArray(values) || values.length !== file.values.length || indices[i] === undefined)
        throw reader.bad("registers");
      file.values.set(values as number[]);
      file.index = indices[i];
    }
    this.#palette.set(palette);
    this.#readAt = reader.unsigned("readAt", 10) % PALETTE_SIZE;
    this.#writeAt = reader.unsigned("writeAt", 10) % PALETTE_SIZE;
    this.#mask = reader.u8("mask");
    this.#miscellaneous = reader.u8("miscellaneous");
    this.#attributeData = reader.flag("attributeData");
  }
}
