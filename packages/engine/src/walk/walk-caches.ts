import { PAGE_CACHE_BYTES, PageCache } from "./page-cache.js";
import { TABLE_CACHE_BYTES } from "./table-cache.js";
import { WalkWindow, WINDOW_BYTES } from "./window.js";

/** What walkers of all architectures have at the start of a core's bytes: byte offsets, `own` that of the rest. */
export const WALK_CACHES = {
  window: 0,
  tables: WINDOW_BYTES,
  guestPages: WINDOW_BYTES + TABLE_CACHE_BYTES,
  own: WINDOW_BYTES + TABLE_CACHE_BYTES + PAGE_CACHE_BYTES,
} as const;

/** That start, seen from JavaScript. */
export class WalkCaches {
  readonly window: WalkWindow;
  /** The walker's own part. */
  readonly own: Int32Array;
  private readonly tables: Int32Array;

  constructor(words: Int32Array) {
    this.window = new WalkWindow(words.subarray(WALK_CACHES.window / 4, WALK_CACHES.tables / 4));
    this.tables = words.subarray(WALK_CACHES.tables / 4, WALK_CACHES.guestPages / 4);
    this.own = words.subarray(WALK_CACHES.own / 4);
    this.forgetTables();
  }

  /** The second stage's translations, which a walk in JavaScript has even where there is none in WebAssembly. */
  static guestPages(words: Int32Array | undefined): PageCache {
    return new PageCache(words?.subarray(WALK_CACHES.guestPages / 4, WALK_CACHES.own / 4));
  }

  /** Where tables are is to be looked up from the root. */
  forgetTables(): void {
    this.tables.fill(-1);
  }

  /** Set an i64 of the walker's own to a number below 2^53. */
  setWide(at: number, value: number): void {
    this.own[at / 4] = value;
    this.own[at / 4 + 1] = Math.floor(value / 0x1_0000_0000);
  }
}
