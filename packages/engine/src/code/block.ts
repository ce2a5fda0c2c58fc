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
  /**
   * Byte address of the number of each instruction's first micro-op, 16 bits each, with their page offsets behind
   * them; 0 for blocks of one instruction.
   */
  readonly starts: number;
  /** At the start of each instruction, the state is what those before it made it. */
  readonly exact: boolean;
  readonly recipes: ReadonlyMap<number, readonly RecipeEntry[]> | null;
  dead: boolean;
  /** It was reported as hot once. */
  hot: boolean;
  /** A second copy of the micro-ops, made when the first one was replaced by the entry of a region. */
  copy: Block | null;
}

/** Guest code found in one host page. */
export class CodePage {
  private readonly page: number;
  /** Blocks that cover some of its bytes, the ones that only end here included. */
  private blocks: Block[] = [];
  /** Bit per 64 bytes: some block covers a byte there. */
  private coverLo = 0;
  private coverHi = 0;
  /** Writes that killed blocks since the last one was made. */
  overwritten = 0;

  constructor(page: number) {
    this.page = page;
  }

  covers(offset: number, length: number): boolean {
    const last = Math.min(offset + length - 1, 4095) >> 6;
    for (let line = offset >> 6; line <= last; line++) {
      if (((line < 32 ? this.coverLo >>> line : this.coverHi >>> (line - 32)) & 1) !== 0) return true;
    }
    return false;
  }

  add(block: Block): void {
    this.overwritten = 0;
    this.blocks.push(block);
    this.cover(block);
  }

  /** Living blocks that a byte belongs to. */
  holding(offset: number): Block[] {
    return this.blocks.filter(
      (block) => !block.dead && this.startOf(block) <= offset && this.endOf(block) > offset,
    );
  }

  get empty(): boolean {
    return this.blocks.length === 0;
  }

  /** Forget blocks that overlap the bytes; gives those that live. */
  take(offset: number, length: number): Block[] {
    const hit: Block[] = [];
    const kept: Block[] = [];
    this.coverLo = 0;
    this.coverHi = 0;
    for (const block of this.blocks) {
      // Killed through its other page.
      if (block.dead) continue;
      if (this.startOf(block) < offset + length && this.endOf(block) > offset) {
        hit.push(block);
      } else {
        kept.push(block);
        this.cover(block);
      }
    }
    this.blocks = kept;
    return hit;
  }

  /** The part of the block in this page. */
  private startOf(block: Block): number {
    return block.page === this.page ? block.start : 0;
  }
  private endOf(block: Block): number {
    return block.page === this.page ? Math.min(block.end, 4096) : block.end - 4096;
  }

  private cover(block: Block): void {
    const last = (this.endOf(block) - 1) >> 6;
    for (let line = this.startOf(block) >> 6; line <= last; line++) {
      if (line < 32) this.coverLo |= 1 << line;
      else this.coverHi |= 1 << (line - 32);
    }
  }
}
