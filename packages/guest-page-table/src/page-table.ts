import { ACCESS_FLAGS, ALL_FLAGS, type MappingFlags } from "@hypercraft/guest-page-table-entry";
import type { VirtAddr } from "./address.js";
import { PagingError } from "./error.js";
import type { PageTableFormat } from "./format.js";
import { hex, pageOffset } from "./input-address.js";
import type { Mapping, PageSize, UnmappedPage } from "./mapping.js";
import type { GuestPagingIf, PagingIf } from "./paging.js";
import { PageTableReader } from "./reader.js";

/** Words in a 4 KiB frame, and entries in a table of the last level. */
const FRAME_WORDS = 1024;
const LEAF_ENTRIES = 512;
/** Added to the flags in the key of a template for huge pages. */
const HUGE = ALL_FLAGS + 1;

/**
 * A page table that its user writes.
 *
 * Addresses that go in are numbers below 2^53 or bigints (64 bits, unsigned); numbers are much faster. Physical addresses
 * are numbers. Every refused operation throws a `PagingError` and leaves all mappings as they were.
 *
 * Tables of lower levels are made as needed and stay until `dispose` (or `prune`), so that unmapping never frees what
 * hardware may still be walking. No TLB is flushed: after an unmap or update the caller does what the architecture
 * asks for (SFENCE.VMA, HFENCE.GVMA, INVLPG, INVEPT, TLBI).
 */
export class PageTable64 extends PageTableReader {
  private readonly paging: PagingIf | GuestPagingIf;
  /** Frames of the tables below the root, by physical address. */
  private readonly tables = new Set<number>();
  /** The entry without an address that the last mapping was made from, and the flags that it stands for. */
  private templateKey = -1;
  private templateLow = 0;
  private templateHigh = 0;
  /** The memory again, signed: what is masked and shifted needs no conversion. */
  private readonly entries: Int32Array;
  /** The bit of an entry at which the frame number starts: 10 on RISC-V, 12 elsewhere. */
  private readonly frameShift: number;
  /** Physical addresses are below this. */
  private readonly paddrLimit: number;
  private readonly presentMask: number;
  /** The bits of an entry around its frame number, and what the last ones seen mean. */
  private readonly attributesLow: number;
  private readonly attributesHigh: number;
  private lastLow = 0;
  private lastHigh = 0;
  private lastFlags: MappingFlags = 0;
  /** The last-level table used last: the first address that it covers (NaN: there is none), and its word index. */
  private leafStart = Number.NaN;
  private leafBase = -1;
  private disposed = false;

  private constructor(format: PageTableFormat, paging: PagingIf | GuestPagingIf, rootPaddr: number) {
    super(format, paging, rootPaddr);
    const { pte } = format;
    this.paging = paging;
    this.entries = new Int32Array(this.words.buffer, this.words.byteOffset, this.words.length);
    this.frameShift = pte.frameShift;
    this.paddrLimit = 2 ** format.outputBits;
    this.presentMask = pte.presentMask;
    this.attributesLow = (1 << pte.frameShift) - 1;
    this.attributesHigh = ~pte.frameHighMask;
  }

  /**
   * An empty table. Formats whose root has several frames need a `GuestPagingIf`. Throws PagingError NoMemory when there
   * is no memory for the root.
   */
  static tryNew(format: PageTableFormat, paging: PagingIf | GuestPagingIf): PageTable64 {
    const { rootPages } = format;
    const root = rootPages === 1 ? paging.allocFrame() : allocRoot(format, paging);
    if (root === undefined) throw new PagingError("NoMemory", `no memory for the root of ${format.name}`);
    const index = paging.wordIndex(root);
    paging.words.fill(0, index, index + FRAME_WORDS * rootPages);
    return new PageTable64(format, paging, root);
  }

  /** Frames in use: the root's and those of all tables below it. */
  get frameCount(): number {
    return this.disposed ? 0 : this.format.rootPages + this.tables.size;
  }

  /**
   * Maps one page. Both addresses are multiples of `size`. Throws NotAligned, OutOfRange, InvalidFlags, InvalidPageSize,
   * AlreadyMapped (by pages of this size or smaller), MappedToHugePage (by a larger one) or NoMemory.
   */
  map(address: VirtAddr, paddr: number, size: PageSize, flags: MappingFlags): void {
    const within = size === 4096 ? this.withinLeafTable(address) : -1;
    const low = paddr | 0;
    const inRange = paddr >= 0 && paddr < this.paddrLimit;
    if (within < 0 || flags !== this.templateKey || ((low | within) & 0xfff) !== 0 || !inRange) {
      this.mapSlowly(address, paddr, size, flags);
      return;
    }
    const { entries } = this;
    const at = this.leafBase + ((within >>> 12) << 1);
    if ((entries[at]! | entries[at + 1]!) !== 0) throw this.alreadyMapped(address);
    this.put(at, (paddr / 2 ** 32) | 0, low);
  }

  /**
   * Removes the page that maps `address`, whatever its size, and says what it was; `address` may lie anywhere in the
   * page. Throws NotMapped or OutOfRange.
   */
  unmap(address: VirtAddr): UnmappedPage {
    let at: number;
    let size: PageSize = 4096;
    const within = this.withinLeafTable(address);
    if (within < 0) {
      at = this.locate(this.addresses.pageOf(address));
      size = (this.entryPages[this.foundLevel]! * 4096) as PageSize;
    } else {
      at = this.leafBase + ((within >>> 12) << 1);
    }
    if (at < 0 || (this.entries[at]! & this.presentMask) === 0) throw this.notMapped(address);
    const paddr = this.paddrAt(at);
    this.clear(at);
    return { paddr, size };
  }

  // One way to the result for both finds, so that a caller into which this is inlined needs no object at all.
  override query(address: VirtAddr): Mapping {
    let at: number;
    let offset: number;
    let size: PageSize = 4096;
    const within = this.withinLeafTable(address);
    if (within < 0) {
      const page = this.addresses.pageOf(address);
      at = this.locate(page);
      const pages = this.entryPages[this.foundLevel]!;
      offset = (page % pages) * 4096 + pageOffset(address);
      size = (pages * 4096) as PageSize;
    } else {
      at = this.leafBase + ((within >>> 12) << 1);
      offset = within & 0xfff;
    }
    if (at < 0 || (this.entries[at]! & this.presentMask) === 0) throw this.notMapped(address);
    return { paddr: this.paddrAt(at) + offset, flags: this.flagsAt(at), size };
  }

  override translate(address: VirtAddr): number | undefined {
    const within = this.withinLeafTable(address);
    if (within < 0) return super.translate(address);
    const at = this.leafBase + ((within >>> 12) << 1);
    if ((this.entries[at]! & this.presentMask) === 0) return undefined;
    return this.paddrAt(at) + (within & 0xfff);
  }

  /**
   * Changes where the page that maps `address` leads, or what it allows, or both; what is not named stays, the accessed
   * and dirty state too. Gives the page's size. Throws NotMapped, NotAligned (for the page's size), OutOfRange or
   * InvalidFlags.
   */
  update(address: VirtAddr, change: { readonly paddr?: number; readonly flags?: MappingFlags }): PageSize {
    const at = this.locate(this.addresses.pageOf(address));
    if (at < 0) throw this.notMapped(address);
    const pages = this.entryPages[this.foundLevel]!;
    const flags = change.flags ?? this.pte.flags(this.words, at);
    const paddr = change.paddr ?? this.pte.paddr(this.words, at);
    this.checkOutput(paddr, pages, flags);
    if (change.paddr !== undefined) this.pte.setPaddr(this.words, at, paddr);
    if (change.flags !== undefined) this.pte.setFlags(this.words, at, flags, pages > 1);
    return (pages * 4096) as PageSize;
  }

  /**
   * Maps `size` bytes. Addresses and size are multiples of 4096; a size of 0 does nothing. With `allowHuge` each piece gets
   * the largest page that the alignment of both addresses and the rest of the size allow. Throws as `map` does, and then
   * has mapped nothing.
   */
  mapRegion(address: VirtAddr, paddr: number, size: number, flags: MappingFlags, allowHuge = true): void {
    const first = this.pageRange(address, size);
    const count = size / 4096;
    this.checkOutput(paddr, 1, flags, count);
    const firstFrame = paddr / 4096;
    let done = 0;
    try {
      while (done < count)
        done += this.mapRun(first + done, firstFrame + done, count - done, flags, allowHuge);
    } catch (error) {
      this.clearRegion(first, done);
      throw error;
    }
  }

  /**
   * Unmaps `size` bytes, all of which are mapped, by whole pages of any size. Address and size are multiples of 4096; a size
   * of 0 does nothing. Throws NotMapped where there is a hole, MappedToHugePage where only a part of a larger page is
   * meant (there is no splitting: unmap the page and map what shall stay), NotAligned or OutOfRange, and then has
   * unmapped nothing.
   */
  unmapRegion(address: VirtAddr, size: number): void {
    const first = this.pageRange(address, size);
    const count = size / 4096;
    for (let done = 0; done < count; ) done += this.checkMappedRun(first + done, count - done);
    this.clearRegion(first, count);
  }

  /**
   * Gives back tables that map nothing any more. What the hardware remembers of them must be flushed before. Returns the
   * number of frames.
   */
  prune(): number {
    this.checkUsable();
    const before = this.tables.size;
    this.forgetLeafTable();
    this.pruneTable(this.rootPaddr, 0);
    return before - this.tables.size;
  }

  /** Gives back all frames. The table is of no use afterwards; doing it twice is harmless. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.forgetLeafTable();
    for (const paddr of this.tables) this.paging.deallocFrame(paddr);
    this.tables.clear();
    const { rootPages } = this.format;
    if (rootPages === 1) this.paging.deallocFrame(this.rootPaddr);
    else (this.paging as GuestPagingIf).deallocFrames(this.rootPaddr, rootPages);
  }

  // As the reader's, but its own entries are known to be well-formed, and the last-level table is kept.
  protected override locate(page: number): number {
    this.checkUsable();
    const { words, pte } = this;
    let tablePaddr = this.rootPaddr;
    for (let level = 0; level < this.lastLevel; level++) {
      const at = this.memory.wordIndex(tablePaddr) + this.indexOf(page, level) * 2;
      if (!pte.isPresent(words, at)) return -1;
      if (this.isLeafAt(at, level)) {
        this.foundLevel = level;
        return at;
      }
      tablePaddr = pte.paddr(words, at);
    }
    this.keepLeafTable(page, this.memory.wordIndex(tablePaddr));
    const at = this.leafBase + (page & (LEAF_ENTRIES - 1)) * 2;
    this.foundLevel = this.lastLevel;
    return pte.isPresent(words, at) ? at : -1;
  }

  private keepLeafTable(page: number, base: number): void {
    this.leafStart = this.addresses.numberOf(page - (page & (LEAF_ENTRIES - 1)));
    // Kept as a small integer whatever arithmetic the index comes from: this field is read for every page.
    this.leafBase = base | 0;
  }

  private forgetLeafTable(): void {
    this.leafStart = Number.NaN;
  }

  /** The offset of an address in what the table used last covers (2 MiB), or -1. */
  private withinLeafTable(address: VirtAddr): number {
    if (typeof address !== "number") return -1;
    const offset = address - this.leafStart;
    return offset >= 0 && offset < 2 ** 21 ? offset | 0 : -1;
  }

  /** Writes the template with an address, the low half of which is a multiple of 4096. */
  private put(at: number, high: number, low: number): void {
    const { entries, frameShift } = this;
    const right = 12 - frameShift;
    entries[at + 1] = this.templateHigh | (high >>> right);
    // Two steps to the left, because a shift by 32 would be one by 0.
    entries[at] = this.templateLow | (low >>> right) | ((high << 1) << (19 + frameShift));
  }

  private putFrame(at: number, frame: number): void {
    this.put(at, (frame / 2 ** 20) | 0, frame << 12);
  }

  private setTemplate(flags: MappingFlags, isHuge: boolean): void {
    const key = isHuge ? flags + HUGE : flags;
    if (key === this.templateKey) return;
    const entry = new Uint32Array(2);
    this.pte.newPage(entry, 0, 0, flags, isHuge);
    this.templateKey = key;
    this.templateLow = entry[0]! | 0;
    this.templateHigh = entry[1]! | 0;
  }

  private clear(at: number): void {
    const { entries } = this;
    entries[at] = 0;
    entries[at + 1] = 0;
  }

  /** The address in a leaf. In large pages nobody uses address bits for anything else here. */
  private paddrAt(at: number): number {
    const { entries, frameShift } = this;
    const low = entries[at]! >>> frameShift;
    const high = entries[at + 1]! & ~this.attributesHigh;
    // Frame numbers below 2^31 (addresses below 8 TiB) without floating point but for the last step.
    if (high >>> (frameShift - 1) === 0) return ((high << (32 - frameShift)) | low) * 4096;
    return (high * 2 ** (32 - frameShift) + low) * 4096;
  }

  /** Neighbouring entries mostly have the same attributes: decode each combination once in a row. */
  private flagsAt(at: number): MappingFlags {
    const low = this.entries[at]! & this.attributesLow;
    const high = this.entries[at + 1]! & this.attributesHigh;
    if (low !== this.lastLow || high !== this.lastHigh) {
      this.lastFlags = this.pte.flags(this.words, at);
      this.lastLow = low;
      this.lastHigh = high;
    }
    return this.lastFlags;
  }

  /** Checks `count` pages of `pages` * 4 KiB each at `paddr`, and flags. */
  private checkOutput(paddr: number, pages: number, flags: MappingFlags, count = 1): void {
    const frame = paddr / 4096;
    if (!Number.isInteger(frame / pages)) {
      throw new PagingError(
        "NotAligned",
        `physical address ${hex(paddr)} is not a multiple of ${hex(pages * 4096)}`,
      );
    }
    if ((flags & ACCESS_FLAGS) === 0 || (flags & ~ALL_FLAGS) !== 0) {
      throw new PagingError("InvalidFlags", `flags ${flags} name no access, or unknown flags`);
    }
    const { name, outputBits } = this.format;
    if (frame >= 0 && (frame + pages * count) * 4096 <= this.paddrLimit) return;
    const message = `physical address ${hex(paddr)} is out of range: ${name} gives ${outputBits} bits`;
    throw new PagingError("OutOfRange", message);
  }

  /** The first page number of a region that the format can translate. */
  private pageRange(address: VirtAddr, size: number): number {
    this.checkUsable();
    if (pageOffset(address) !== 0 || size % 4096 !== 0) {
      const message = `region at ${hex(address)} of ${hex(size)} bytes is not a multiple of 4096`;
      throw new PagingError("NotAligned", message);
    }
    const page = this.addresses.pageOf(address);
    const fits = size >= 0 && page + size / 4096 <= this.addresses.endOfSpan(page);
    if (fits) return page;
    const message = `region at ${hex(address)} of ${hex(size)} bytes does not fit ${this.format.name}`;
    throw new PagingError("OutOfRange", message);
  }

  private mapSlowly(address: VirtAddr, paddr: number, size: PageSize, flags: MappingFlags): void {
    const level = this.entryPages.findIndex((pages, index) => {
      return pages * 4096 === size && this.format.levels[index]!.leaf;
    });
    if (level < 0)
      throw new PagingError("InvalidPageSize", `${this.format.name} has no pages of ${hex(size)} bytes`);
    const page = this.addresses.pageOf(address);
    if (pageOffset(address) !== 0 || page % (size / 4096) !== 0) {
      throw this.notAligned(address, size);
    }
    this.checkOutput(paddr, size / 4096, flags);
    this.mapPage(page, paddr / 4096, level, flags);
  }

  private mapPage(page: number, frame: number, level: number, flags: MappingFlags): void {
    const at = this.entryFor(page, level);
    if (!this.pte.isUnused(this.words, at) && !this.freeEmptyTable(at, level)) {
      throw this.alreadyMapped(this.addresses.addressOf(page));
    }
    this.setTemplate(flags, level < this.lastLevel);
    this.putFrame(at, frame);
  }

  /** Word index of the entry for a page number at a level; makes the tables above it. */
  private entryFor(page: number, level: number): number {
    this.checkUsable();
    const { words, pte } = this;
    let base = this.memory.wordIndex(this.rootPaddr);
    for (let upper = 0; upper < level; upper++) {
      const at = base + this.indexOf(page, upper) * 2;
      if (pte.isUnused(words, at)) pte.newTable(words, at, this.allocTable());
      else if (this.isLeafAt(at, upper)) throw this.mappedToHugePage(page);
      base = this.memory.wordIndex(pte.paddr(words, at));
    }
    if (level === this.lastLevel) this.keepLeafTable(page, base);
    return base + this.indexOf(page, level) * 2;
  }

  private allocTable(): number {
    const paddr = this.paging.allocFrame();
    if (paddr === undefined)
      throw new PagingError("NoMemory", `no memory for a table of ${this.format.name}`);
    const index = this.memory.wordIndex(paddr);
    this.words.fill(0, index, index + FRAME_WORDS);
    this.tables.add(paddr);
    return paddr;
  }

  private freeTable(paddr: number): void {
    this.tables.delete(paddr);
    this.paging.deallocFrame(paddr);
  }

  /** Maps the longest run from `page` on that one page or one last-level table can take. Gives its pages. */
  private mapRun(
    page: number,
    frame: number,
    count: number,
    flags: MappingFlags,
    allowHuge: boolean,
  ): number {
    const level = allowHuge ? this.largestLevel(page, frame, count) : this.lastLevel;
    if (level < this.lastLevel) {
      this.mapPage(page, frame, level, flags);
      return this.entryPages[level]!;
    }
    const { entries } = this;
    const start = this.entryFor(page, level);
    const run = Math.min(count, LEAF_ENTRIES - (page & (LEAF_ENTRIES - 1)));
    for (let offset = 0; offset < run; offset++) {
      const at = start + offset * 2;
      if ((entries[at]! | entries[at + 1]!) === 0) continue;
      throw this.alreadyMapped(this.addresses.addressOf(page + offset));
    }
    this.setTemplate(flags, false);
    for (let offset = 0; offset < run; offset++) this.putFrame(start + offset * 2, frame + offset);
    return run;
  }

  private largestLevel(page: number, frame: number, count: number): number {
    return this.format.levels.findIndex(({ leaf }, level) => {
      const pages = this.entryPages[level]!;
      return leaf && count >= pages && page % pages === 0 && frame % pages === 0;
    });
  }

  /** Checks that whole pages are mapped from `page` on, at most to the end of a table. Gives the pages checked. */
  private checkMappedRun(page: number, count: number): number {
    const at = this.locate(page);
    if (at < 0) throw this.notMapped(this.addresses.addressOf(page));
    const pages = this.entryPages[this.foundLevel]!;
    if (pages > 1) {
      if (page % pages !== 0 || count < pages) throw this.mappedToHugePage(page);
      return pages;
    }
    const run = Math.min(count, LEAF_ENTRIES - (page & (LEAF_ENTRIES - 1)));
    for (let offset = 1; offset < run; offset++) {
      if ((this.words[at + offset * 2]! & this.presentMask) === 0) {
        throw this.notMapped(this.addresses.addressOf(page + offset));
      }
    }
    return run;
  }

  /** Clears whole pages that are known to be mapped. */
  private clearRegion(first: number, count: number): void {
    for (let done = 0; done < count; ) {
      const page = first + done;
      const at = this.locate(page);
      const pages = this.entryPages[this.foundLevel]!;
      const run = pages > 1 ? 1 : Math.min(count - done, LEAF_ENTRIES - (page & (LEAF_ENTRIES - 1)));
      for (let offset = 0; offset < run; offset++) this.clear(at + offset * 2);
      done += pages > 1 ? pages : run;
    }
  }

  /** Frees the table behind an entry if nothing is mapped below it. */
  private freeEmptyTable(at: number, level: number): boolean {
    if (level === this.lastLevel || this.isLeafAt(at, level)) return false;
    const paddr = this.pte.paddr(this.words, at);
    if (!this.isEmptyTable(paddr, level + 1)) return false;
    this.forgetLeafTable();
    this.pruneTable(paddr, level + 1);
    this.clear(at);
    this.freeTable(paddr);
    return true;
  }

  private isEmptyTable(paddr: number, level: number): boolean {
    const base = this.memory.wordIndex(paddr);
    for (let at = base; at <= base + this.indexMasks[level]! * 2; at += 2) {
      if (this.pte.isUnused(this.words, at)) continue;
      if (this.isLeafAt(at, level)) return false;
      if (!this.isEmptyTable(this.pte.paddr(this.words, at), level + 1)) return false;
    }
    return true;
  }

  /** Frees the empty tables below a table. Gives whether nothing is left in it. */
  private pruneTable(paddr: number, level: number): boolean {
    const base = this.memory.wordIndex(paddr);
    let empty = true;
    for (let at = base; at <= base + this.indexMasks[level]! * 2; at += 2) {
      if (this.pte.isUnused(this.words, at)) continue;
      const next = this.pte.paddr(this.words, at);
      if (this.isLeafAt(at, level) || !this.pruneTable(next, level + 1)) {
        empty = false;
        continue;
      }
      this.clear(at);
      this.freeTable(next);
    }
    return empty;
  }

  private checkUsable(): void {
    if (this.disposed) throw new PagingError("Disposed", `the ${this.format.name} table was given back`);
  }

  private notAligned(address: VirtAddr, size: number): PagingError {
    return new PagingError("NotAligned", `address ${hex(address)} is not a multiple of ${hex(size)}`);
  }

  private alreadyMapped(address: VirtAddr): PagingError {
    return new PagingError("AlreadyMapped", `address ${hex(address)} is mapped already`);
  }

  private mappedToHugePage(page: number): PagingError {
    const address = this.addresses.addressOf(page);
    return new PagingError("MappedToHugePage", `address ${hex(address)} lies in a larger page`);
  }
}

function allocRoot(format: PageTableFormat, paging: PagingIf | GuestPagingIf): number | undefined {
  if ("allocFrames" in paging) return paging.allocFrames(format.rootPages);
  throw new TypeError(`the root of ${format.name} needs ${format.rootPages} frames at once: a GuestPagingIf`);
}
