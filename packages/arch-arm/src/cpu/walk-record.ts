import { SpaceRecord, type WalkCaches } from "@hypercraft/engine";
import { RANGE, WALK_FLAGS, WALK_RECORD } from "./page-walker.js";
import type { Regime, TableRange } from "./regime.js";

/** log2 of the largest block of a granule: of 1 GiB, 32 MiB and 512 MiB. */
const BLOCK_BITS: Readonly<Record<number, number>> = { 12: 30, 14: 25, 16: 29 };

const ALL = [[0, Number.MAX_SAFE_INTEGER]] as const;

/** Tells the walk in WebAssembly what `Regime` tells the walk in JavaScript. Does nothing on a core without one. */
export class WalkRecord extends SpaceRecord {
  /** Loads and stores are of this level and regime now: an equal number of an address space stands for an equal one. */
  select(el: number, space: number, r: Regime): void {
    const { caches } = this;
    if (caches === undefined) return;
    const stages = (r.stage1 ? WALK_FLAGS.stage1 : 0) | (r.stage2 ? WALK_FLAGS.stage2 : 0);
    caches.own[WALK_RECORD.flags / 4] =
      stages | (el === 0 ? WALK_FLAGS.user : 0) | (el === 2 ? WALK_FLAGS.el2 : 0);
    if (!this.enter(caches, space, () => ALL)) return;
    caches.own[WALK_RECORD.deviceAttributes / 4] = r.deviceAttributes;
    this.describe(WALK_RECORD.low, r.low, r.outputBits);
    if (r.el2) return;
    this.describe(WALK_RECORD.high, r.high, r.outputBits);
    if (r.stage2) this.describe(WALK_RECORD.guest, r.guest, r.guestOutputBits);
  }

  private describe(at: number, range: TableRange, outputBits: number): void {
    const { own } = this.caches as WalkCaches;
    const { grain, startLevel } = range;
    const usable = range.enabled && !range.baseTooLarge;
    const set = (field: number, value: number): void => {
      own[(at + field) / 4] = value;
    };
    set(RANGE.inputBits, usable ? range.inputBits : 0);
    set(RANGE.topByteIgnored, range.topByteIgnored ? 1 : 0);
    set(RANGE.grain, grain);
    set(RANGE.startShift, (3 - startLevel) * (grain - 3) + grain);
    set(RANGE.blockShift, BLOCK_BITS[grain] ?? 0);
    set(RANGE.outputBits, outputBits);
    this.caches?.setWide(at + RANGE.base, range.base);
  }
}
