import type { Block } from "../code/block.js";
import type { CodeStore } from "../code/store.js";
import type { LookupTables } from "../tlb/lookup-tables.js";

/** A block that an indirect jump led to. */
export interface JumpTarget {
  readonly block: Block;
  /** Virtual distance in bytes of its page from the page of the region's entry. */
  readonly delta: number;
}

/** Further away than this is nothing that a region should contain. */
const FAR = 2n ** 31n;

/** Where indirect jumps led while the cold tier executed them. */
export class JumpTargets {
  private readonly code: CodeStore;
  private readonly lookup: LookupTables;

  constructor(code: CodeStore, lookup: LookupTables) {
    this.code = code;
    this.lookup = lookup;
  }

  /** Targets of the jump at the end of `source`, for a region that begins with `entry` in the page at `page`. */
  of(source: Block, entry: Block, page: bigint): JumpTarget[] {
    return this.code
      .notedTargets(source)
      .map((lo) => this.near(lo, entry, page) ?? this.far(lo, page))
      .filter((target) => target !== undefined);
  }

  /** In the entry's page. Whether the upper half is the same is asked when the jump is made. */
  private near(lo: number, entry: Block, page: bigint): JumpTarget | undefined {
    if (BigInt(lo & ~0xfff) !== BigInt.asIntN(32, page)) return undefined;
    const block = this.code.find(entry.page, (lo & 0xfff) | (entry.mode << 12), false);
    return block && { block, delta: 0 };
  }

  /** In another page: the jump cache knows which that was. */
  private far(lo: number, page: bigint): JumpTarget | undefined {
    const cached = this.lookup.jumpTo(lo);
    if (cached === undefined) return undefined;
    const distance = ((BigInt(cached.hi) << 32n) | BigInt((lo & ~0xfff) >>> 0)) - BigInt.asIntN(64, page);
    if (distance <= -FAR || distance >= FAR) return undefined;
    const block = this.code.blockAt(cached.block);
    return block.start === (lo & 0xfff) ? { block, delta: Number(distance) } : undefined;
  }
}
