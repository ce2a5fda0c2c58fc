import type { PageWalker } from "./page-walker.js";

/** Slots for large mappings, a power of two, and in how many in a row one may be. */
export const LARGE_SLOTS = 1024;
export const LARGE_PROBES = 8;
/** Its page number, halves folded, times this gives the first slot in the highest bits: neighbours lie far apart. */
export const LARGE_SPREAD = 0x9e37_79b1;
export const LARGE_SPREAD_SHIFT = 32 - Math.log2(LARGE_SLOTS);

/**
 * A core's memory for refills: i64 bit per log2 of the sizes in the set | i64 TLB entries filled | the set of large
 * mappings that TLB and fetch entries were made from | the walker's own bytes. A large mapping is its address with
 * the log2 of its size in the low bits, in the first free slot from the one it hashes to.
 */
export const WALK = { sizes: 0, fills: 8, large: 16, walker: 16 + LARGE_SLOTS * 8 } as const;

/** That memory seen from JavaScript. */
export class WalkMemory {
  /** Byte address in host memory. */
  readonly address: number;
  /** The walker's part. */
  readonly words: Int32Array;
  private readonly own: Int32Array;

  constructor(memory: WebAssembly.Memory, address: number, walker: PageWalker) {
    this.address = address;
    this.own = new Int32Array(memory.buffer, address, WALK.walker / 4).fill(0);
    this.words = new Int32Array(memory.buffer, address + WALK.walker, walker.coreBytes / 4).fill(0);
  }

  static bytes(walker: PageWalker | undefined): number {
    return walker === undefined ? 0 : Math.ceil((WALK.walker + walker.coreBytes) / 64) * 64;
  }

  /** TLB entries filled by walks. */
  get fills(): number {
    const w = WALK.fills / 4;
    return (this.own[w + 1] as number) * 0x1_0000_0000 + ((this.own[w] as number) >>> 0);
  }

  /** Remember a large mapping. False where there is no room: then all of them have to be forgotten. */
  addLarge(lo: number, hi: number, shift: number): boolean {
    const slot = this.find(lo, hi, shift);
    if (slot < 0) return false;
    const w = WALK.large / 4 + 2 * slot;
    this.own[w] = this.keyLo;
    this.own[w + 1] = this.keyHi;
    const half = shift >> 5;
    this.own[half] = (this.own[half] as number) | (1 << (shift & 31));
    return true;
  }

  /** Was an entry made from a large mapping that holds the address? */
  holdsLarge(lo: number, hi: number): boolean {
    for (let half = 0; half < 2; half++) {
      for (let sizes = this.own[half] as number; sizes !== 0; sizes &= sizes - 1) {
        const shift = 32 * half + 31 - Math.clz32(sizes & -sizes);
        const slot = this.find(lo, hi, shift);
        if (slot >= 0 && this.own[WALK.large / 4 + 2 * slot] !== 0) return true;
      }
    }
    return false;
  }

  /** Forget the large mappings: no entry made from them is left. */
  clear(): void {
    if (this.own[0] === 0 && this.own[1] === 0) return;
    this.own.fill(0, 0, 2);
    this.own.fill(0, WALK.large / 4);
  }

  // The key that `find` looked for.
  private keyLo = 0;
  private keyHi = 0;

  /** The slot of the mapping of 2^shift bytes at an address, or the free one where it belongs; -1 if there is neither. */
  private find(lo: number, hi: number, shift: number): number {
    const { own } = this;
    const inLow = shift < 32;
    const pageLo = inLow ? (lo >>> shift) | (hi << (32 - shift)) : hi >>> (shift - 32);
    const pageHi = inLow ? hi >>> shift : 0;
    this.keyLo = inLow ? ((lo >>> shift) << shift) | shift : shift;
    this.keyHi = inLow ? hi : pageLo << (shift - 32);
    const first = Math.imul(pageLo ^ pageHi, LARGE_SPREAD) >>> LARGE_SPREAD_SHIFT;
    for (let i = 0; i < LARGE_PROBES; i++) {
      const slot = (first + i) & (LARGE_SLOTS - 1);
      const w = WALK.large / 4 + 2 * slot;
      // No key's low half is zero.
      if (own[w] === 0 || (own[w] === this.keyLo && own[w + 1] === this.keyHi)) return slot;
    }
    return -1;
  }
}
