import { type CoreApi, type PageCache, WalkCaches } from "@hypercraft/engine";
import { Fault, isWrite, type Need } from "./access.js";
import {
  alignedLeaf,
  PTE_A,
  PTE_D,
  PTE_LEAF_ONLY,
  PTE_R,
  PTE_RESERVED_HI,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
  permitted,
  ptePage,
} from "./paging.js";
import { PMP_R, PMP_W, type Pmp } from "./pmp.js";
import type { Regime } from "./regime.js";

const PAGE = 4096;
/** Pages that three levels of 512 entries translate. */
const LOW_PAGES = 2 ** 27;
/** Pages a leaf translates, by level. */
const PAGES_IN_LEAF = [1, 2 ** 9, 2 ** 18, 2 ** 27, 2 ** 36];
/** First value of page / LOW_PAGES beyond the 41, 50 or 59 bits of a guest-physical address, by levels. */
const HIGH_LIMIT = [0, 0, 0, 2 ** 2, 2 ** 11, 2 ** 20];

/**
 * Guest-physical to physical: Sv39x4, Sv48x4, Sv57x4 (hypervisor chapter, "Guest Physical Address
 * Translation"). Every access is of user level, and the root table has four times the entries.
 *
 * Successful translations are kept by page, as hardware does; `flush` is due wherever HFENCE.GVMA is.
 */
export class GStage {
  /** Physical page of the last successful translation. */
  page = 0;
  readable = false;
  writable = false;
  // The last guest-page fault: page and offset of the guest-physical address, and 0 or the pseudoinstruction
  // for the page-table access that faulted.
  faultPage = 0;
  faultOffset = 0;
  faultPseudo = 0;
  private readonly core: CoreApi;
  private readonly pmp: Pmp;
  /** What was translated, for walks in WebAssembly too: page number * 256 + low byte of the leaf. */
  private readonly cache: PageCache;

  constructor(core: CoreApi, pmp: Pmp) {
    this.core = core;
    this.pmp = pmp;
    this.cache = WalkCaches.guestPages(core.walkWords);
  }

  /** Forget every translation. */
  flush(): void {
    this.cache.flush();
  }

  /**
   * Translate the byte at `offset` of guest-physical page `page`. `pseudo` is 0, or for the accesses that a
   * walk of the first stage makes the pseudoinstruction to report.
   */
  translate(r: Regime, need: Need, page: number, offset: number, pseudo: number): Fault {
    if (r.guestLevels === 0) {
      this.page = page;
      this.readable = true;
      this.writable = true;
      return Fault.none;
    }
    const { cache } = this;
    if (cache.find(page) && this.allows(r, need, pseudo, cache.lo & 0xff)) {
      this.page = cache.hi * 0x100_0000 + (cache.lo >>> 8);
      return Fault.none;
    }
    const fault = this.walk(r, need, page, pseudo);
    if (fault === Fault.guestPage) {
      this.faultPage = page;
      this.faultOffset = offset;
      this.faultPseudo = pseudo;
    }
    return fault;
  }

  /** Sets `readable` and `writable`; true when the leaf allows the access without a change to it. */
  private allows(r: Regime, need: Need, pseudo: number, leaf: number): boolean {
    // MXR is for explicit loads.
    this.readable = (leaf & PTE_R) !== 0 || (r.guestMxr && pseudo === 0 && (leaf & PTE_X) !== 0);
    this.writable = (leaf & (PTE_W | PTE_D)) === (PTE_W | PTE_D);
    return permitted(need, this.readable, leaf) && (leaf & PTE_A) !== 0 && (this.writable || !isWrite(need));
  }

  private walk(r: Regime, need: Need, page: number, pseudo: number): Fault {
    const { core, pmp } = this;
    const words = core.words;
    const low = page & (LOW_PAGES - 1);
    const high = Math.floor(page / LOW_PAGES);
    if (high >= (HIGH_LIMIT[r.guestLevels] as number)) return Fault.guestPage;
    let table = r.guestRoot;
    for (let level = r.guestLevels - 1; level >= 0; level--) {
      const at = indexAt(low, high, level, level === r.guestLevels - 1) * 8;
      const base = table * PAGE;
      // The root is 16 KiB: the page of the entry is not always the table's first.
      const entryPage = base + (at & ~0xfff);
      const permissions = pmp.find(base + at, entryPage, 8, false);
      if ((permissions & PMP_R) === 0) return Fault.access;
      const offset = core.ramOffset(base + at);
      if (offset < 0) return Fault.access;
      const w = offset >>> 2;
      let pteLo = words[w] as number;
      const pteHi = words[w + 1] as number;
      if ((pteLo & PTE_V) === 0 || (pteLo & (PTE_R | PTE_W)) === PTE_W) return Fault.guestPage;
      if ((pteHi & PTE_RESERVED_HI) !== 0) return Fault.guestPage;
      if ((pteLo & (PTE_R | PTE_X)) === 0) {
        if ((pteLo & PTE_LEAF_ONLY) !== 0) return Fault.guestPage;
        table = ptePage(pteLo, pteHi);
        continue;
      }
      if (!alignedLeaf(pteLo, pteHi, level) || (pteLo & PTE_U) === 0) return Fault.guestPage;
      const update = (isWrite(need) ? PTE_A | PTE_D : PTE_A) & ~pteLo;
      if (!this.allows(r, need, pseudo, pteLo | update)) return Fault.guestPage;
      if (update !== 0) {
        if (!r.guestAdue) return Fault.guestPage;
        if ((permissions & PMP_W) === 0) return Fault.access;
        pteLo |= update;
        words[w] = pteLo;
        core.ramWritten(w * 4, 4);
      }
      this.page = ptePage(pteLo, pteHi) + (page % (PAGES_IN_LEAF[level] as number));
      const { page: found } = this;
      this.cache.remember(page, (found << 8) | (pteLo & 0xff), Math.floor(found / 0x100_0000));
      return Fault.none;
    }
    return Fault.guestPage;
  }
}

/** Index into the table of a level; the root's has two bits more. */
function indexAt(low: number, high: number, level: number, root: boolean): number {
  switch (level) {
    case 0:
      return low & 511;
    case 1:
      return (low >>> 9) & 511;
    case 2:
      return (low >>> 18) + (root ? high << 9 : 0);
    case 3:
      return root ? high : high & 511;
    default:
      return high >>> 9;
  }
}
