import { SpaceRecord } from "@hypercraft/engine";
import type { SecondStage } from "./access.js";
import type { PagingMode } from "./mmu.js";
import { WALK_FLAGS, WALK_RECORD } from "./page-walker.js";
import { NX_HIGH, PHYSICAL_BITS, RESERVED_HIGH } from "./paging-entry.js";
import { SECOND_STAGE } from "./vmx/ept-walker.js";

const PAGE = 4096;

/** Accesses that the walk in WebAssembly leaves to JavaScript. */
export interface LookedAt {
  /** All. */
  readonly byHand: boolean;
  /** Those of the context `barred` to pages that are not global. */
  readonly globalOnly: boolean;
  /** Those of this page; -1 without one. */
  readonly apicPage: number;
}

const ALL = [[0, 2 ** PHYSICAL_BITS]] as const;

/** Tells the walk in WebAssembly what `Contexts` tells the walk in JavaScript. Does nothing on a core without one. */
export class WalkRecord extends SpaceRecord {
  /** Loads and stores are of this address space now: an equal number stands for an equal one. */
  select(space: number, mode: PagingMode, looks: LookedAt, second?: SecondStage): void {
    const { byHand, globalOnly, apicPage } = looks;
    const { caches } = this;
    if (caches === undefined) return;
    const { own } = caches;
    const on = (mode.levels !== 0 || second !== undefined) && !byHand;
    const flags =
      WALK_FLAGS.on |
      (mode.writeProtect ? WALK_FLAGS.writeProtect : 0) |
      (globalOnly ? WALK_FLAGS.globalOnly : 0) |
      (mode.largePages ? WALK_FLAGS.largePages : 0);
    own[WALK_RECORD.flags / 4] = on ? flags : 0;
    if (!on || !this.enter(caches, space, () => ALL)) return;
    own[WALK_RECORD.levels / 4] = mode.levels;
    caches.setWide(WALK_RECORD.root, Math.floor(mode.root / PAGE));
    own[WALK_RECORD.second / 4] =
      second === undefined ? 0 : SECOND_STAGE.on | (second.flags ? SECOND_STAGE.flags : 0);
    caches.setWide(WALK_RECORD.secondRoot, Math.floor((second?.root ?? 0) / PAGE));
    if (apicPage < 0) own.fill(-1, WALK_RECORD.apicPage / 4, WALK_RECORD.apicPage / 4 + 2);
    else caches.setWide(WALK_RECORD.apicPage, apicPage);
    own[WALK_RECORD.reserved / 4] = 0;
    own[WALK_RECORD.reserved / 4 + 1] = RESERVED_HIGH | (mode.executeDisable ? 0 : NX_HIGH);
    for (const [i, [lo, hi]] of mode.pdptes.entries()) {
      own[WALK_RECORD.pdptes / 4 + 2 * i] = lo;
      own[WALK_RECORD.pdptes / 4 + 2 * i + 1] = hi;
    }
  }
}
