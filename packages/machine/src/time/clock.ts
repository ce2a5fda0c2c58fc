import { InstructionClock, type InstructionClockState, WallClock } from "@hypercraft/hypercraft";
import type { Clock, ComponentState, Stateful } from "../contracts.js";
import { StateReader } from "../state-reader.js";

const STATE_VERSION = 1;

/** A clock that a snapshot covers. */
export interface MachineClock extends Clock, Stateful {}

/**
 * Time made of instructions. Devices read it in the middle of a slice without knowing how many instructions
 * are not yet accounted for; whoever runs the CPUs tells by `pending`.
 */
export class DeterministicClock extends InstructionClock implements MachineClock {
  /** Instructions retired since the last `retire`. 0 between slices. */
  pending: () => number = () => 0;

  override now(pending = this.pending()): number {
    return super.now(pending);
  }

  override state(): InstructionClockState & ComponentState {
    return { ...super.state() };
  }

  override restore(state: InstructionClockState | ComponentState): void {
    const reader = new StateReader("clock", { ...state }, STATE_VERSION);
    const baseNs = reader.integer("baseNs");
    super.restore({ version: 1, baseNs, instructions: reader.integer("instructions") });
  }
}

/** Time of the real world that goes on where it was after a restore. The host's clock comes from outside. */
export class RealTimeClock implements MachineClock {
  readonly #milliseconds: () => number;
  #clock: WallClock;

  /** @param milliseconds any monotonic clock, e.g. `() => performance.now()`. */
  constructor(milliseconds: () => number) {
    this.#milliseconds = milliseconds;
    this.#clock = new WallClock(milliseconds);
  }

  now(): number {
    return this.#clock.now();
  }

  holdAt(ns: number): void {
    this.#clock.holdAt(ns);
  }

  get behindNs(): number {
    return this.#clock.behindNs;
  }

  state(): ComponentState {
    return { version: STATE_VERSION, now: this.now() };
  }

  restore(state: ComponentState): void {
    const now = new StateReader("clock", state, STATE_VERSION).integer("now");
    this.#clock = new WallClock(this.#milliseconds, now);
  }
}
