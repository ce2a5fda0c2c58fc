import type { CoreApi } from "../core/api.js";
import { WalkCaches } from "./walk-caches.js";

/** Ranges of physical addresses, from the first byte to the one behind the last. */
type Ranges = Parameters<WalkCaches["window"]["choose"]>[1];

/**
 * What an architecture tells its walk in WebAssembly of the address space that loads and stores are in, as far as that is
 * the same for all. There is nothing to tell on a core without such a walk.
 */
export class SpaceRecord {
  protected readonly caches: WalkCaches | undefined;
  private readonly core: CoreApi;
  private space = Number.NaN;
  private windowKnown = false;

  constructor(core: CoreApi) {
    this.core = core;
    this.caches = core.walkWords && new WalkCaches(core.walkWords);
  }

  /** Numbers of address spaces mean something else from here on. */
  forget(): void {
    this.space = Number.NaN;
    this.forgetTables();
  }

  /** Where tables are is to be looked up from the root. */
  forgetTables(): void {
    this.caches?.forgetTables();
  }

  /** What may be walked is to be chosen anew. */
  protected forgetWindow(): void {
    this.windowKnown = false;
  }

  /**
   * Whether this is another address space than before, of which the walk has to be told: an equal number stands for an
   * equal one. Tables may be read in the RAM within `open`, asked for once.
   */
  protected enter(caches: WalkCaches, space: number, open: () => Ranges): boolean {
    if (!this.windowKnown) caches.window.choose(this.core.ramRanges(), open());
    this.windowKnown = true;
    if (space === this.space) return false;
    this.space = space;
    caches.forgetTables();
    return true;
  }
}
