import { DeadlineTimer } from "@hypercraft/hypercraft";
import type { ByteSink, ByteSource } from "../console/bytes.js";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import type { FdtNode } from "../fdt/node.js";
import { StateReader } from "../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "./device.js";
import { HeldInput } from "./held-input.js";

const STATE_VERSION = 1;

/** Registers by index (PC16550D datasheet, table II). */
const RBR_THR = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_RX = 0x01;
const IER_THRE = 0x02;
const IER_LINE = 0x04;
const IER_MODEM = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_RX = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RX = 0x02;
const FCR_CLEAR_TX = 0x04;

const LCR_BREAK = 0x40;
const LCR_DLAB = 0x80;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;

const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_BI = 0x10;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
/** At least one error in the FIFO. */
const LSR_FIFO_ERROR = 0x80;

const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;
const MSR_TERI = 0x04;

const FIFO_SIZE = 16;
/** RX trigger level by FCR bits 7:6. */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
/** A character that came as a break: 0 with this flag, kept in the FIFO beside the byte. */
const BREAK = 0x100;

export interface Ns16550aOptions {
  readonly irq: IrqLine;
  /** Where transmitted bytes go. */
  readonly sink: ByteSink;
  /** Where received bytes come from. */
  readonly source?: ByteSource | undefined;
  /** For the character time-out and receive pacing. Without both, a time-out is immediate. */
  readonly clock?: Clock | undefined;
  readonly timers?: TimerQueue | undefined;
  /** Input clock in Hz, for the device tree and character times. Default 3.6864 MHz. */
  readonly frequency?: number;
  /** Registers are 2^shift bytes apart. Default 0. */
  readonly regShift?: 0 | 1 | 2;
  /** Least nanoseconds between two received characters; 0 (the default) takes them as the guest reads. */
  readonly receiveIntervalNs?: number;
  /**
   * Keep input waiting until the guest listens: until it enables the receive interrupt, or reads LSR many
   * times in a row; and keep what it clears before it has read a character. Otherwise drivers that clear the
   * FIFO at their start lose what was typed before. Default false.
   */
  readonly waitForListener?: boolean;
}

/**
 * 16550A UART as in the PC16550D datasheet. Transmission takes no time: THR and shift register are always
 * empty. Reception takes bytes from the source whenever the FIFO has room, so it never overruns but in
 * loopback. Modem inputs are those of a connected terminal: CTS, DSR and DCD high.
 */
export class Ns16550a implements Device {
  readonly #irq: IrqLine;
  readonly #sink: ByteSink;
  readonly #input: HeldInput;
  readonly #timeoutTimer: DeadlineTimer;
  readonly #clock: Clock | undefined;
  readonly #timers: TimerQueue | undefined;
  readonly #frequency: number;
  readonly #shift: number;
  readonly #interval: number;
  readonly #receiveTimer: DeadlineTimer;

  #ier = 0;
  #fcr = 0;
  #lcr = 0;
  #mcr = 0;
  #scr = 0;
  #divisor = 0;
  /** Error bits of LSR that stay until it is read. */
  #lineErrors = 0;
  #modem = 0;
  #rx: number[] = [];
  #thrPending = false;
  #timeout = false;
  /** Machine time from which the next character may be received. */
  #nextReceive = 0;

  constructor(options: Ns16550aOptions) {
    this.#irq = options.irq;
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#frequency = options.frequency ?? 3_686_400;
    this.#shift = options.regShift ?? 0;
    this.#interval = options.receiveIntervalNs ?? 0;
    this.#timeoutTimer = new DeadlineTimer(options.timers, () => {
      this.#timeout = this.#rx.length > 0;
      this.#update();
    });
    this.#receiveTimer = new DeadlineTimer(options.timers, () => this.#receive());
    this.#input = new HeldInput({
      source: options.source,
      wait: options.waitForListener ?? false,
      arrived: () => this.#receive(),
    });
    this.reset();
  }

  reset(): void {
    this.#input.reset();
    this.#ier = 0;
    this.#fcr = 0;
    this.#lcr = 0;
    this.#mcr = 0;
    this.#scr = 0;
    // Firmware that never sets it gets 115200 baud at the default clock.
    this.#divisor = 2;
    this.#lineErrors = 0;
    this.#modem = this.#modemInputs();
    this.#rx = [];
    this.#thrPending = false;
    this.#nextReceive = 0;
    this.#receiveTimer.cancel();
    this.#endTimeout();
    this.#update();
  }

  read(offset: number, _width: DeviceWidth): number {
    const register = offset >>> this.#shift;
    if (register << this.#shift !== offset || register > SCR) return 0;
    this.#input.noteRead(register === LSR);
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    switch (register) {
      case RBR_THR:
        return dlab ? this.#divisor & 0xff : this.#readData();
      case IER:
        return dlab ? this.#divisor >>> 8 : this.#ier;
      case IIR_FCR:
        return this.#readIdentification();
      case LCR:
        return this.#lcr;
      case MCR:
        return this.#mcr;
      case LSR:
        return this.#readLineStatus();
      case MSR:
        return this.#readModemStatus();
      default:
        return this.#scr;
    }
  }

  write(offset: number, _width: DeviceWidth, wide: number): void {
    const register = offset >>> this.#shift;
    if (register << this.#shift !== offset || register > SCR) return;
    this.#input.noteWrite();
    const value = wide & 0xff;
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    switch (register) {
      case RBR_THR:
        if (dlab) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case IER:
        if (dlab) this.#divisor = (this.#divisor & 0x00ff) | (value << 8);
        else this.#writeInterruptEnable(value);
        break;
      case IIR_FCR:
        this.#writeFifoControl(value);
        break;
      case LCR:
        this.#writeLineControl(value);
        break;
      case MCR:
        this.#writeModemControl(value);
        break;
      case SCR:
        this.#scr = value;
        break;
      default:
        // LSR and MSR are for factory tests when written.
        break;
    }
    this.#update();
  }

  /** A break condition on the line: received as a zero character with the break bit. */
  receiveBreak(): void {
    this.#accept(BREAK);
    this.#update();
  }

  fdt(context: FdtContext): FdtNode {
    const node = mmioNode("serial", ["ns16550a"], context).cells("clock-frequency", this.#frequency);
    if (this.#shift !== 0) node.cells("reg-shift", this.#shift);
    return node;
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      ...this.#input.state(),
      ier: this.#ier,
      fcr: this.#fcr,
      lcr: this.#lcr,
      mcr: this.#mcr,
      scr: this.#scr,
      divisor: this.#divisor,
      lineErrors: this.#lineErrors,
      modem: this.#modem,
      rx: [...this.#rx],
      thrPending: this.#thrPending,
      timeout: this.#timeout,
      timeoutAt: this.#timeoutTimer.state(),
      nextReceive: this.#nextReceive,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("ns16550a", state, STATE_VERSION);
    const rx = reader.integers("rx", FIFO_SIZE, BREAK);
    this.reset();
    this.#input.restore(reader, FIFO_SIZE, BREAK);
    this.#ier = reader.u8("ier") & 0x0f;
    this.#fcr = reader.u8("fcr");
    this.#lcr = reader.u8("lcr");
    this.#mcr = reader.u8("mcr") & 0x1f;
    this.#scr = reader.u8("scr");
    this.#divisor = reader.u16("divisor");
    this.#lineErrors = reader.u8("lineErrors");
    this.#modem = reader.u8("modem");
    this.#rx = rx;
    this.#thrPending = reader.flag("thrPending");
    this.#timeout = reader.flag("timeout");
    this.#nextReceive = reader.integer("nextReceive");
    this.#timeoutTimer.restore(reader.deadline("timeoutAt"));
    this.#receive();
    this.#update();
  }

  // --- receiving ----------------------------------------------------------------------------------

  get #fifo(): boolean {
    return (this.#fcr & FCR_ENABLE) !== 0;
  }

  get #trigger(): number {
    return this.#fifo ? TRIGGER_LEVELS[this.#fcr >>> 6]! : 1;
  }

  get #loopback(): boolean {
    return (this.#mcr & MCR_LOOP) !== 0;
  }

  /** Takes from the source what there is room and time for. */
  #receive(): void {
    if (this.#loopback || !this.#input.flows) return;
    const capacity = this.#fifo ? FIFO_SIZE : 1;
    while (this.#rx.length < capacity && this.#input.available > 0) {
      if (this.#mustWait()) break;
      const byte = this.#input.read();
      if (byte < 0) break;
      this.#accept(byte);
    }
    this.#update();
  }

  /** Whether pacing forbids another character now; sets the timer that goes on. */
  #mustWait(): boolean {
    const clock = this.#clock;
    if (this.#interval === 0 || clock === undefined || this.#timers === undefined) return false;
    const now = clock.now();
    if (now >= this.#nextReceive) {
      this.#nextReceive = now + this.#interval;
      return false;
    }
    this.#receiveTimer.arm(this.#nextReceive);
    return true;
  }

  /** A character arrives in the FIFO. */
  #accept(character: number): void {
    const capacity = this.#fifo ? FIFO_SIZE : 1;
    if (this.#rx.length >= capacity) {
      this.#lineErrors |= LSR_OE;
      // In FIFO mode the shift register is lost; without it the new character replaces the old.
      if (this.#fifo) return;
      this.#rx.pop();
    }
    this.#rx.push(character);
    if (this.#rx.length === 1 && character === BREAK) this.#lineErrors |= LSR_BI;
    this.#startTimeout();
  }

  #readData(): number {
    if (this.#rx.length > 0) this.#input.noteHeard();
    const character = this.#rx.shift() ?? 0;
    // The errors of a character show when it comes to the top of the FIFO.
    if (this.#rx[0] === BREAK) this.#lineErrors |= LSR_BI;
    this.#endTimeout();
    this.#receive();
    this.#startTimeout();
    this.#update();
    return character & 0xff;
  }

  /** Four character times without a read or a new character, while the FIFO holds some (datasheet 8.5). */
  #startTimeout(): void {
    if (!this.#fifo || this.#rx.length === 0) return;
    if (this.#clock === undefined || this.#timers === undefined) this.#timeout = true;
    else this.#timeoutTimer.arm(this.#clock.now() + 4 * this.#characterNs());
  }

  #endTimeout(): void {
    this.#timeout = false;
    this.#timeoutTimer.cancel();
  }

  /** Start, data, parity and stop bits at the programmed rate. */
  #characterNs(): number {
    const bits = 1 + 5 + (this.#lcr & 3) + ((this.#lcr & 8) !== 0 ? 1 : 0) + ((this.#lcr & 4) !== 0 ? 2 : 1);
    return Math.ceil((bits * 16 * Math.max(1, this.#divisor) * 1e9) / this.#frequency);
  }

  // --- transmitting -------------------------------------------------------------------------------

  #transmit(value: number): void {
    if (this.#loopback) this.#accept(value);
    else this.#sink.write(Uint8Array.of(value));
    // Empty again at once.
    this.#thrPending = true;
  }

  // --- control and status -------------------------------------------------------------------------

  #writeInterruptEnable(value: number): void {
    const enabled = value & 0x0f & ~this.#ier;
    const disabled = ~value & this.#ier;
    this.#ier = value & 0x0f;
    // Enabling THRE while THR is empty interrupts at once; drivers probe for that.
    if ((enabled & IER_THRE) !== 0) this.#thrPending = true;
    if ((disabled & IER_THRE) !== 0) this.#thrPending = false;
    if ((enabled & IER_RX) !== 0) this.#input.listen();
  }

  #writeFifoControl(value: number): void {
    const toggled = ((value ^ this.#fcr) & FCR_ENABLE) !== 0;
    if (toggled || (value & FCR_CLEAR_RX) !== 0) {
      if (!this.#loopback) this.#input.noteCleared(this.#rx);
      this.#rx = [];
      this.#endTimeout();
    }
    if (toggled || (value & FCR_CLEAR_TX) !== 0) this.#thrPending = true;
    // Other bits are writable only while bit 0 is written as 1.
    this.#fcr = (value & FCR_ENABLE) !== 0 ? value & 0xc9 : 0;
    this.#receive();
  }

  #writeLineControl(value: number): void {
    const breakStarts = (value & ~this.#lcr & LCR_BREAK) !== 0;
    this.#lcr = value;
    if (breakStarts && this.#loopback) this.#accept(BREAK);
  }

  #writeModemControl(value: number): void {
    this.#mcr = value & 0x1f;
    this.#setModemInputs(this.#modemInputs());
    if (!this.#loopback) this.#receive();
  }

  #modemInputs(): number {
    if (!this.#loopback) return MSR_CTS | MSR_DSR | MSR_DCD;
    const mcr = this.#mcr;
    return (
      ((mcr & MCR_RTS) !== 0 ? MSR_CTS : 0) |
      ((mcr & MCR_DTR) !== 0 ? MSR_DSR : 0) |
      ((mcr & MCR_OUT1) !== 0 ? MSR_RI : 0) |
      ((mcr & MCR_OUT2) !== 0 ? MSR_DCD : 0)
    );
  }

  /** Changes of inputs set the delta bits; of RI only the trailing edge counts. */
  #setModemInputs(inputs: number): void {
    const before = this.#modem & 0xf0;
    const changed = before ^ inputs;
    let deltas = (this.#modem & 0x0f) | ((changed & ~MSR_RI) >>> 4);
    if ((before & ~inputs & MSR_RI) !== 0) deltas |= MSR_TERI;
    this.#modem = inputs | deltas;
  }

  // Reads that take back no interrupt do not assert another: the line may be one that counts (PlicOptions.perEvent).
  #readModemStatus(): number {
    const value = this.#modem;
    if ((value & 0x0f) === 0) return value;
    this.#modem &= 0xf0;
    this.#update();
    return value;
  }

  #readLineStatus(): number {
    const value = this.#lineStatus();
    if (this.#lineErrors === 0) return value;
    this.#lineErrors = 0;
    this.#update();
    return value;
  }

  #lineStatus(): number {
    let value = LSR_THRE | LSR_TEMT | this.#lineErrors;
    if (this.#rx.length > 0) value |= LSR_DR;
    if (this.#fifo && this.#rx.includes(BREAK)) value |= LSR_FIFO_ERROR;
    return value;
  }

  #readIdentification(): number {
    const source = this.#pending();
    if (source === IIR_THRE) {
      this.#thrPending = false;
      this.#update();
    }
    return source | (this.#fifo ? IIR_FIFOS : 0);
  }

  /** The pending interrupt of highest priority. */
  #pending(): number {
    if ((this.#ier & IER_LINE) !== 0 && this.#lineErrors !== 0) return IIR_LINE;
    if ((this.#ier & IER_RX) !== 0) {
      if (this.#rx.length >= this.#trigger) return IIR_RX;
      if (this.#timeout) return IIR_TIMEOUT;
    }
    if ((this.#ier & IER_THRE) !== 0 && this.#thrPending) return IIR_THRE;
    if ((this.#ier & IER_MODEM) !== 0 && (this.#modem & 0x0f) !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  #update(): void {
    this.#irq.set(this.#pending() !== IIR_NONE);
  }
}
