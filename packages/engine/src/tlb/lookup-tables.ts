import type { Block } from "../code/block.js";
import {
  BLOCK_TABLE_ENTRIES,
  BLOCK_TABLE_SPREAD,
  FETCH_TLB_ENTRIES,
  JUMP_CACHE_ENTRIES,
  LOOKUP_TABLES,
} from "./geometry.js";

const ENTRY_WORDS = 4;

/**
 * What finds the block for a virtual address: the jump cache, the fetch TLB and the block table, in host memory
 * where generated code reads them. Here they are filled.
 */
export class LookupTables {
  readonly address: number;
  /** Jumps put into the jump cache here, for statistics; most are by the interpreter. */
  jumps = 0;
  private readonly words: Int32Array;
  private readonly jumpCache: number;
  private readonly fetchTlb: number;
  private readonly blocks: number;

  constructor(memory: WebAssembly.Memory, address: number) {
    this.words = new Int32Array(memory.buffer);
    this.address = address;
    this.jumpCache = (address + LOOKUP_TABLES.jumpCache) >> 2;
    this.fetchTlb = (address + LOOKUP_TABLES.fetchTlb) >> 2;
    this.blocks = (address + LOOKUP_TABLES.blocks) >> 2;
    this.clear();
  }

  static readonly bytes = LOOKUP_TABLES.bytes;

  /** Forget everything: the code cache was emptied. */
  clear(): void {
    this.words.fill(-1, this.address >> 2, (this.address + LOOKUP_TABLES.bytes) >> 2);
  }

  /** A jump to a virtual address leads to a block under a mapping generation. */
  cacheJump(lo: number, hi: number, generation: number, block: number): void {
    const index = ((lo >>> 1) | (hi << 31)) ^ ((lo >>> 12) | (hi << 20));
    const w = this.jumpCache + (index & (JUMP_CACHE_ENTRIES - 1)) * ENTRY_WORDS;
    this.words[w] = lo;
    this.words[w + 1] = hi;
    this.words[w + 2] = generation;
    this.words[w + 3] = block;
    this.jumps++;
  }

  /** What the jump cache knows of an address with this lower half: the upper one, and the block. */
  jumpTo(lo: number): { readonly hi: number; readonly block: number } | undefined {
    const index = (lo >>> 1) ^ (lo >>> 12);
    const w = this.jumpCache + (index & (JUMP_CACHE_ENTRIES - 1)) * ENTRY_WORDS;
    if (this.words[w] !== lo || this.words[w + 2] === -1) return undefined;
    return { hi: this.words[w + 1] as number, block: this.words[w + 3] as number };
  }

  /** The fetch context that a page's entry holds for, -1 if there is none. */
  fetchContext(lo: number, hi: number): number {
    const w = this.fetchEntry(lo);
    if (this.words[w] !== (lo & ~0xfff) || this.words[w + 1] !== hi) return -1;
    return this.words[w + 2] as number;
  }

  /** Host page number in a page's entry, after `fetchContext` found it. */
  fetchPage(lo: number): number {
    return this.words[this.fetchEntry(lo) + 3] as number;
  }

  fillFetch(lo: number, hi: number, context: number, page: number): void {
    const w = this.fetchEntry(lo);
    this.words[w] = lo & ~0xfff;
    this.words[w + 1] = hi;
    this.words[w + 2] = context;
    this.words[w + 3] = page;
  }

  /** A block that lies in one page starts at `key`: its offset with the mode bits above it. */
  setBlock(page: number, key: number, block: number): void {
    const w = this.blockEntry(page, key);
    this.words[w] = page;
    this.words[w + 1] = key;
    this.words[w + 2] = block;
  }

  /** The block is dead, and must not be found. */
  dropBlock({ page, start, mode, address }: Pick<Block, "page" | "start" | "mode" | "address">): void {
    const w = this.blockEntry(page, start | (mode << 12));
    if (this.words[w + 2] === address) this.words[w] = -1;
  }

  private blockEntry(page: number, key: number): number {
    const index = (Math.imul(page, BLOCK_TABLE_SPREAD) ^ (key >>> 1)) & (BLOCK_TABLE_ENTRIES - 1);
    return this.blocks + index * ENTRY_WORDS;
  }

  private fetchEntry(lo: number): number {
    return this.fetchTlb + ((lo >>> 12) & (FETCH_TLB_ENTRIES - 1)) * ENTRY_WORDS;
  }
}
