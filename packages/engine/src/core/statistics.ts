import type { HotStatistics } from "../hot/hot-tier.js";

/** What the interpreter did and what was translated for it. */
export interface ColdStatistics {
  /** Instructions interpreted, and those executed outside of the blocks that compiled code entered. */
  readonly executed: number;
  /** Blocks translated (those of a single instruction included) and the instructions in them. */
  readonly blocks: number;
  readonly instructions: number;
  /** Bytes of micro-ops in the code cache now, and how often it was emptied because it was full. */
  readonly codeBytes: number;
  readonly flushes: number;
  /** Links made between blocks, and jumps that the lookup tables did not know. */
  readonly links: number;
  readonly jumps: number;
  /** Times the dispatcher looked for what comes next. */
  readonly dispatches: number;
  /** Time spent translating; absent without `EngineOptions.now`. */
  readonly milliseconds?: number;
}

/** What each tier of an engine did, of all cores. */
export interface EngineStatistics {
  readonly cold: ColdStatistics;
  /** Absent where everything is interpreted. */
  readonly hot?: HotStatistics & {
    /** Instructions of the blocks that compiled code entered. */
    readonly executed: number;
  };
}

/** Adds up the time between `start` and `stop`; without a clock it does nothing. */
export class Stopwatch {
  private readonly now: (() => number) | undefined;
  private since = 0;
  private sum = 0;

  /** @param now milliseconds by any monotonic clock. */
  constructor(now: (() => number) | undefined) {
    this.now = now;
  }

  start(): void {
    if (this.now !== undefined) this.since = this.now();
  }

  /** Once for each `start` whose time counts. */
  stop(): void {
    if (this.now !== undefined) this.sum += this.now() - this.since;
  }

  /** The sum so far as a part of statistics. */
  get elapsed(): { readonly milliseconds?: number } {
    return this.now === undefined ? {} : { milliseconds: this.sum };
  }
}
