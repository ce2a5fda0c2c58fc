import { type Expr, type FunctionBuilder, i32, i64, type Local, ret, seq, when } from "../wasm/index.js";

/** Translations remembered, a power of two: a walk of the first stage touches a few tables again and again. */
const ENTRIES = 1024;
const ENTRY_WORDS = 4;
/** Entries of 16 bytes: i64 page number, -1 for none | i64 what the architecture keeps for it. */
export const PAGE_CACHE_BYTES = ENTRIES * ENTRY_WORDS * 4;

/**
 * A second stage's translations by page, as hardware keeps them: successful ones only. The walks in JavaScript and in
 * WebAssembly share them.
 */
export class PageCache {
  private readonly words: Int32Array;
  // The value found.
  lo = 0;
  hi = 0;

  /** `words`: the cache's part of a walk's memory; without one, it has its own. */
  constructor(words: Int32Array = new Int32Array(PAGE_CACHE_BYTES / 4)) {
    this.words = words;
    this.flush();
  }

  /** Forget every translation. */
  flush(): void {
    this.words.fill(-1);
  }

  /** Is the page known? Then `lo` and `hi` are its value. */
  find(page: number): boolean {
    const { words } = this;
    const w = (page & (ENTRIES - 1)) * ENTRY_WORDS;
    if (words[w] !== (page | 0) || words[w + 1] !== Math.floor(page / 0x1_0000_0000)) return false;
    this.lo = words[w + 2] as number;
    this.hi = words[w + 3] as number;
    return true;
  }

  remember(page: number, lo: number, hi: number): void {
    const { words } = this;
    const w = (page & (ENTRIES - 1)) * ENTRY_WORDS;
    words[w] = page;
    words[w + 1] = Math.floor(page / 0x1_0000_0000);
    words[w + 2] = lo;
    words[w + 3] = hi;
  }
}

/** The same in a walk: `at` is where the cache is behind the address in `memory`. */
export class PageCacheReader {
  private readonly page: Local;
  private readonly memory: Local;
  private readonly at: number;
  private readonly slot: Local;

  constructor(f: FunctionBuilder, page: Local, memory: Local, at: number) {
    this.page = page;
    this.memory = memory;
    this.at = at;
    this.slot = f.local("i32");
  }

  /** Give the page's value as the function's result if it is known. */
  find(): Expr {
    return seq(
      this.slot.set(i32.add(this.memory, i32.shl(i32.and(i32.wrap_i64(this.page), ENTRIES - 1), 4))),
      when(i64.eq(i64.load(this.slot, this.at), this.page), [ret(i64.load(this.slot, this.at + 8))]),
    );
  }

  /** After `find`: from now on the page has that value, which is not negative. */
  remember(value: Expr): Expr {
    return seq(i64.store(this.slot, this.page, this.at), i64.store(this.slot, value, this.at + 8));
  }
}
