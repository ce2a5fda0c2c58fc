/** One address space as instruction fetch sees it. */
export class CodeContext {
  /** Tag of its entries in the fetch TLB. */
  readonly id: number;
  private readonly generations = new Map<number, number>();
  private readonly allocate: () => number;

  constructor(allocate: () => number) {
    this.allocate = allocate;
    this.id = allocate();
  }

  /** The number under which links and jump cache entries hold for code of a mode. */
  generation(mode: number): number {
    let found = this.generations.get(mode);
    if (found === undefined) {
      found = this.allocate();
      this.generations.set(mode, found);
    }
    return found;
  }
}

/** Pages remembered before all is dropped at once. */
const MAX_PAGES = 1 << 16;

/**
 * The address spaces that code was fetched from, by the architecture's keys. Dropping one gives it new numbers at
 * its next use, so that nothing is searched.
 */
export class CodeContexts {
  private readonly contexts = new Map<number, CodeContext>();
  /** Keys under which a virtual page was fetched from. */
  private readonly fetched = new Map<number, Set<number>>();
  private readonly allocate: () => number;

  constructor(allocate: () => number) {
    this.allocate = allocate;
  }

  get(key: number): CodeContext {
    let context = this.contexts.get(key);
    if (context === undefined) {
      context = new CodeContext(this.allocate);
      this.contexts.set(key, context);
    }
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
    for (const key of keys) this.contexts.delete(key);
    this.fetched.delete(page);
    return true;
  }

  /** Forget the contexts whose key satisfies the predicate, all without one. */
  drop(predicate?: (key: number) => boolean): void {
    if (predicate === undefined) {
      this.contexts.clear();
      this.fetched.clear();
      return;
    }
    for (const key of this.contexts.keys()) if (predicate(key)) this.contexts.delete(key);
  }

  /** Forget the contexts of `count` keys from `first`. */
  dropRange(first: number, count: number): void {
    for (let key = first; key < first + count; key++) this.contexts.delete(key);
  }
}
