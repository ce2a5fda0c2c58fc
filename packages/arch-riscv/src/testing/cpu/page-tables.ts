import { RAM } from "./fake-core.js";

/** RAM from `RAM` on, by physical address. */
export interface TestRam {
  readonly ramBytes: number;
  read64(physical: number): bigint;
  write64(physical: number, value: bigint): void;
}

const V = 1n;
const POINTER = V;
const KNOWN_LEVEL_BITS = 9n;

/** Hands out zeroed 4 KiB pages of a test's RAM, by page number. */
export class Pages {
  private next = 0;
  private readonly core: TestRam;

  constructor(core: TestRam) {
    this.core = core;
  }

  allocate(count = 1): bigint {
    // Roots of four pages are aligned to their size.
    this.next = Math.ceil(this.next / count) * count;
    const page = this.next;
    this.next += count;
    if (this.next * 4096 > this.core.ramBytes) throw new RangeError("the RAM is full");
    return BigInt(RAM / 4096 + page);
  }
}

/** How a table is found: for the first stage of two, a guest page number becomes a host one. */
export interface Table {
  /** Page number that entries hold. */
  readonly page: bigint;
  /** Page number in RAM. */
  readonly host: bigint;
}

/** Builds one stage's tables; remembers where the entries are, so that tests can spoil them. */
export class TableBuilder {
  readonly entries: number[] = [];
  readonly root: Table;
  private readonly core: TestRam;
  private readonly levels: number;
  private readonly makeTable: () => Table;
  private readonly tables = new Map<bigint, Table>();

  constructor(core: TestRam, sv: number, root: Table, makeTable: () => Table) {
    this.core = core;
    this.levels = (sv - 12) / 9;
    this.root = root;
    this.makeTable = makeTable;
  }

  /** Map the page number `from` (all its index bits) by a leaf at `level` that holds `to` and `flags`. */
  map(from: bigint, level: number, to: bigint, flags: bigint): void {
    let table = this.root;
    for (let i = this.levels - 1; i > level; i--) {
      const at = this.slot(table, from, i);
      let pte = this.core.read64(at);
      if (pte === 0n) {
        const made = this.makeTable();
        this.tables.set(made.page, made);
        pte = (made.page << 10n) | POINTER;
        this.core.write64(at, pte);
        this.entries.push(at);
      }
      const next = this.tables.get(pte >> 10n);
      if (next === undefined) return;
      table = next;
    }
    const at = this.slot(table, from, level);
    if (this.core.read64(at) !== 0n) return;
    const low = (1n << (KNOWN_LEVEL_BITS * BigInt(level))) - 1n;
    this.core.write64(at, ((to & ~low) << 10n) | flags);
    this.entries.push(at);
  }

  private slot(table: Table, from: bigint, level: number): number {
    const index = from >> (KNOWN_LEVEL_BITS * BigInt(level));
    const wide = level === this.levels - 1;
    return Number((table.host << 12n) + (wide ? index : index & 511n) * 8n);
  }
}
