/** One address space as instruction fetch sees it. */
export class CodeContext {
  /** Tag of its entries in the fetch TLB. */
  readonly id: number;
  private readonly generations = new Map<number, number>();
  /** The mode asked for last, and the one before. */
  private mode = -1;
  private number = 0;
  private otherMode = -1;
  private otherNumber = 0;
  private readonly allocate: () => number;

  constructor(allocate: () => number) {
    this.allocate = allocate;
    this.id = allocate();
  }

  /** The number under which links and jump cache entries hold for code of a mode. */
  generation(mode: number): number {
    if (mode === this.mode) return this.number;
    let found = mode === this.otherMode ? this.otherNumber : this.generations.get(mode);
    if (found === undefined) {
      found = this.allocate();
      this.generations.set(mode, found);
    }
    this.otherMode = this.mode;
    this.otherNumber = this.number;
    this.mode = mode;
    this.number = found;
    return found;
  }
}

/** A power of two. */
const RECENT = 8;
/** No key: those of contexts are not below -1. */
const EMPTY = -2;
/** Pages remembered before all is dropped at once. */
const MAX_PAGES = 1 << 16;

/**
 * The address spaces that code was fetched from, by the architecture's keys. Dropping one gives it new numbers at
 * its next use, so that nothing is searched.
 */
export class CodeContexts {
  private readonly contexts = new Map<number, CodeContext>();
  /** Contexts asked for lately, by the low bits of the key. */
  private readonly recentKeys = new Array<number>(RECENT).fill(EMPTY);
  private readonly recent: (CodeContext | undefined)[] = new Array(RECENT).fill(undefined);
  /** Keys under which a virtual page was fetched from. */
  private readonly fetched = new Map<number, Set<number>>();
  private readonly allocate: () => number;

  constructor(allocate: () => number) {
    this.allocate = allocate;
  }

  get(key: number): CodeContext {
    const slot = key & (RECENT - 1);
    if (this.recentKeys[slot] === key) return this.recent[slot] as CodeContext;
    let context = this.contexts.get(key);
    if (context === undefined) {
      context = new CodeContext(this.allocate);
      this.contexts.set(key, context);
    }
    this.recentKeys[slot] = key;
    this.recent[slot] = context;
    return context;
  }

  /** Code was fetched from a page under a key. True if that was one page too many, and every context was dropped. */
  fetchedFrom(page: number, key: number): boolean {
    let keys = this.fetched.get(page);
    if (keys === undefined) {
      if (this.fetched.size === MAX_PAGES) {
        this.drop();
        return true;
      }
      keys = new Set();
      this.fetched.set(page, keys);
    }
    keys.add(key);
    return false;
  }

  /** The mapping of a page changed; false if no code was fetched from it. */
  dropPage(page: number): boolean {
    const keys = this.fetched.get(page);
    if (keys === undefined) return false;
    this.recentKeys.fill(EMPTY);
    for (const key of keys) this.contexts.delete(key);
    this.fetched.delete(page);
    return true;
  }

  /** Forget the contexts whose key satisfies the predicate, all without one. */
  drop(predicate?: (key: number) => boolean): void {
    this.recentKeys.fill(EMPTY);
    if (predicate === undefined) {
      this.contexts.clear();
      this.fetched.clear();
      return;
    }
    for (const key of this.contexts.keys()) if (predicate(key)) this.contexts.delete(key);
  }

  /** Forget the contexts of `count` keys from `first`. */
  dropRange(first: number, count: number): void {
    this.recentKeys.fill(EMPTY);
    for (let key = first; key < first + count; key++) this.contexts.delete(key);
  }
}
