import type { CoreApi, Translation } from "@hypercraft/engine";
import { Fault, isWrite, Need, PMP_NEEDS, PSEUDO_READ, PSEUDO_WRITE } from "./access.js";
import { GStage } from "./g-stage.js";
import {
  alignedLeaf,
  PTE_A,
  PTE_D,
  PTE_G,
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

/**
 * Address translation: Sv39, Sv48, Sv57 (supervisor chapter, "Virtual Address Translation Process") and both
 * stages of the hypervisor chapter, over the tables in memory, with PMP on every access.
 */
export class Mmu {
  readonly gStage: GStage;
  private readonly core: CoreApi;
  private readonly pmp: Pmp;
  // The first stage's result.
  private page = 0;
  private readable = false;
  private writable = false;
  private global = false;
  private shift = 12;

  constructor(core: CoreApi, pmp: Pmp) {
    this.core = core;
    this.pmp = pmp;
    this.gStage = new GStage(core, pmp);
  }

  /**
   * Translate `size` bytes that lie in one page. On success fills `out`; after a guest-page fault `gStage`
   * tells the guest-physical address and whether a page-table walk made the access.
   */
  translate(r: Regime, need: Need, lo: number, hi: number, size: number, out: Translation): Fault {
    const offset = lo & 0xfff;
    if (r.levels === 0) {
      this.page = (hi >>> 0) * 0x10_0000 + (lo >>> 12);
      this.readable = true;
      this.writable = true;
      this.shift = 12;
      this.global = false;
    } else {
      const fault = this.firstStage(r, need, lo, hi);
      if (fault !== Fault.none) return fault;
    }
    let page = this.page;
    let readable = this.readable;
    let writable = this.writable;
    if (r.guest) {
      const g = this.gStage;
      const fault = g.translate(r, need, page, offset, 0);
      if (fault !== Fault.none) return fault;
      page = g.page;
      readable = readable && g.readable;
      writable = writable && g.writable;
    }
    const base = page * PAGE;
    const permissions = this.pmp.find(base + offset, base, size, r.machine);
    const needed = PMP_NEEDS[need] as number;
    if ((permissions & needed) !== needed) return Fault.access;
    out.physical = base + offset;
    out.readable = readable && (permissions & PMP_R) !== 0;
    out.writable = writable && (permissions & PMP_W) !== 0;
    out.cacheable = this.pmp.uniform;
    out.pageShift = this.shift;
    out.global = this.global;
    return Fault.none;
  }

  /** satp's or vsatp's tables; those of a guest lie behind the second stage. */
  private firstStage(r: Regime, need: Need, lo: number, hi: number): Fault {
    if (!canonical(hi, r.levels)) return Fault.page;
    const { core, pmp } = this;
    const words = core.words;
    let table = r.root;
    this.global = false;
    for (let level = r.levels - 1; level >= 0; level--) {
      const at = indexAt(lo, hi, level) * 8;
      let host = table;
      if (r.guest) {
        const fault = this.gStage.translate(r, Need.read, table, at, PSEUDO_READ);
        if (fault !== Fault.none) return fault;
        host = this.gStage.page;
      }
      const base = host * PAGE;
      if ((pmp.find(base + at, base, 8, false) & PMP_R) === 0) return Fault.access;
      const offset = core.ramOffset(base + at);
      if (offset < 0) return Fault.access;
      const w = offset >>> 2;
      const pteLo = words[w] as number;
      const pteHi = words[w + 1] as number;
      if ((pteLo & PTE_V) === 0 || (pteLo & (PTE_R | PTE_W)) === PTE_W) return Fault.page;
      if ((pteHi & PTE_RESERVED_HI) !== 0) return Fault.page;
      // G in a table's entry holds for all that it leads to.
      if ((pteLo & PTE_G) !== 0) this.global = true;
      if ((pteLo & (PTE_R | PTE_X)) !== 0) {
        const update = this.leaf(r, need, level, pteLo, pteHi);
        if (update < 0) return Fault.page;
        this.page = ptePage(pteLo, pteHi) + pageInLeaf(lo, hi, level);
        return update === 0 ? Fault.none : this.setBits(r, table, at, w, update);
      }
      if ((pteLo & PTE_LEAF_ONLY) !== 0) return Fault.page;
      table = ptePage(pteLo, pteHi);
    }
    return Fault.page;
  }

  /** Check a leaf; gives the bits (A, D) that the access has to set in it, or -1 for a page fault. */
  private leaf(r: Regime, need: Need, level: number, pteLo: number, pteHi: number): number {
    if (!alignedLeaf(pteLo, pteHi, level)) return -1;
    const userPage = (pteLo & PTE_U) !== 0;
    if (r.user !== userPage && (r.user || need === Need.fetch || !r.sum)) return -1;
    this.readable = (pteLo & PTE_R) !== 0 || (r.mxr && (pteLo & PTE_X) !== 0);
    if (!permitted(need, this.readable, pteLo)) return -1;
    const update = (isWrite(need) ? PTE_A | PTE_D : PTE_A) & ~pteLo;
    if (update !== 0 && !r.adue) return -1;
    this.writable = (pteLo & PTE_W) !== 0 && ((pteLo | update) & PTE_D) !== 0;
    this.shift = 12 + 9 * level;
    return update;
  }

  /** Set A and D in the entry at `at` of a table: a write, for the second stage and for PMP. */
  private setBits(r: Regime, table: number, at: number, w: number, bits: number): Fault {
    let host = table;
    if (r.guest) {
      const fault = this.gStage.translate(r, Need.write, table, at, PSEUDO_WRITE);
      if (fault !== Fault.none) return fault;
      host = this.gStage.page;
    }
    const base = host * PAGE;
    if ((this.pmp.find(base + at, base, 8, false) & PMP_W) === 0) return Fault.access;
    this.core.words[w] = (this.core.words[w] as number) | bits;
    this.core.ramWritten(w * 4, 4);
    return Fault.none;
  }
}

/** Does an address sign-extend from bit 38, 47 or 56? */
function canonical(hi: number, levels: number): boolean {
  const top = hi >> (9 * levels - 21);
  return top === 0 || top === -1;
}

/** Index into the table of a level: 9 bits of the address. */
function indexAt(lo: number, hi: number, level: number): number {
  switch (level) {
    case 0:
      return (lo >>> 12) & 511;
    case 1:
      return (lo >>> 21) & 511;
    case 2:
      return ((lo >>> 30) | (hi << 2)) & 511;
    case 3:
      return (hi >>> 7) & 511;
    default:
      return (hi >>> 16) & 511;
  }
}

/** The bits of an address's page number that a leaf of `level` does not translate. */
function pageInLeaf(lo: number, hi: number, level: number): number {
  switch (level) {
    case 0:
      return 0;
    case 1:
      return (lo >>> 12) & 0x1ff;
    case 2:
      return (lo >>> 12) & 0x3_ffff;
    case 3:
      return (lo >>> 12) + (hi & 0x7f) * 0x10_0000;
    default:
      return (lo >>> 12) + (hi & 0xffff) * 0x10_0000;
  }
}
