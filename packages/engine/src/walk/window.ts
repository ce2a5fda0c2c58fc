import type { RamRange } from "../core/engine.js";
import { type Expr, type FunctionBuilder, i32, i64, type Local, ret, seq, when } from "../wasm/index.js";

const PAGE = 4096;

/** A window's record: i64 first page number and number of pages | i32 where in host memory it is. */
export const WINDOW_BYTES = 24;
const AT = { page: 0, pages: 8, offset: 16 } as const;

/** A range of physical addresses, the end excluded. */
export type PhysicalRange = readonly [start: number, end: number];

/**
 * The one window of physical memory that walks in WebAssembly see: RAM, and open to those whose walks they are. What
 * lies outside is JavaScript's.
 */
export class WalkWindow {
  private readonly words: Int32Array;

  /** `words`: the record's. */
  constructor(words: Int32Array) {
    this.words = words;
  }

  /** Take as many whole pages as lie in any one of the RAM's ranges and one of the open ones. */
  choose(ram: readonly RamRange[], open: readonly PhysicalRange[]): void {
    let [page, pages, offset] = [0, 0, 0];
    for (const range of ram) {
      for (const [start, end] of open) {
        const first = Math.ceil(Math.max(start, range.physical) / PAGE);
        const count = Math.floor(Math.min(end, range.physical + range.size) / PAGE) - first;
        if (count <= pages) continue;
        [page, pages, offset] = [first, count, range.offset + first * PAGE - range.physical];
      }
    }
    this.setWide(AT.page, page);
    this.setWide(AT.pages, pages);
    this.words[AT.offset / 4] = offset;
  }

  private setWide(at: number, value: number): void {
    this.words[at / 4] = value;
    this.words[at / 4 + 1] = Math.floor(value / 0x1_0000_0000);
  }
}

/** The same in a walk: `at` is where the record is behind the address in `memory`. */
export class WindowReader {
  private readonly memory: Local;
  private readonly at: number;
  private readonly relative: Local;

  constructor(f: FunctionBuilder, memory: Local, at: number) {
    this.memory = memory;
    this.at = at;
    this.relative = f.local("i64");
  }

  /** Give -1 for the function's result unless the page is in the window. Then `host` is where. */
  enter(page: Expr): Expr {
    return seq(
      this.relative.set(i64.sub(page, i64.load(this.memory, this.at + AT.page))),
      when(i64.ge_u(this.relative, i64.load(this.memory, this.at + AT.pages)), [ret(i64.const(-1n))]),
    );
  }

  /** Byte address in host memory of the page entered. */
  get host(): Expr {
    return i32.add(i32.load(this.memory, this.at + AT.offset), i32.shl(i32.wrap_i64(this.relative), 12));
  }
}
