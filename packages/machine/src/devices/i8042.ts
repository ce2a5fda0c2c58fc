import type { ComponentState, DeviceWidth, IrqLine } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { A20Gate } from "./a20-gate.js";
import type { Device } from "./device.js";

// The keyboard controller of PCs (IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and
// auxiliary device controller"), with a keyboard and without a mouse.

const STATE_VERSION = 1;
/** Offsets from port 0x60. */
const DATA = 0;
const COMMAND = 4;

const STATUS = { outputFull: 0x01, selfTested: 0x04, command: 0x08, unlocked: 0x10 } as const;
/** Command byte. */
const MODE = { interrupt: 0x01, selfTested: 0x04, keyboardOff: 0x10, mouseOff: 0x20 } as const;
const AFTER_SELF_TEST = MODE.interrupt | MODE.selfTested | MODE.keyboardOff | MODE.mouseOff;
/** Output port: bit 0 low resets the processors; here that is a pulse, as nobody would be there to end it. */
const OUTPUT = { running: 0x01, a20: 0x02, idle: 0xcc } as const;
const ACKNOWLEDGE = 0xfa;
const RESEND = 0xfe;
/** Bytes that a keyboard holds. */
const QUEUE = 16;

export interface KeyboardControllerOptions {
  /** Interrupt 1. */
  readonly irq: IrqLine;
  /** The guest reset the processors. */
  readonly onInit: () => void;
  readonly a20: A20Gate;
}

/** The 8042 with a keyboard behind it. */
export class KeyboardController implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = {
    space: "ports",
    base: 0x60,
    size: 1,
    further: [{ base: 0x64, size: 1 }],
  } as const;
  readonly #options: KeyboardControllerOptions;
  #mode = 0;
  #outputPort = 0;
  /** Answers of the controller, and of the keyboard. */
  #answers: number[] = [];
  #keys: number[] = [];
  #lastData = 0;
  /** The last write was a command; which controller or keyboard command waits for its parameter. */
  #commanded = false;
  #parameterOf = -1;
  #keyboardParameterOf = -1;
  #scanning = true;

  constructor(options: KeyboardControllerOptions) {
    this.#options = options;
    this.reset();
  }

  reset(): void {
    this.#mode = MODE.interrupt | MODE.selfTested;
    this.#setOutputPort(OUTPUT.idle | OUTPUT.running | OUTPUT.a20);
    this.#answers = [];
    this.#keys = [];
    this.#lastData = 0;
    this.#commanded = false;
    this.#parameterOf = -1;
    this.#keyboardParameterOf = -1;
    this.#scanning = true;
    this.#update();
  }

  /** Scan codes of set 1, as the controller translates them: a key was pressed or released. */
  type(codes: readonly number[]): void {
    if (!this.#scanning || this.#keys.length + codes.length > QUEUE) return;
    this.#keys.push(...codes);
    this.#update();
  }

  get #keyboardTalks(): boolean {
    return (this.#mode & MODE.keyboardOff) === 0 && this.#keys.length > 0;
  }

  get #full(): boolean {
    return this.#answers.length > 0 || this.#keyboardTalks;
  }

  #update(): void {
    const interrupts = (this.#mode & MODE.interrupt) !== 0;
    this.#options.irq.set(interrupts && this.#full);
  }

  read(offset: number, _width: DeviceWidth): number {
    if (offset === COMMAND) return this.#status;
    if (this.#answers.length > 0) this.#lastData = this.#answers.shift()!;
    else if (this.#keyboardTalks) this.#lastData = this.#keys.shift()!;
    // Each byte is an edge of its own.
    this.#options.irq.set(false);
    this.#update();
    return this.#lastData;
  }

  get #status(): number {
    return (
      (this.#full ? STATUS.outputFull : 0) |
      ((this.#mode & MODE.selfTested) !== 0 ? STATUS.selfTested : 0) |
      (this.#commanded ? STATUS.command : 0) |
      STATUS.unlocked
    );
  }

  write(offset: number, _width: DeviceWidth, value: number): void {
    this.#commanded = offset === COMMAND;
    if (offset === COMMAND) this.#command(value & 0xff);
    else if (offset === DATA) this.#data(value & 0xff);
    this.#update();
  }

  #command(command: number): void {
    this.#parameterOf = -1;
    switch (command) {
      case 0x20:
        this.#answers.push(this.#mode);
        break;
      case 0x60:
      case 0xd1:
      case 0xd2:
      case 0xd3:
      case 0xd4:
        this.#parameterOf = command;
        break;
      case 0xa7:
        this.#mode |= MODE.mouseOff;
        break;
      case 0xa8:
        this.#mode &= ~MODE.mouseOff;
        break;
      case 0xa9:
      case 0xab:
        // The lines to the devices are good.
        this.#answers.push(0);
        break;
      case 0xaa:
        this.#mode = AFTER_SELF_TEST;
        this.#answers.push(0x55);
        break;
      case 0xad:
        this.#mode |= MODE.keyboardOff;
        break;
      case 0xae:
        this.#mode &= ~MODE.keyboardOff;
        break;
      case 0xc0:
        // Not locked, colour display.
        this.#answers.push(0x80);
        break;
      case 0xd0:
        this.#answers.push(this.#outputPort);
        break;
      case 0xdd:
        this.#setOutputPort(this.#outputPort & ~OUTPUT.a20);
        break;
      case 0xdf:
        this.#setOutputPort(this.#outputPort | OUTPUT.a20);
        break;
      default:
        // Bits 3:0 that are clear pulse lines of the output port.
        if (command >= 0xf0 && (command & OUTPUT.running) === 0) this.#options.onInit();
    }
  }

  #setOutputPort(value: number): void {
    this.#outputPort = value;
    this.#options.a20.set((value & OUTPUT.a20) !== 0);
  }

  #data(value: number): void {
    const command = this.#parameterOf;
    this.#parameterOf = -1;
    switch (command) {
      case 0x60:
        this.#mode = value & 0x77;
        break;
      case 0xd1:
        this.#setOutputPort(value | OUTPUT.running);
        if ((value & OUTPUT.running) === 0) this.#options.onInit();
        break;
      case 0xd2:
      case 0xd3:
        this.#answers.push(value);
        break;
      case 0xd4:
        // No mouse answers.
        break;
      default:
        this.#keyboard(value);
    }
  }

  /** A byte for the keyboard, which enables it, too. */
  #keyboard(value: number): void {
    this.#mode &= ~MODE.keyboardOff;
    if (this.#keyboardParameterOf >= 0) {
      const command = this.#keyboardParameterOf;
      this.#keyboardParameterOf = -1;
      this.#keys.push(ACKNOWLEDGE);
      // The scan code set that it is asked for: 2, which the controller translates.
      if (command === 0xf0 && value === 0) this.#keys.push(0x41);
      return;
    }
    switch (value) {
      case 0xed:
      case 0xf0:
      case 0xf3:
        this.#keyboardParameterOf = value;
        this.#keys.push(ACKNOWLEDGE);
        break;
      case 0xee:
        this.#keys.push(0xee);
        break;
      case 0xf2:
        // An MF2 keyboard; its ID comes translated, too.
        this.#keys.push(ACKNOWLEDGE, 0xab, 0x41);
        break;
      case 0xf4:
      case 0xf5:
      case 0xf6:
        this.#scanning = value !== 0xf5;
        this.#keys.push(ACKNOWLEDGE);
        break;
      case 0xff:
        this.#scanning = true;
        this.#keys = [ACKNOWLEDGE, 0xaa];
        break;
      default:
        this.#keys.push(RESEND);
    }
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      mode: this.#mode,
      outputPort: this.#outputPort,
      answers: [...this.#answers],
      keys: [...this.#keys],
      lastData: this.#lastData,
      commanded: this.#commanded,
      parameterOf: this.#parameterOf + 1,
      keyboardParameterOf: this.#keyboardParameterOf + 1,
      scanning: this.#scanning,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("i8042", state, STATE_VERSION);
    this.#answers = reader.integers("answers", 4 * QUEUE, 0xff);
    this.#keys = reader.integers("keys", 4 * QUEUE, 0xff);
    this.#mode = reader.u8("mode");
    this.#outputPort = reader.u8("outputPort");
    this.#lastData = reader.u8("lastData");
    this.#commanded = reader.flag("commanded");
    this.#parameterOf = reader.unsigned("parameterOf", 9) - 1;
    this.#keyboardParameterOf = reader.unsigned("keyboardParameterOf", 9) - 1;
    this.#scanning = reader.flag("scanning");
    this.#update();
  }
}
