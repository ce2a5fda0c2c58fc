import { type CoreApi, SpaceRecord } from "@hypercraft/engine";
import { WALK_ON, WALK_RECORD, WALK_USER } from "./page-walker.js";
import type { Pmp } from "./pmp.js";
import type { Regime } from "./regime.js";

/** Tells the walk in WebAssembly what `Regime` and PMP tell the walk in JavaScript. Does nothing on a core without one. */
export class WalkRecord extends SpaceRecord {
  private readonly pmp: Pmp;
  private key = Number.NaN;

  constructor(core: CoreApi, pmp: Pmp) {
    super(core);
    this.pmp = pmp;
  }

  /** Keys mean something else from here on, or protection changed. */
  override forget(): void {
    super.forget();
    this.key = Number.NaN;
    this.forgetWindow();
    if (this.caches !== undefined) this.caches.own[WALK_RECORD.flags / 4] = 0;
  }

  /**
   * Loads and stores are of this regime now: an equal key stands for an equal one, and an equal number of an address
   * space for equal roots.
   */
  select(key: number, space: number, r: Regime): void {
    const { caches } = this;
    if (caches === undefined || key === this.key) return;
    this.key = key;
    const mxr = (r.levels !== 0 && r.mxr) || (r.guestLevels !== 0 && r.guestMxr);
    const on = !r.machine && !mxr;
    caches.own[WALK_RECORD.flags / 4] = on ? WALK_ON | (r.user ? WALK_USER : 0) : 0;
    if (!on) return;
    if (!this.enter(caches, space, () => this.pmp.open())) return;
    caches.own[WALK_RECORD.levels / 4] = r.levels;
    caches.own[WALK_RECORD.guestLevels / 4] = r.guestLevels;
    caches.setWide(WALK_RECORD.root, r.root);
    caches.setWide(WALK_RECORD.guestRoot, r.guestRoot);
  }
}
