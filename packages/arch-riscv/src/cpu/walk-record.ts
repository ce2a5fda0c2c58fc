import type { CoreApi } from "@hypercraft/engine";
import { WALK_ON, WALK_RECORD, WALK_USER } from "./page-walker.js";
import type { Pmp } from "./pmp.js";
import type { Regime } from "./regime.js";

const PAGE = 4096;

/** Tells the walk in WebAssembly what `Regime` and PMP tell the walk in JavaScript. Does nothing on a core without one. */
export class WalkRecord {
  private readonly core: CoreApi;
  private readonly pmp: Pmp;
  private readonly words: Int32Array | undefined;
  private key = Number.NaN;
  private space = Number.NaN;
  private windowKnown = false;

  constructor(core: CoreApi, pmp: Pmp) {
    this.core = core;
    this.pmp = pmp;
    this.words = core.walkWords;
  }

  /** Keys mean something else from here on, or protection changed. */
  forget(): void {
    this.key = Number.NaN;
    this.space = Number.NaN;
    this.windowKnown = false;
    if (this.words === undefined) return;
    this.words[WALK_RECORD.flags / 4] = 0;
    this.forgetTables();
  }

  /** Where tables are is to be looked up from the root. */
  forgetTables(): void {
    this.words?.fill(-1, WALK_RECORD.tables / 4, WALK_RECORD.guestPages / 4);
  }

  /**
   * Loads and stores are of this regime now: an equal key stands for an equal one, and an equal number of an address
   * space for equal roots.
   */
  select(key: number, space: number, r: Regime): void {
    if (this.words === undefined || key === this.key) return;
    this.key = key;
    const mxr = (r.levels !== 0 && r.mxr) || (r.guestLevels !== 0 && r.guestMxr);
    const on = !r.machine && !mxr;
    this.words[WALK_RECORD.flags / 4] = on ? WALK_ON | (r.user ? WALK_USER : 0) : 0;
    if (!on) return;
    if (!this.windowKnown) this.findWindow();
    if (space === this.space) return;
    this.space = space;
    this.forgetTables();
    this.words[WALK_RECORD.levels / 4] = r.levels;
    this.words[WALK_RECORD.guestLevels / 4] = r.guestLevels;
    this.setWide(WALK_RECORD.root, r.root);
    this.setWide(WALK_RECORD.guestRoot, r.guestRoot);
  }

  /** Whole pages of RAM in one range and one entry of PMP: as many as there are anywhere. */
  private findWindow(): void {
    let [page, pages, offset] = [0, 0, 0];
    for (const ram of this.core.ramRanges()) {
      for (const [start, end] of this.pmp.open()) {
        const first = Math.ceil(Math.max(start, ram.physical) / PAGE);
        const count = Math.floor(Math.min(end, ram.physical + ram.size) / PAGE) - first;
        if (count <= pages) continue;
        [page, pages, offset] = [first, count, ram.offset + first * PAGE - ram.physical];
      }
    }
    this.setWide(WALK_RECORD.windowPage, page);
    this.setWide(WALK_RECORD.windowPages, pages);
    (this.words as Int32Array)[WALK_RECORD.windowOffset / 4] = offset;
    this.windowKnown = true;
  }

  private setWide(at: number, value: number): void {
    const words = this.words as Int32Array;
    words[at / 4] = value;
    words[at / 4 + 1] = Math.floor(value / 0x1_0000_0000);
  }
}
