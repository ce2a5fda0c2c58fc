import type { Block } from "./block.js";

/** Enough for the boot of an operating system; it grows when three quarters are full. */
const FIRST_SIZE = 0x20000;
/** Words per entry: page, the rest of the key, number of the block + 1 (0: free). */
const ENTRY = 3;

/**
 * Finds blocks by what they were translated from. One flat hash table for all pages: a lookup allocates nothing and
 * touches one line of it. An entry stays when its block dies, and serves the next block with the same key.
 */
export class BlockIndex {
  private size = FIRST_SIZE;
  private words = new Int32Array(FIRST_SIZE * ENTRY);
  private used = 0;

  /** Number of the block last added with this key, -1 if there never was one. It may be dead. */
  find(page: number, key: number, step: boolean): number {
    const at = this.locate(page, withKind(key, step));
    return (this.words[at + 2] as number) - 1;
  }

  /** `blocks`: all of them, by number. */
  add(block: Block, blocks: readonly Block[]): void {
    const a = block.page;
    const b = withKind(block.start | (block.mode << 12), block.step);
    let at = this.locate(a, b);
    if (this.words[at + 2] === 0) {
      if (++this.used * 4 > this.size * 3) {
        this.grow(blocks);
        at = this.locate(a, b);
      }
      this.words[at] = a;
      this.words[at + 1] = b;
    }
    this.words[at + 2] = block.id + 1;
  }

  clear(): void {
    this.words.fill(0);
    this.used = 0;
  }

  /** Word index of the entry with this key, or of the free one where it belongs. */
  private locate(a: number, b: number): number {
    const { words, size } = this;
    let i = hash(a, b) & (size - 1);
    for (;;) {
      const at = i * ENTRY;
      if (words[at + 2] === 0 || (words[at] === a && words[at + 1] === b)) return at;
      i = (i + 1) & (size - 1);
    }
  }

  /** Entries of dead blocks are left behind. */
  private grow(blocks: readonly Block[]): void {
    const old = this.words;
    this.size *= 2;
    this.words = new Int32Array(this.size * ENTRY);
    this.used = 1;
    for (let at = 0; at < old.length; at += ENTRY) {
      const number = old[at + 2] as number;
      if (number === 0 || (blocks[number - 1] as Block).dead) continue;
      const to = this.locate(old[at] as number, old[at + 1] as number);
      this.words[to] = old[at] as number;
      this.words[to + 1] = old[at + 1] as number;
      this.words[to + 2] = number;
      this.used++;
    }
  }
}

/** A key has 24 bits. */
function withKind(key: number, step: boolean): number {
  return step ? key | 0x1000000 : key;
}

function hash(a: number, b: number): number {
  const mixed = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
