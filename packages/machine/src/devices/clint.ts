import { DeadlineTimer } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, DeviceWidth, TimerQueue } from "../contracts.js";
import { MachineError } from "../errors.js";
import type { FdtCell, FdtNode } from "../fdt/node.js";
import { StateReader, u64Text } from "../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "./device.js";

const STATE_VERSION = 1;
const MASK64 = (1n << 64n) - 1n;
const NEVER = MASK64;

/** Parts of the CLINT layout (RISC-V ACLINT specification 1.0-rc4, section 4). */
const MTIMER = 0x4000;
const MTIME = 0xbff8;
/** Largest number of harts the layout has room for. */
const MAX_HARTS = 4095;

/** What the timer and the software interrupts act on: the machine-level inputs of the harts. */
export interface ClintHarts {
  readonly count: number;
  setSoftware(hart: number, level: boolean): void;
  setTimer(hart: number, level: boolean): void;
}

export interface ClintOptions {
  readonly harts: ClintHarts;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** Frequency of `mtime` in Hz. Default 10 MHz. */
  readonly frequency?: number;
}

/**
 * ACLINT MTIMER and MSWI in the layout of the SiFive CLINT: `msip` words from 0, `mtimecmp` doublewords from
 * 0x4000, `mtime` at 0xbff8. The harts' own `time` counter is this `mtime`: read it by `ticks`.
 */
export class Clint implements Device {
  readonly frequency: number;
  readonly #harts: ClintHarts;
  readonly #clock: Clock;
  readonly #software: boolean[];
  readonly #compare: bigint[];
  readonly #timers: readonly DeadlineTimer[];
  /** What a guest added by writing `mtime`, modulo 2^64. */
  #shift = 0n;

  constructor(options: ClintOptions) {
    const { count } = options.harts;
    if (!Number.isInteger(count) || count < 1 || count > MAX_HARTS) {
      throw new MachineError("OutOfRange", `a CLINT serves 1 to ${MAX_HARTS} harts, not ${count}`);
    }
    this.#harts = options.harts;
    this.#clock = options.clock;
    this.frequency = options.frequency ?? 10_000_000;
    this.#software = new Array<boolean>(count).fill(false);
    this.#compare = new Array<bigint>(count).fill(NEVER);
    this.#timers = Array.from(
      { length: count },
      (_, hart) => new DeadlineTimer(options.timers, () => this.#expire(hart)),
    );
  }

  reset(): void {
    this.#shift = 0n;
    for (let hart = 0; hart < this.#harts.count; hart++) {
      this.#setSoftware(hart, false);
      this.#setCompare(hart, NEVER);
    }
  }

  /**
   * The 64-bit counter now.
   * @param pending instructions retired since the slice began, for clocks that count them.
   */
  ticks(pending?: number): bigint {
    return (this.#base(pending) + this.#shift) & MASK64;
  }

  /** Machine time in ns at which the counter reaches `ticks`, `Infinity` if that is beyond any time. */
  deadline(ticks: bigint): number {
    // The comparison is unsigned on the shifted counter; it does not wrap within any machine's life.
    const base = ticks - this.#shift;
    const scaled = base * 1_000_000_000n;
    const frequency = BigInt(this.frequency);
    const ns = (scaled + frequency - 1n) / frequency;
    return ns > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(ns);
  }

  read(offset: number, width: DeviceWidth): number {
    if (width !== 4) return 0;
    if (offset < MTIMER) {
      const hart = offset >>> 2;
      return hart < this.#harts.count ? Number(this.#software[hart]) : 0;
    }
    if (offset >= MTIME) return offset < MTIME + 8 ? half(this.ticks(), offset) : 0;
    const hart = (offset - MTIMER) >>> 3;
    return hart < this.#harts.count ? half(this.#compare[hart]!, offset) : 0;
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (width !== 4) return;
    if (offset < MTIMER) {
      const hart = offset >>> 2;
      if (hart < this.#harts.count) this.#setSoftware(hart, (value & 1) !== 0);
      return;
    }
    if (offset >= MTIME) {
      if (offset < MTIME + 8) this.#setTicks(withHalf(this.ticks(), offset, value));
      return;
    }
    const hart = (offset - MTIMER) >>> 3;
    if (hart < this.#harts.count) this.#setCompare(hart, withHalf(this.#compare[hart]!, offset, value));
  }

  /**
   * The `clint` node. `context.interrupt` is not used: it interrupts harts, not a controller. The board sets
   * `interrupts-extended` by `clintInterrupts`.
   */
  fdt(context: FdtContext): FdtNode {
    return mmioNode("clint", ["sifive,clint0", "riscv,clint0"], { ...context, interrupt: undefined });
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      shift: u64Text(this.#shift & MASK64),
      software: [...this.#software],
      compare: this.#compare.map(u64Text),
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("clint", state, STATE_VERSION);
    const { count } = this.#harts;
    const software = reader.list("software");
    const compare = reader.list("compare");
    if (software.length !== count || compare.length !== count) {
      throw new MachineError("BadSnapshot", `state of 'clint' is for ${software.length} harts, not ${count}`);
    }
    this.#shift = BigInt.asIntN(64, reader.u64("shift"));
    for (let hart = 0; hart < count; hart++) {
      this.#setSoftware(hart, software[hart] === true);
      this.#setCompare(
        hart,
        new StateReader("clint", { ...state, it: compare[hart]! }, STATE_VERSION).u64("it"),
      );
    }
  }

  #base(pending?: number): bigint {
    return (BigInt(Math.floor(this.#clock.now(pending))) * BigInt(this.frequency)) / 1_000_000_000n;
  }

  #setTicks(ticks: bigint): void {
    // Kept signed, so that a counter set back does not put deadlines out of reach.
    this.#shift = BigInt.asIntN(64, ticks - this.#base());
    for (let hart = 0; hart < this.#harts.count; hart++) this.#setCompare(hart, this.#compare[hart]!);
  }

  #setSoftware(hart: number, level: boolean): void {
    this.#software[hart] = level;
    this.#harts.setSoftware(hart, level);
  }

  #setCompare(hart: number, value: bigint): void {
    this.#compare[hart] = value;
    const timer = this.#timers[hart];
    timer?.cancel();
    const due = this.ticks() >= value;
    this.#harts.setTimer(hart, due);
    if (!due) timer?.arm(this.deadline(value));
  }

  #expire(hart: number): void {
    this.#harts.setTimer(hart, this.ticks() >= this.#compare[hart]!);
  }
}

/** Sets `interrupts-extended` of a CLINT's node: software (3) and timer (7) input of each hart's controller. */
export function clintInterrupts(node: FdtNode, hartControllers: readonly FdtNode[]): void {
  const cells: FdtCell[] = hartControllers.flatMap((controller) => [controller, 3, controller, 7]);
  node.cells("interrupts-extended", ...cells);
}

function half(value: bigint, offset: number): number {
  return Number(((offset & 4) === 0 ? value : value >> 32n) & 0xffff_ffffn);
}

function withHalf(value: bigint, offset: number, part: number): bigint {
  return (offset & 4) === 0
    ? (value & ~0xffff_ffffn) | BigInt(part)
    : (value & 0xffff_ffffn) | (BigInt(part) << 32n);
}
