/** A set of virtual pages of several sizes, each named by its address and the log2 of its size. */
export class VirtualPages {
  private readonly bySize = new Map<number, Set<number>>();

  add(lo: number, hi: number, shift: number): void {
    let set = this.bySize.get(shift);
    if (set === undefined) {
      set = new Set();
      this.bySize.set(shift, set);
    }
    set.add(pageNumber(lo, hi, shift));
  }

  has(lo: number, hi: number, shift: number): boolean {
    return this.bySize.get(shift)?.has(pageNumber(lo, hi, shift)) ?? false;
  }

  /** Does any page of any size hold the address? */
  holdsLarge(lo: number, hi: number): boolean {
    for (const [shift, set] of this.bySize) if (set.has(pageNumber(lo, hi, shift))) return true;
    return false;
  }

  clear(): void {
    for (const set of this.bySize.values()) set.clear();
  }
}

/** Number of the 2^shift-byte page: at most 52 bits, so exact. */
export function pageNumber(lo: number, hi: number, shift: number): number {
  return Math.floor(((hi >>> 0) * 0x1_0000_0000 + (lo >>> 12) * 4096) / 2 ** shift);
}
