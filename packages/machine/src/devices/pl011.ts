import { DeadlineTimer } from "@hypercraft/hypercraft";
import type { ByteSink, ByteSource } from "../console/bytes.js";
import type { Clock, ComponentState, DeviceWidth, IrqLine, TimerQueue } from "../contracts.js";
import type { FdtNode } from "../fdt/node.js";
import { StateReader } from "../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "./device.js";
import { HeldInput } from "./held-input.js";
import { PRIMECELL, primecellIdentification } from "./primecell.js";

const STATE_VERSION = 1;

/** Registers (DDI 0183, table 3-1). */
const DR = 0x00;
const RSR_ECR = 0x04;
const FR = 0x18;
const ILPR = 0x20;
const IBRD = 0x24;
const FBRD = 0x28;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const DMACR = 0x48;
/** Identification of an r1p4, the last revision whose FIFOs hold 16 characters. */
const PERIPHERAL_ID = [0x11, 0x10, 0x14, 0x00] as const;

const FR_CTS = 0x001;
const FR_DSR = 0x002;
const FR_DCD = 0x004;
const FR_RXFE = 0x010;
const FR_RXFF = 0x040;
const FR_TXFE = 0x080;
const FR_RI = 0x100;

const LCR_BRK = 0x01;
const LCR_FEN = 0x10;

const CR_LBE = 0x0080;
const CR_TXE = 0x0100;
const CR_RXE = 0x0200;
const CR_DTR = 0x0400;
const CR_RTS = 0x0800;
const CR_OUT1 = 0x1000;
const CR_OUT2 = 0x2000;
/** UARTEN, SIREN, SIRLP and bits 15 to 7; the rest is reserved. */
const CR_BITS = 0xff87;

const INT_RI = 0x001;
const INT_CTS = 0x002;
const INT_DCD = 0x004;
const INT_DSR = 0x008;
const INT_RX = 0x010;
const INT_TX = 0x020;
const INT_RT = 0x040;
const INT_BE = 0x200;
const INT_OE = 0x400;
const INT_ALL = 0x7ff;

/** A character with its error bits, as UARTDR shows them. */
const DR_BE = 0x400;
const DR_OE = 0x800;
const DR_BITS = 0xfff;

const FIFO_SIZE = 16;
/** Characters that trigger the receive interrupt, by UARTIFLS.RXIFLSEL: 1/8, 1/4, 1/2, 3/4, 7/8. */
const TRIGGER_LEVELS = [2, 4, 8, 12, 14] as const;
/** UARTIFLS at reset: both at one half. */
const IFLS_RESET = 0x12;
/** Divisor in 64ths before software sets one: 115200 baud at 24 MHz, as firmware leaves it. */
const DEFAULT_DIVISOR = 13 * 64 + 1;

/** A driver's start empties the FIFO a few times over; who reads more uses it. */
const MOST_EMPTIED = 128;

export interface Pl011Options {
  readonly irq: IrqLine;
  /** Where transmitted bytes go. */
  readonly sink: ByteSink;
  /** Where received bytes come from. */
  readonly source?: ByteSource | undefined;
  /** For the receive time-out. Without both, a time-out is immediate. */
  readonly clock?: Clock | undefined;
  readonly timers?: TimerQueue | undefined;
  /** UARTCLK in Hz, for character times. Default 24 MHz. */
  readonly frequency?: number;
  /**
   * Keep input waiting until the guest listens: until it enables the receive or the time-out interrupt, or reads
   * FR many times in a row; and keep what it clears before it has read a character, or reads only to empty the
   * FIFO, once: behind ICR and before IMSC, without a look at RIS or MIS. Otherwise drivers that empty the FIFO at
   * their start lose what was typed before. Default false.
   */
  readonly waitForListener?: boolean;
}

/**
 * PrimeCell UART PL011, revision r1p4, as in DDI 0183. Transmission takes no time. Reception takes bytes from the
 * source whenever the FIFO has room, so it overruns in loopback only. Modem inputs are those of a connected
 * terminal: CTS, DSR and DCD active. UARTEN, TXE and RXE are kept, but the UART works without them: guests that are
 * started by no firmware rely on one that enabled it. Without DMA controller, DMACR is storage.
 */
export class Pl011 implements Device {
  readonly #irq: IrqLine;
  readonly #sink: ByteSink;
  readonly #input: HeldInput;
  readonly #timeoutTimer: DeadlineTimer;
  readonly #clock: Clock | undefined;
  readonly #timers: TimerQueue | undefined;
  readonly #frequency: number;

  #rx: number[] = [];
  /** A character was lost; the next one to enter the FIFO tells. */
  #overrun = false;
  /** Errors of the character read last, as RSR shows them. */
  #rsr = 0;
  #ilpr = 0;
  #ibrd = 0;
  #fbrd = 0;
  #lcr = 0;
  #cr = 0;
  #ifls = 0;
  #imsc = 0;
  #ris = 0;
  #dmacr = 0;
  /** Characters read since ICR was written, while they may be what a driver empties the FIFO of at its start. */
  #emptied: number[] | undefined;
  /** Whether a driver may still be starting. */
  #starting = true;

  constructor(options: Pl011Options) {
    this.#irq = options.irq;
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#frequency = options.frequency ?? 24_000_000;
    this.#timeoutTimer = new DeadlineTimer(options.timers, () => {
      if (this.#rx.length > 0) this.#ris |= INT_RT;
      this.#update();
    });
    this.#input = new HeldInput({
      source: options.source,
      wait: options.waitForListener ?? false,
      arrived: () => this.#receive(),
    });
    this.reset();
  }

  reset(): void {
    this.#input.reset();
    this.#rx = [];
    this.#overrun = false;
    this.#rsr = 0;
    this.#ilpr = 0;
    this.#ibrd = 0;
    this.#fbrd = 0;
    this.#lcr = 0;
    this.#cr = CR_TXE | CR_RXE;
    this.#ifls = IFLS_RESET;
    this.#imsc = 0;
    this.#ris = 0;
    this.#dmacr = 0;
    this.#emptied = undefined;
    this.#starting = true;
    this.#timeoutTimer.cancel();
    this.#update();
  }

  /** Registers are of 32 bits at most; a narrower read has their lower part. */
  read(offset: number, width: DeviceWidth): number {
    this.#input.noteRead(offset === FR);
    const value = this.#readRegister(offset);
    return width === 1 ? value & 0xff : value;
  }

  #readRegister(offset: number): number {
    switch (offset) {
      case DR:
        return this.#readData();
      case RSR_ECR:
        return this.#rsr;
      case FR:
        return this.#flags();
      case ILPR:
        return this.#ilpr;
      case IBRD:
        return this.#ibrd;
      case FBRD:
        return this.#fbrd;
      case LCR_H:
        return this.#lcr;
      case CR:
        return this.#cr;
      case IFLS:
        return this.#ifls;
      case IMSC:
        return this.#imsc;
      case RIS:
        this.#started();
        return this.#ris;
      case MIS:
        this.#started();
        return this.#ris & this.#imsc;
      case DMACR:
        return this.#dmacr;
      default:
        return primecellIdentification(offset, PERIPHERAL_ID);
    }
  }

  write(offset: number, _width: DeviceWidth, value: number): void {
    this.#input.noteWrite();
    switch (offset) {
      case DR:
        this.#transmit(value & 0xff);
        break;
      case RSR_ECR:
        this.#rsr = 0;
        break;
      case ILPR:
        this.#ilpr = value & 0xff;
        break;
      case IBRD:
        this.#ibrd = value & 0xffff;
        break;
      case FBRD:
        this.#fbrd = value & 0x3f;
        break;
      case LCR_H:
        this.#writeLineControl(value & 0xff);
        break;
      case CR:
        this.#writeControl(value & CR_BITS);
        break;
      case IFLS:
        this.#ifls = value & 0x3f;
        break;
      case IMSC:
        this.#imsc = value & INT_ALL;
        this.#receiveEmptied();
        if ((this.#imsc & (INT_RX | INT_RT)) !== 0) this.#input.listen();
        break;
      case ICR:
        this.#ris &= ~value;
        if (this.#starting) this.#emptied ??= [];
        break;
      case DMACR:
        this.#dmacr = value & 7;
        break;
      default:
        return;
    }
    this.#update();
  }

  /** A break condition on the line: received as a zero character with the break bit. */
  receiveBreak(): void {
    this.#accept(DR_BE);
    this.#update();
  }

  /** The board adds `clocks` by `primecellClocks`: "uartclk" and "apb_pclk". */
  fdt(context: FdtContext): FdtNode {
    return mmioNode("pl011", ["arm,pl011", PRIMECELL], context);
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      ...this.#input.state(),
      rx: [...this.#rx],
      overrun: this.#overrun,
      rsr: this.#rsr,
      ilpr: this.#ilpr,
      ibrd: this.#ibrd,
      fbrd: this.#fbrd,
      lcr: this.#lcr,
      cr: this.#cr,
      ifls: this.#ifls,
      imsc: this.#imsc,
      ris: this.#ris,
      dmacr: this.#dmacr,
      starting: this.#starting,
      emptied: this.#emptied ?? null,
      timeoutAt: this.#timeoutTimer.state(),
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("pl011", state, STATE_VERSION);
    const rx = reader.integers("rx", FIFO_SIZE, DR_BITS);
    this.reset();
    this.#input.restore(reader, FIFO_SIZE, DR_BITS);
    this.#rx = rx;
    this.#overrun = reader.flag("overrun");
    this.#rsr = reader.unsigned("rsr", 4);
    this.#ilpr = reader.u8("ilpr");
    this.#ibrd = reader.u16("ibrd");
    this.#fbrd = reader.unsigned("fbrd", 6);
    this.#lcr = reader.u8("lcr");
    this.#cr = reader.u16("cr") & CR_BITS;
    this.#ifls = reader.unsigned("ifls", 6);
    this.#imsc = reader.unsigned("imsc", 11);
    this.#ris = reader.unsigned("ris", 11);
    this.#dmacr = reader.unsigned("dmacr", 3);
    this.#starting = reader.flag("starting");
    this.#emptied = state.emptied === null ? undefined : reader.integers("emptied", MOST_EMPTIED, DR_BITS);
    this.#timeoutTimer.restore(reader.deadline("timeoutAt"));
    this.#receive();
    this.#update();
  }

  // --- receiving ----------------------------------------------------------------------------------

  /** Without FIFOs there is a holding register for one character. */
  get #capacity(): number {
    return (this.#lcr & LCR_FEN) !== 0 ? FIFO_SIZE : 1;
  }

  /** RXIFLSEL has reserved values; they act as the highest level. */
  get #trigger(): number {
    return this.#capacity === 1 ? 1 : (TRIGGER_LEVELS[this.#ifls >> 3] ?? 14);
  }

  get #loopback(): boolean {
    return (this.#cr & CR_LBE) !== 0;
  }

  #receive(): void {
    if (this.#loopback || !this.#input.flows) return;
    while (this.#rx.length < this.#capacity && this.#input.available > 0) {
      const character = this.#input.read();
      if (character < 0) break;
      this.#accept(character);
    }
    this.#update();
  }

  #accept(character: number): void {
    if (this.#rx.length >= this.#capacity) {
      this.#overrun = true;
      this.#ris |= INT_OE;
      return;
    }
    this.#rx.push(character | (this.#overrun ? DR_OE : 0));
    this.#overrun = false;
    if ((character & DR_BE) !== 0) this.#ris |= INT_BE;
    // The interrupt tells that the FIFO filled up to its trigger level (3.3.10), not that it is filled.
    if (this.#rx.length === this.#trigger) this.#ris |= INT_RX;
    this.#startTimeout();
  }

  #readData(): number {
    const character = this.#rx.shift();
    // What an empty FIFO reads is undefined; 0 as after reset.
    if (character === undefined) return 0;
    this.#noteRead(character);
    this.#rsr = character >> 8;
    if (this.#rx.length < this.#trigger) this.#ris &= ~INT_RX;
    if (this.#rx.length === 0) {
      this.#ris &= ~INT_RT;
      this.#timeoutTimer.cancel();
    }
    this.#receive();
    if (this.#rx.length > 0) this.#startTimeout();
    this.#update();
    return character;
  }

  /** 32 bit times without a new character while the FIFO holds some. */
  #startTimeout(): void {
    if (this.#capacity === 1) return;
    if (this.#clock === undefined || this.#timers === undefined) this.#ris |= INT_RT;
    else this.#timeoutTimer.arm(this.#clock.now() + this.#timeoutNs());
  }

  /** A bit takes 16 periods of the baud rate clock, which is UARTCLK divided by IBRD + FBRD / 64. */
  #timeoutNs(): number {
    const divisor = this.#ibrd === 0 ? DEFAULT_DIVISOR : this.#ibrd * 64 + this.#fbrd;
    return Math.ceil((32 * 16 * divisor * 1e9) / (64 * this.#frequency));
  }

  // --- transmitting -------------------------------------------------------------------------------

  #transmit(value: number): void {
    if (this.#loopback) this.#accept(value);
    else this.#sink.write(Uint8Array.of(value));
    // The FIFO drains at once, and that takes it past any trigger level.
    this.#ris |= INT_TX;
  }

  // --- control and status -------------------------------------------------------------------------

  #writeLineControl(value: number): void {
    const breakStarts = (value & ~this.#lcr & LCR_BRK) !== 0;
    const toggled = ((value ^ this.#lcr) & LCR_FEN) !== 0;
    this.#lcr = value;
    if (toggled) this.#clearFifo();
    if (breakStarts && this.#loopback) this.#accept(DR_BE);
    this.#receive();
  }

  /** The guest has read a character: to use it, or to empty the FIFO. */
  #noteRead(character: number): void {
    if (this.#emptied === undefined) this.#input.noteHeard();
    else if (this.#emptied.push(character) === MOST_EMPTIED) this.#started();
  }

  /** Whatever is read from now on is read to be used, and what was read was. */
  #started(): void {
    if ((this.#emptied?.length ?? 0) > 0) this.#input.noteHeard();
    this.#emptied = undefined;
    this.#starting = false;
  }

  /** A driver that has emptied the FIFO listens now: it gets all of that again. */
  #receiveEmptied(): void {
    const emptied = this.#emptied ?? [];
    this.#emptied = undefined;
    if (emptied.length === 0) return;
    this.#input.noteCleared([...emptied, ...this.#rx]);
    this.#clearFifo([]);
    this.#starting = false;
    this.#receive();
  }

  /** Switching between FIFO and holding register loses what is in them. */
  #clearFifo(lost: readonly number[] = this.#rx): void {
    if (!this.#loopback) this.#input.noteCleared(lost);
    this.#rx = [];
    this.#ris &= ~(INT_RX | INT_RT);
    this.#timeoutTimer.cancel();
  }

  #writeControl(value: number): void {
    const before = this.#modemInputs();
    this.#cr = value;
    const changed = before ^ this.#modemInputs();
    if ((changed & FR_CTS) !== 0) this.#ris |= INT_CTS;
    if ((changed & FR_DSR) !== 0) this.#ris |= INT_DSR;
    if ((changed & FR_DCD) !== 0) this.#ris |= INT_DCD;
    if ((changed & FR_RI) !== 0) this.#ris |= INT_RI;
    this.#receive();
  }

  /** In loopback RTS, DTR, Out1 and Out2 are the inputs CTS, DSR, DCD and RI (3.3.8). */
  #modemInputs(): number {
    if (!this.#loopback) return FR_CTS | FR_DSR | FR_DCD;
    const cr = this.#cr;
    return (
      ((cr & CR_RTS) !== 0 ? FR_CTS : 0) |
      ((cr & CR_DTR) !== 0 ? FR_DSR : 0) |
      ((cr & CR_OUT1) !== 0 ? FR_DCD : 0) |
      ((cr & CR_OUT2) !== 0 ? FR_RI : 0)
    );
  }

  #flags(): number {
    let flags = FR_TXFE | this.#modemInputs();
    if (this.#rx.length === 0) flags |= FR_RXFE;
    if (this.#rx.length >= this.#capacity) flags |= FR_RXFF;
    return flags;
  }

  #update(): void {
    this.#irq.set((this.#ris & this.#imsc) !== 0);
  }
}
