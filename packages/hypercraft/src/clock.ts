import { HyperError } from "./error.js";

/** Where a machine's time comes from. */
export interface Clock {
  /**
   * Nanoseconds since machine start, monotonic. `pending` is the number of instructions the caller has
   * retired since its run began: clocks that count instructions add them, others ignore them.
   */
  now(pending?: number): number;
  /**
   * Time does not pass `ns` until this is called again, though the world's may: who runs the vCPUs holds it at what is
   * due next, so that guests see everything at its time even where the host kept them waiting. Absent where time is
   * what the vCPUs make of it.
   */
  holdAt?(ns: number): void;
  /** Nanoseconds of the world's time that were held back and were still to pass at the last `now`. */
  readonly behindNs?: number;
}

/** A clock that stands still unless it is told what happened: the source of deterministic time. */
export interface VirtualClock extends Clock {
  /** Tells the clock that `instructions` more were retired; whoever drives the vCPUs calls it after each run. */
  retire(instructions: number): void;
  /** The fewest instructions after which `now()` is at least `deadlineNs`; 0 if it is already, may be Infinity. */
  instructionsUntil(deadlineNs: number): number;
  /** Jumps forward to `ns` because nothing can happen before; times in the past are ignored. */
  advanceTo(ns: number): void;
}

/** Whether the clock is driven by the loop that runs the vCPUs. */
export function isVirtualClock(clock: Clock): clock is VirtualClock {
  return typeof (clock as Partial<VirtualClock>).retire === "function";
}

/** What an `InstructionClock` needs to continue elsewhere. */
export interface InstructionClockState {
  readonly version: 1;
  readonly baseNs: number;
  readonly instructions: number;
}

// Above this count, whole multiples of the ratio move into the base, so that products stay exact integers.
const REBASE_AT = 2 ** 32;

/**
 * Time made of instructions: each takes `nsPerInstruction`, a fraction of two integers from 1 to 1000.
 * Exact, without rounding drift, and the same on every host.
 */
export class InstructionClock implements VirtualClock {
  readonly #numerator: number;
  readonly #denominator: number;
  #baseNs = 0;
  #instructions = 0;

  /** Default: 10 ns, a 100 MIPS machine. Throws InvalidParam for a ratio outside 1..1000 over 1..1000. */
  constructor(nsPerInstruction = 10, perInstructions = 1) {
    for (const part of [nsPerInstruction, perInstructions]) {
      if (!Number.isInteger(part) || part < 1 || part > 1000)
        throw new HyperError(
          "InvalidParam",
          `clock ratio ${nsPerInstruction}/${perInstructions} ns: each part is 1..1000`,
        );
    }
    this.#numerator = nsPerInstruction;
    this.#denominator = perInstructions;
  }

  now(pending = 0): number {
    return this.#baseNs + Math.floor(((this.#instructions + pending) * this.#numerator) / this.#denominator);
  }

  retire(instructions: number): void {
    this.#instructions += instructions;
    if (this.#instructions < REBASE_AT) return;
    const whole = Math.floor(this.#instructions / this.#denominator);
    this.#baseNs += whole * this.#numerator;
    this.#instructions -= whole * this.#denominator;
  }

  instructionsUntil(deadlineNs: number): number {
    const left = Math.ceil(deadlineNs) - this.#baseNs;
    if (left <= 0) return 0;
    return Math.max(0, Math.ceil((left * this.#denominator) / this.#numerator) - this.#instructions);
  }

  advanceTo(ns: number): void {
    if (!Number.isFinite(ns) || ns <= this.now()) return;
    this.#baseNs = Math.ceil(ns);
    this.#instructions = 0;
  }

  state(): InstructionClockState {
    return { version: 1, baseNs: this.#baseNs, instructions: this.#instructions };
  }

  /** Throws InvalidParam for a state of another version. */
  restore(state: InstructionClockState): void {
    if (state.version !== 1)
      throw new HyperError("InvalidParam", `clock state version ${state.version} is not 1`);
    this.#baseNs = state.baseNs;
    this.#instructions = state.instructions;
  }
}

/** Who was kept waiting for longer than this, in nanoseconds, is not let live through all of it. */
const LONGEST_LAG_NS = 250_000_000;

/**
 * Time of the real world. The reader of the host's clock comes from outside (`() => performance.now()`), as
 * nothing in a machine reads it by itself. Starts at `startNs` when constructed and never runs backwards.
 */
export class WallClock implements Clock {
  readonly #milliseconds: () => number;
  readonly #startMs: number;
  readonly #startNs: number;
  #lastNs: number;
  /** The world's time when it was last asked. */
  #worldNs: number;
  #holdNs = Number.POSITIVE_INFINITY;

  constructor(milliseconds: () => number, startNs = 0) {
    this.#milliseconds = milliseconds;
    this.#startMs = milliseconds();
    this.#startNs = startNs;
    this.#lastNs = startNs;
    this.#worldNs = startNs;
  }

  now(): number {
    // The difference first: nanoseconds since 1970 are more than a number holds exactly.
    const world = this.#startNs + Math.round((this.#milliseconds() - this.#startMs) * 1e6);
    this.#worldNs = world;
    const ns = Math.max(Math.min(world, this.#holdNs), world - LONGEST_LAG_NS);
    if (ns > this.#lastNs) this.#lastNs = ns;
    return this.#lastNs;
  }

  holdAt(ns: number): void {
    this.#holdNs = ns;
  }

  get behindNs(): number {
    return Math.max(0, this.#worldNs - this.#lastNs);
  }
}
