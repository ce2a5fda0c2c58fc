import type { CoreApi, Translation } from "@hypercraft/engine";
import {
  ENTRY,
  LARGE_RESERVED,
  LARGE_RESERVED_GIB,
  NX_HIGH,
  PSE_RESERVED,
  RESERVED_HIGH,
} from "./paging-entry.js";

// Paging: SDM volume 3, chapter 4. Tables are read where `locate` finds them: with a second stage it translates.

/** Bits of a page-fault error code. */
const PageError = { present: 1, write: 2, user: 4, reserved: 8, fetch: 16 } as const;

/** No page fault. */
export const TRANSLATED = -1;

/** What an access needs. */
export const Need = { read: 0, write: 1, fetch: 2 } as const;
export type Need = (typeof Need)[keyof typeof Need];

const { P, RW, US, A, D, PS, G } = ENTRY;

/** Everything translation depends on. */
export interface PagingMode {
  /** 0 without paging, 2 for 32-bit paging, 3 for PAE, 4. */
  levels: 0 | 2 | 3 | 4;
  /** Address of the first table; for PAE the four entries are in `pdptes`. */
  root: number;
  pdptes: readonly (readonly [lo: number, hi: number])[];
  writeProtect: boolean;
  largePages: boolean;
  globalPages: boolean;
  executeDisable: boolean;
  smep: boolean;
  smap: boolean;
}

/** Where a table or page is in host memory; -1: no RAM. `write`: it will be written. Throws what a second stage makes of it. */
export type Locate = (physical: number, write: boolean) => number;

/** Walks page tables, sets their accessed and dirty bits, and checks rights. */
export class Mmu {
  private readonly core: CoreApi;
  /** Only somebody looking on: accessed and dirty bits stay as they are. */
  observing = false;
  /** The page that was found last is one that users may access. */
  userPage = false;
  private lo = 0;
  private hi = 0;
  /** Word index of the entry read last. */
  private at = 0;
  /** Entries that led to a table and are not marked as accessed: addresses and low halves. */
  private readonly used: number[] = [];

  constructor(core: CoreApi) {
    this.core = core;
  }

  /**
   * Translate a linear address. `user`: by a user-mode access; `alignmentChecked`: RFLAGS.AC lets supervisor code into
   * user pages. Gives `TRANSLATED`, or the error code of the page fault that the access is to raise.
   */
  translate(
    mode: PagingMode,
    need: Need,
    lo: number,
    hi: number,
    user: boolean,
    alignmentChecked: boolean,
    locate: Locate,
    out: Translation,
  ): number {
    // Rights of all levels together.
    let rights = RW | US;
    let noExecute = false;
    let table = mode.root;
    const entrySize = mode.levels === 2 ? 4 : 8;
    this.used.length = 0;
    for (let level: number = mode.levels; ; level--) {
      if (mode.levels === 3 && level === 3) {
        const [pdpteLo, pdpteHi] = mode.pdptes[lo >>> 30] as readonly [number, number];
        if ((pdpteLo & P) === 0) return errorCode(mode, need, user);
        table = tableAddress(pdpteLo, pdpteHi);
        continue;
      }
      const index = indexOf(mode.levels, level, lo, hi);
      this.read(table + index * entrySize, entrySize, locate);
      if ((this.lo & P) === 0) return errorCode(mode, need, user);
      const leaf = level === 1 || ((this.lo & PS) !== 0 && mayBeLarge(mode, level));
      if (this.reserved(mode, level, leaf))
        return errorCode(mode, need, user) | PageError.present | PageError.reserved;
      rights &= this.lo;
      noExecute ||= entrySize === 8 && this.hi < 0;
      if (!leaf) {
        if ((this.lo & A) === 0 && this.at >= 0) this.used.push(table + index * entrySize, this.lo);
        table = entrySize === 8 ? tableAddress(this.lo, this.hi) : (this.lo & ~0xfff) >>> 0;
        continue;
      }
      const userPage = (rights & US) !== 0;
      this.userPage = userPage;
      const writable = (rights & RW) !== 0 || (!user && !mode.writeProtect);
      const supervisorBarred = !user && userPage && mode.smap && !alignmentChecked;
      const allowed =
        (userPage || !user) &&
        (need === Need.fetch
          ? !noExecute && !(mode.smep && !user && userPage)
          : !supervisorBarred && (need !== Need.write || writable));
      if (!allowed) return errorCode(mode, need, user) | PageError.present;
      this.markUsed(locate, entrySize);
      this.mark(need === Need.write ? A | D : A, locate, table + index * entrySize, entrySize);
      const shift = pageShift(mode.levels, level);
      out.physical = this.pageBase(mode.levels, level, shift) + offsetIn(shift, lo);
      out.readable = !supervisorBarred;
      out.writable = writable && !supervisorBarred && (this.lo & D) !== 0;
      out.cacheable = true;
      out.pageShift = shift;
      out.global = mode.globalPages && (this.lo & G) !== 0;
      return TRANSLATED;
    }
  }

  private read(physical: number, size: number, locate: Locate): void {
    const offset = locate(physical, false);
    if (offset < 0) {
      // Nothing answers on the bus: all ones, which no mode of paging likes.
      this.lo = -1;
      this.hi = size === 8 ? -1 : 0;
      this.at = -1;
      return;
    }
    const { words } = this.core;
    this.at = offset >>> 2;
    this.lo = words[this.at] as number;
    this.hi = size === 8 ? (words[this.at + 1] as number) : 0;
  }

  /** Only a translation that succeeds marks the entries that it went through, as Intel386 does and its successors may. */
  private markUsed(locate: Locate, size: number): void {
    const { used } = this;
    if (used.length === 0) return;
    const [lo, at] = [this.lo, this.at];
    for (let i = 0; i < used.length; i += 2) {
      this.lo = used[i + 1] as number;
      this.at = 0;
      this.mark(A, locate, used[i] as number, size);
    }
    [this.lo, this.at] = [lo, at];
  }

  private mark(bits: number, locate: Locate, physical: number, size: number): void {
    if ((this.lo & bits) === bits || this.at < 0 || this.observing) return;
    const offset = locate(physical, true);
    const { core } = this;
    this.lo |= bits;
    // In ROM.
    if (offset < 0) return;
    core.words[offset >>> 2] = this.lo;
    core.ramWritten(offset, size);
  }

  private reserved(mode: PagingMode, level: number, leaf: boolean): boolean {
    if (mode.levels === 2) {
      return leaf && level === 2 && (this.lo & PSE_RESERVED) !== 0;
    }
    if ((this.hi & RESERVED_HIGH) !== 0) return true;
    if (!mode.executeDisable && (this.hi & NX_HIGH) !== 0) return true;
    if (level === 4) return (this.lo & PS) !== 0;
    if (!leaf) return false;
    if (level === 2) return (this.lo & LARGE_RESERVED) !== 0;
    return level === 3 && (this.lo & LARGE_RESERVED_GIB) !== 0;
  }

  private pageBase(levels: number, level: number, shift: number): number {
    if (levels === 2) {
      if (level === 1) return (this.lo & ~0xfff) >>> 0;
      return ((this.lo >>> 13) & 0xff) * 2 ** 32 + ((this.lo & 0xffc0_0000) >>> 0);
    }
    const base = tableAddress(this.lo, this.hi);
    return base - (base % 2 ** shift);
  }
}

/** What every page fault of an access tells of it. */
function errorCode(mode: PagingMode, need: Need, user: boolean): number {
  const fetched = need === Need.fetch && (mode.smep || mode.executeDisable);
  return (
    (need === Need.write ? PageError.write : 0) |
    (user ? PageError.user : 0) |
    (fetched ? PageError.fetch : 0)
  );
}

/** May an entry of this level map a page? */
function mayBeLarge({ levels, largePages }: PagingMode, level: number): boolean {
  if (level === 2) return levels > 2 || largePages;
  return level === 3 && levels === 4;
}

const indexOf = (levels: number, level: number, lo: number, hi: number): number => {
  if (levels === 2) return level === 2 ? lo >>> 22 : (lo >>> 12) & 0x3ff;
  switch (level) {
    case 1:
      return (lo >>> 12) & 0x1ff;
    case 2:
      return (lo >>> 21) & 0x1ff;
    case 3:
      return ((lo >>> 30) | (hi << 2)) & 0x1ff;
    default:
      return (hi >>> 7) & 0x1ff;
  }
};

function pageShift(levels: number, level: number): number {
  if (level === 1) return 12;
  if (level === 3) return 30;
  return levels === 2 ? 22 : 21;
}

const offsetIn = (shift: number, lo: number): number => (shift === 32 ? lo >>> 0 : lo & (2 ** shift - 1));

/** Bits 51:12 of an entry of eight bytes. */
export function tableAddress(lo: number, hi: number): number {
  return (hi & 0xf_ffff) * 0x1_0000_0000 + ((lo & ~0xfff) >>> 0);
}
