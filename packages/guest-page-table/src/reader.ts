import { type Access, type GenericPte, rawEntry } from "@hypercraft/guest-page-table-entry";
import type { VirtAddr } from "./address.js";
import { PagingError } from "./error.js";
import { type Explanation, explainWalk } from "./explain.js";
import type { PageTableFormat } from "./format.js";
import { hex, InputAddresses, pageOffset } from "./input-address.js";
import type { Mapping, PageSize } from "./mapping.js";
import type { TableMemory } from "./paging.js";

/** A present entry, as `walk` shows it. */
export interface WalkedEntry {
  /** 0 is the root. */
  readonly level: number;
  readonly index: number;
  /** The first input address that the entry covers. */
  readonly address: bigint;
  /** The input addresses that the entry covers, in bytes. */
  readonly size: number;
  readonly isLeaf: boolean;
  /** Of the page, or of the next table. */
  readonly paddr: number;
  /** What the page allows; 0 for a pointer to a table. */
  readonly flags: number;
  readonly raw: bigint;
}

/**
 * Reads a page table of any format. Nothing is cached, so the table may be one that a running guest changes; what is
 * malformed counts as not mapped, as it does for hardware.
 */
export class PageTableReader {
  readonly format: PageTableFormat;
  /** Physical address of the root. */
  readonly rootPaddr: number;
  protected readonly pte: GenericPte;
  protected readonly words: Uint32Array;
  protected readonly addresses: InputAddresses;
  protected readonly memory: TableMemory;
  protected readonly lastLevel: number;
  /** By level: 4 KiB pages that one entry covers, and the index mask. */
  protected readonly entryPages: readonly number[];
  protected readonly indexMasks: readonly number[];
  /** Level of the entry that `locate` found last. */
  protected foundLevel = 0;

  constructor(format: PageTableFormat, memory: TableMemory, rootPaddr: number) {
    this.format = format;
    this.rootPaddr = rootPaddr;
    this.pte = format.pte;
    this.words = memory.words;
    this.memory = memory;
    this.addresses = new InputAddresses(format);
    this.lastLevel = format.levels.length - 1;
    this.entryPages = format.levels.map(({ shift }) => 2 ** (shift - 12));
    this.indexMasks = format.levels.map(({ bits }) => 2 ** bits - 1);
  }

  /** Where `address` leads. Throws PagingError NotMapped or OutOfRange. */
  query(address: VirtAddr): Mapping {
    const page = this.addresses.pageOf(address);
    const index = this.locate(page);
    if (index < 0) throw this.notMapped(address);
    const paddr = this.pagePaddr(index, page) + pageOffset(address);
    const size = (this.entryPages[this.foundLevel]! * 4096) as PageSize;
    return { paddr, flags: this.pte.flags(this.words, index), size };
  }

  /** The physical address that `address` leads to, or undefined where nothing is mapped. Throws OutOfRange. */
  translate(address: VirtAddr): number | undefined {
    const page = this.addresses.pageOf(address);
    const index = this.locate(page);
    return index < 0 ? undefined : this.pagePaddr(index, page) + pageOffset(address);
  }

  /**
   * Shows every present entry, a table before what it points to, in the order of addresses. `visit` may return false to
   * leave out what is below an entry. At most `limit` present entries of each table are shown.
   */
  walk(visit: (entry: WalkedEntry) => unknown, limit = Number.POSITIVE_INFINITY): void {
    this.walkTable(this.rootPaddr, 0, 0, visit, limit);
  }

  /** Every step of the walk for an address, decoded, and the bit that denies it (to `access`, if given). Throws nothing. */
  explain(address: VirtAddr, access?: Access): Explanation {
    return explainWalk(this.format, this.memory, this.rootPaddr, address, access);
  }

  private walkTable(
    tablePaddr: number,
    level: number,
    firstPage: number,
    visit: (entry: WalkedEntry) => unknown,
    limit: number,
  ): void {
    const base = this.memory.wordIndex(tablePaddr);
    if (base < 0) return;
    let shown = 0;
    for (let index = 0; index <= this.indexMasks[level]! && shown < limit; index++) {
      const at = base + index * 2;
      if (!this.pte.isPresent(this.words, at)) continue;
      shown++;
      const page = firstPage + index * this.entryPages[level]!;
      const entry = this.walkedEntry(at, level, index, page);
      const goOn = visit(entry) !== false;
      if (goOn && !entry.isLeaf) this.walkTable(entry.paddr, level + 1, page, visit, limit);
    }
  }

  private walkedEntry(at: number, level: number, index: number, page: number): WalkedEntry {
    const isLeaf = this.isLeafAt(at, level);
    return {
      level,
      index,
      address: this.addresses.addressOf(page),
      size: this.entryPages[level]! * 4096,
      isLeaf,
      paddr: isLeaf ? this.pagePaddr(at, page, level) : this.pte.paddr(this.words, at),
      flags: isLeaf ? this.pte.flags(this.words, at) : 0,
      raw: rawEntry(this.words, at),
    };
  }

  /** Index in a table of `level` of the entry for a page number. */
  protected indexOf(page: number, level: number): number {
    return Math.floor(page / this.entryPages[level]!) & this.indexMasks[level]!;
  }

  /** A present entry maps a page. */
  protected isLeafAt(at: number, level: number): boolean {
    return level === this.lastLevel || (this.format.levels[level]!.leaf && this.pte.isHuge(this.words, at));
  }

  /** Physical address of one 4 KiB page within the page that the leaf at `at` maps. */
  protected pagePaddr(at: number, page: number, level = this.foundLevel): number {
    const pages = this.entryPages[level]!;
    const paddr = this.pte.paddr(this.words, at);
    // Low address bits of a large page may hold other things (PAT on x86): aligning down leaves them out.
    return pages === 1 ? paddr : paddr - (paddr % (pages * 4096)) + (page % pages) * 4096;
  }

  /** Word index of the leaf that maps a page number, with its level in `foundLevel`; -1 if there is none. */
  protected locate(page: number): number {
    let tablePaddr = this.rootPaddr;
    for (let level = 0; level <= this.lastLevel; level++) {
      const base = this.memory.wordIndex(tablePaddr);
      if (base < 0) return -1;
      const at = base + this.indexOf(page, level) * 2;
      if (!this.pte.isPresent(this.words, at)) return -1;
      const isLeaf = this.isLeafAt(at, level);
      const shift = this.format.levels[level]!.shift;
      if (this.pte.malformed(this.words, at, isLeaf ? "leaf" : "table", shift)) return -1;
      if (isLeaf) {
        this.foundLevel = level;
        return at;
      }
      tablePaddr = this.pte.paddr(this.words, at);
    }
    return -1;
  }

  protected notMapped(address: VirtAddr): PagingError {
    return new PagingError("NotMapped", `address ${hex(address)} is not mapped`);
  }
}
