import type { CoreApi } from "@hypercraft/engine";
import { pmpaddr, pmpcfg } from "./state.js";

/** Permissions of a PMP entry, as in pmpcfg. */
export const PMP_R = 1;
export const PMP_W = 2;
export const PMP_X = 4;
const PMP_RWX = PMP_R | PMP_W | PMP_X;
const A_SHIFT = 3;
const LOCKED = 0x80;
/** Values of the A field. */
const A = { off: 0, tor: 1, na4: 2, napot: 3 } as const;

export const PMP_ENTRIES = 16;
/** pmpaddr holds bits 55..2 of an address: 22 of them in its upper half. */
const PMPADDR_HI = 0x3f_ffff;
const PAGE = 4096;

/**
 * Physical memory protection: 16 entries of grain 4 bytes (machine chapter, "Physical Memory Protection").
 * The entries are flattened into intervals whenever one changes, so that a check is a comparison with the
 * interval found last. Intervals of different entries are never joined: an access must lie in one entry.
 */
export class Pmp {
  /** True when the last `find` fell in an interval that holds the whole page. */
  uniform = false;
  private readonly core: CoreApi;
  private readonly starts = new Float64Array(2 * PMP_ENTRIES + 2);
  private readonly machinePerms = new Uint8Array(2 * PMP_ENTRIES + 1);
  private readonly otherPerms = new Uint8Array(2 * PMP_ENTRIES + 1);
  private count = 0;
  private last = 0;

  constructor(core: CoreApi) {
    this.core = core;
    this.rebuild();
  }

  /**
   * Permissions (PMP_R | PMP_W | PMP_X) of `size` bytes at a physical address for M-mode or for the lower
   * modes; 0 if they do not lie in one entry. `page` is the address of their page.
   */
  find(physical: number, page: number, size: number, machine: boolean): number {
    const starts = this.starts;
    let i = this.last;
    if (physical < (starts[i] as number) || physical >= (starts[i + 1] as number)) {
      i = this.search(physical);
      this.last = i;
    }
    const start = starts[i] as number;
    const end = starts[i + 1] as number;
    this.uniform = page >= start && page + PAGE <= end;
    if (!this.uniform && physical + size > end) return 0;
    return (machine ? this.machinePerms[i] : this.otherPerms[i]) as number;
  }

  private search(physical: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] as number) <= physical) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // --- Registers -----------------------------------------------------------------------------

  /** The configuration byte of an entry. */
  config(entry: number): number {
    const field = pmpcfg[entry >> 3]!;
    const half = (entry & 4) === 0 ? this.core.lo(field) : this.core.hi(field);
    return (half >>> ((entry & 3) * 8)) & 0xff;
  }

  /** Write pmpcfg0 (index 0) or pmpcfg2 (index 1). True if anything changed. */
  writeConfig(index: number, lo: number, hi: number): boolean {
    const field = pmpcfg[index]!;
    const newLo = this.legalConfigs(index * 8, this.core.lo(field), lo);
    const newHi = this.legalConfigs(index * 8 + 4, this.core.hi(field), hi);
    if (newLo === this.core.lo(field) && newHi === this.core.hi(field)) return false;
    this.core.set(field, newLo, newHi);
    this.rebuild();
    return true;
  }

  private legalConfigs(first: number, old: number, value: number): number {
    let result = 0;
    for (let i = 0; i < 4; i++) {
      const shift = i * 8;
      let byte = (value >>> shift) & 0x9f;
      // W without R is reserved.
      if ((byte & PMP_R) === 0) byte &= ~PMP_W;
      if ((this.config(first + i) & LOCKED) !== 0) byte = (old >>> shift) & 0xff;
      result |= byte << shift;
    }
    return result;
  }

  /** Write pmpaddr`entry`. True if anything changed. */
  writeAddress(entry: number, lo: number, hi: number): boolean {
    if ((this.config(entry) & LOCKED) !== 0) return false;
    if (entry + 1 < PMP_ENTRIES) {
      const next = this.config(entry + 1);
      if ((next & LOCKED) !== 0 && ((next >> A_SHIFT) & 3) === A.tor) return false;
    }
    const field = pmpaddr[entry]!;
    if (this.core.lo(field) === lo && this.core.hi(field) === (hi & PMPADDR_HI)) return false;
    this.core.set(field, lo, hi & PMPADDR_HI);
    this.rebuild();
    return true;
  }

  // --- Flattening ----------------------------------------------------------------------------

  /** Make the intervals anew from the registers. */
  rebuild(): void {
    const entries: { start: number; end: number; config: number }[] = [];
    const cuts = new Set<number>([0]);
    for (let i = 0; i < PMP_ENTRIES; i++) {
      const config = this.config(i);
      const [start, end] = this.range(i, (config >> A_SHIFT) & 3);
      if (start >= end) continue;
      entries.push({ start, end, config });
      cuts.add(start).add(end);
    }
    const sorted = [...cuts].sort((a, b) => a - b);
    let previous: unknown;
    this.count = 0;
    for (const start of sorted) {
      const entry = entries.find((e) => e.start <= start && start < e.end);
      // A cut by an entry of lower priority leaves no interval of its own.
      if (this.count > 0 && entry === previous) continue;
      previous = entry;
      this.starts[this.count] = start;
      const perms = entry === undefined ? 0 : entry.config & PMP_RWX;
      this.otherPerms[this.count] = perms;
      this.machinePerms[this.count] = entry !== undefined && (entry.config & LOCKED) !== 0 ? perms : PMP_RWX;
      this.count++;
    }
    this.starts[this.count] = Number.POSITIVE_INFINITY;
    this.last = 0;
  }

  /** Ranges in which S- and U-mode may do everything: first byte, and the one behind the last. */
  open(): readonly (readonly [number, number])[] {
    const ranges: [number, number][] = [];
    for (let i = 0; i < this.count; i++) {
      if (this.otherPerms[i] !== PMP_RWX) continue;
      ranges.push([this.starts[i] as number, this.starts[i + 1] as number]);
    }
    return ranges;
  }

  /** Bytes an entry matches, half open; empty when start >= end. */
  private range(entry: number, mode: number): readonly [number, number] {
    const lo = this.core.lo(pmpaddr[entry]!);
    const hi = this.core.hi(pmpaddr[entry]!);
    switch (mode) {
      case A.tor:
        return [entry === 0 ? 0 : this.address(entry - 1), this.address(entry)];
      case A.na4:
        return [this.address(entry), this.address(entry) + 4];
      case A.napot: {
        // 2^(ones + 3) bytes, where `ones` counts the trailing ones.
        const ones = ~lo !== 0 ? 31 - Math.clz32(~lo & (lo + 1)) : 32 + 31 - Math.clz32(~hi & (hi + 1));
        const size = 2 ** (ones + 3);
        const start = Math.floor(this.address(entry) / size) * size;
        return [start, start + size];
      }
      default:
        return [0, 0];
    }
  }

  private address(entry: number): number {
    const field = pmpaddr[entry]!;
    return ((this.core.hi(field) & PMPADDR_HI) * 0x1_0000_0000 + (this.core.lo(field) >>> 0)) * 4;
  }
}
