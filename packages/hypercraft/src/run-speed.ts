/** Before anything was measured: an interpreter's speed, in instructions a nanosecond. */
const INITIAL = 0.01;
/** Weight of the latest measurement. */
const WEIGHT = 0.25;
/** Shorter stretches say more about the clock than about the speed. */
const LEAST_NS = 10_000;

/** How fast guests run by a clock of the real world: tells how many instructions fit into a time. */
export class RunSpeed {
  #perNs = INITIAL;

  /** So many instructions took so many nanoseconds. */
  record(instructions: number, ns: number): void {
    if (instructions > 0 && ns >= LEAST_NS) this.#perNs += WEIGHT * (instructions / ns - this.#perNs);
  }

  /** At least 1. */
  instructionsIn(ns: number): number {
    return Math.max(1, Math.ceil(ns * this.#perNs));
  }
}
