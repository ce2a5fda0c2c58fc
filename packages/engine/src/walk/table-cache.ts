import { type Expr, type FunctionBuilder, i32, i64, type Local, seq } from "../wasm/index.js";

/** Tables that are remembered, a power of two. */
const ENTRIES = 64;
/** Entries of 16 bytes: i64 number of the part of the address space, -1 for none | i32 offset in host memory | i32 more. */
export const TABLE_CACHE_BYTES = ENTRIES * 16;

/**
 * Where in host memory tables of one level are, by the part of the address space they are for (a GiB, for tables whose
 * entries stand for 2 MiB): so few walks begin at the root. They are of the current root, and whatever forgets its
 * translations forgets them.
 */
export class TableCacheReader {
  private readonly memory: Local;
  private readonly at: number;
  private readonly slot: Local;
  private readonly part: Local;

  /** `at` is where the cache is behind the address in `memory`. */
  constructor(f: FunctionBuilder, memory: Local, at: number) {
    this.memory = memory;
    this.at = at;
    this.slot = f.local("i32");
    this.part = f.local("i64");
  }

  /** Look a part up: then `known` says if it is there, `host` and `more` what was remembered. */
  find(part: Expr): Expr {
    const index = i32.and(i32.wrap_i64(this.part), ENTRIES - 1);
    return seq(this.part.set(part), this.slot.set(i32.add(this.memory, i32.shl(index, 4))));
  }
  get known(): Expr {
    return i64.eq(i64.load(this.slot, this.at), this.part);
  }
  get host(): Expr {
    return i32.load(this.slot, this.at + 8);
  }
  /** A word of the architecture's about it. */
  get more(): Expr {
    return i32.load(this.slot, this.at + 12);
  }

  /** Remember the table of the part that was looked up. */
  remember(host: Expr, more?: Expr): Expr {
    return seq(
      i64.store(this.slot, this.part, this.at),
      i32.store(this.slot, host, this.at + 8),
      ...(more === undefined ? [] : [i32.store(this.slot, more, this.at + 12)]),
    );
  }
}
