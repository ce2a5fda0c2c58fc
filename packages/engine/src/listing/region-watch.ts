import type { Block } from "../code/block.js";
import type { CodeStore } from "../code/store.js";
import type { Region } from "../hot/region.js";
import type { RegionListing } from "./listing.js";

/** What became of the code at an address that was asked for. */
export interface Unlisted {
  readonly pc: bigint;
  /**
   * `unseen`: no code of its page was ever looked up. `unreached`: code of its page ran, but not at this address.
   * `cold`: it ran, but was not compiled. `refused`: its block begins with an instruction that is left to the
   * interpreter, so no region can be entered there.
   */
  readonly why: "unseen" | "unreached" | "cold" | "refused";
  /**
   * How often its blocks were entered, as far as that is known: what was overwritten or dropped from the code cache
   * is not in it, an entry that the end of a slice cut off is.
   */
  readonly executions: number;
}

export interface RegionWatchOptions {
  /** Virtual addresses: regions that hold one of them are listed. Without it, all are. */
  readonly pcs?: Iterable<bigint>;
  /** List every region with the address, not only the first one. */
  readonly all?: boolean;
  readonly onRegion: (listing: RegionListing) => void;
}

/** Picks the regions that somebody wants to read. Give it to `Engine.regionWatch`. */
export class RegionWatch {
  private readonly onRegion: (listing: RegionListing) => void;
  private readonly pcs: ReadonlySet<bigint> | undefined;
  private readonly all: boolean;
  private readonly listed = new Set<bigint>();
  private readonly refusals = new Set<bigint>();
  /** Host pages at which the virtual pages of `pcs` were found. */
  private readonly hostPages = new Map<bigint, Set<number>>();

  constructor({ pcs, all = false, onRegion }: RegionWatchOptions) {
    this.pcs = pcs && new Set(pcs);
    this.all = all;
    this.onRegion = onRegion;
    for (const pc of this.pcs ?? []) this.hostPages.set(pc >> 12n, new Set());
  }

  /** May a region have to be listed? `page` is the virtual address of its entry's page. */
  wants({ blocks }: Region, page: bigint): boolean {
    return blocks.some(({ ir, delta }) =>
      ir.offsets.some((offset) => this.isWanted(BigInt.asUintN(64, page + BigInt(delta + offset)))),
    );
  }

  /** A region was compiled: tell of it, if it holds what is wanted. Not every block that was read is in it. */
  compiled(listing: RegionListing): void {
    const pcs = listing.rows.filter(({ kind }) => kind === "instruction").map(({ pc }) => pc);
    const wanted = pcs.some((pc) => this.isWanted(pc));
    for (const pc of pcs) if (this.pcs?.has(pc)) this.listed.add(pc);
    if (wanted) this.onRegion(listing);
  }

  private isWanted(pc: bigint): boolean {
    if (this.pcs === undefined) return true;
    return this.pcs.has(pc) && (this.all || !this.listed.has(pc));
  }

  /** No region can begin at a block. */
  refused(block: Block, page: bigint): void {
    for (const pc of this.pcs ?? [])
      if (pc >= page + BigInt(block.start) && pc < page + BigInt(block.end)) this.refusals.add(pc);
  }

  /** Code of a virtual page was looked up in a host page. */
  saw(lo: number, hi: number, hostPage: number): void {
    if (this.pcs === undefined) return;
    this.hostPages.get((BigInt(hi >>> 0) << 20n) | BigInt(lo >>> 12))?.add(hostPage);
  }

  /** The addresses for which no region of the engine was listed so far, and why. */
  unlisted({ code }: { readonly code: CodeStore }): Unlisted[] {
    return [...(this.pcs ?? [])].filter((pc) => !this.listed.has(pc)).map((pc) => this.fate(pc, code));
  }

  private fate(pc: bigint, code: CodeStore): Unlisted {
    const pages = [...(this.hostPages.get(pc >> 12n) ?? [])];
    if (pages.length === 0) return { pc, why: "unseen", executions: 0 };
    const offset = Number(pc & 0xfffn);
    const blocks = pages.flatMap((page) => code.page(page)?.holding(offset) ?? []);
    if (blocks.length === 0) return { pc, why: "unreached", executions: 0 };
    const executions = blocks.reduce((sum, block) => sum + (block.step ? 0 : code.executions(block)), 0);
    return { pc, why: this.refusals.has(pc) ? "refused" : "cold", executions };
  }
}
