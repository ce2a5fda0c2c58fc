import type { RecipeEntry } from "../cold/lower.js";

/** A translated block of guest code in the code cache. */
export interface Block {
  /** Number in the store's list; also in the block's header. */
  readonly id: number;
  /** Host page number (byte offset / 4096) of the block's first byte. */
  readonly page: number;
  /** Host page of the second half of an instruction that crosses pages, -1 if there is none. */
  readonly secondPage: number;
  /** Page offset of the first instruction, and just past the last. */
  readonly start: number;
  readonly end: number;
  readonly mode: number;
  /** Guest instructions in the block. */
  readonly instructions: number;
  /** Byte address of the first micro-op. */
  readonly address: number;
  /** Words of micro-ops, without the link stubs behind them. */
  readonly length: number;
  /** One instruction only, never linked: used to finish an instruction with a slow access. */
  readonly step: boolean;
  /** Byte address of the number of each instruction's first micro-op, 16 bits each; 0 for blocks of one instruction. */
  readonly starts: number;
  readonly recipes: ReadonlyMap<number, readonly RecipeEntry[]> | null;
  dead: boolean;
  /** A second copy of the micro-ops, made when the first one was replaced by the entry of a region. */
  copy: Block | null;
}

/** Guest code found in one host page. */
export class CodePage {
  /** Blocks by `start | mode << 12`, chained and single-step ones apart. */
  readonly chained = new Map<number, Block>();
  readonly stepped = new Map<number, Block>();
  /** Bit per 64 bytes: some block covers a byte there. */
  coverLo = 0;
  coverHi = 0;
  /** Blocks that start elsewhere and end here. */
  readonly tails = new Set<Block>();

  covers(offset: number, length: number): boolean {
    const last = Math.min(offset + length - 1, 4095) >> 6;
    for (let line = offset >> 6; line <= last; line++) {
      if (((line < 32 ? this.coverLo >>> line : this.coverHi >>> (line - 32)) & 1) !== 0) return true;
    }
    return false;
  }

  cover(offset: number, end: number): void {
    const last = Math.min(end - 1, 4095) >> 6;
    for (let line = offset >> 6; line <= last; line++) {
      if (line < 32) this.coverLo |= 1 << line;
      else this.coverHi |= 1 << (line - 32);
    }
  }

  get empty(): boolean {
    return this.chained.size === 0 && this.stepped.size === 0 && this.tails.size === 0;
  }

  /** Forget blocks that overlap the bytes; gives them. */
  take(offset: number, length: number): Block[] {
    const hit: Block[] = [];
    const overlaps = (start: number, end: number) => start < offset + length && end > offset;
    for (const map of [this.chained, this.stepped]) {
      for (const [key, block] of map) {
        if (!overlaps(block.start, block.end)) continue;
        hit.push(block);
        map.delete(key);
      }
    }
    for (const block of this.tails) {
      if (!overlaps(0, block.end - 4096)) continue;
      hit.push(block);
      this.tails.delete(block);
    }
    this.recover();
    return hit;
  }

  private recover(): void {
    this.coverLo = 0;
    this.coverHi = 0;
    for (const map of [this.chained, this.stepped])
      for (const block of map.values()) this.cover(block.start, block.end);
    for (const block of this.tails) this.cover(0, block.end - 4096);
  }
}
