import type { Block } from "../code/block.js";
import type { CodeStore } from "../code/store.js";
import type { PageSource, Translator } from "../code/translator.js";
import type { GuestCpu } from "../core/guest-cpu.js";
import type { Stopwatch } from "../core/statistics.js";
import { listRegion } from "../listing/list-region.js";
import type { RegionWatch } from "../listing/region-watch.js";
import { ENGINE_STATE } from "../state/layout.js";
import type { LookupTables } from "../tlb/lookup-tables.js";
import { type HotImports, HotModules, MUL_HIGH, REGION_TYPE } from "./compiler.js";
import { emitRegion } from "./emit.js";
import type { FunctionWriter } from "./function-writer.js";
import { RegionNotes } from "./notes.js";
import { RegionGrower } from "./region.js";

/** A region that runs. */
interface Compiled {
  readonly index: number;
  readonly entry: Block;
  /** The entry's micro-ops as they were. */
  readonly copy: Block;
  readonly blocks: readonly Block[];
  readonly cpu: GuestCpu;
  /** Virtual address of the entry's page when it was asked for. */
  readonly page: bigint;
}

/** What the hot tier did, for statistics. */
export interface HotStatistics {
  readonly regions: number;
  readonly instructions: number;
  /** Bytes of WebAssembly. */
  readonly codeBytes: number;
  readonly killed: number;
  readonly modules: number;
  /** Time spent compiling, the host's share in it included; absent without `EngineOptions.now`. */
  readonly milliseconds?: number;
}

export interface HotTierOptions {
  readonly code: CodeStore;
  readonly source: PageSource;
  readonly translator: Translator;
  readonly imports: HotImports;
  readonly state: number;
  readonly lookup: LookupTables;
  readonly maxRegions: number;
  readonly stopwatch: Stopwatch;
  /** Compile at the end of every slice, for tests. */
  readonly eager: boolean;
  /** Who wants to read what is compiled. */
  readonly watch: () => RegionWatch | undefined;
}

/** Compile when so many regions wait, even in the middle of a slice; at the end of a slice when a few do. */
const BATCH = 48;
const SMALL_BATCH = 12;
/**
 * A module costs by itself, so regions wait for others. A block that executed so many instructions since it began to wait
 * has cost about as much: then all are compiled.
 */
const PATIENCE = 20_000;
/**
 * A hot block that a region contains already, though not as its entry, has to be entered so many times the
 * threshold again, past that region: mostly it was only as hot as the region's entry.
 */
const RELUCTANCE = 8;
/** Once in so many times per slice it is worth compiling anew. */
const TWO_PAGES_LIMIT = 1000;
const TWO_PAGES = ENGINE_STATE.twoPages >> 2;

/** Compiles hot blocks and what they lead to, in batches, and forgets regions whose code changed. */
export class HotTier {
  private readonly options: HotTierOptions;
  private readonly modules: HotModules;
  /** The engine's part of the state window. */
  private readonly window: Int32Array;
  private readonly grower: RegionGrower;
  private readonly regions = new Map<Block, Compiled>();
  /** Regions by each block they contain. */
  private readonly users = new Map<Block, Compiled[]>();
  private queue: { readonly block: Block; readonly cpu: GuestCpu; readonly page: bigint }[] = [];
  /** Blocks that were hot, but within a region: the next time they get their own. */
  private readonly deferred = new WeakSet<Block>();
  /** Blocks whose accesses are checked one by one. */
  private readonly unmerged = new WeakSet<Block>();
  private nextIndex = 1;
  private freeIndices: number[] = [];
  private readonly counts = { regions: 0, instructions: 0, codeBytes: 0, killed: 0, modules: 0 };

  constructor(options: HotTierOptions) {
    this.options = options;
    this.modules = new HotModules(options.imports);
    this.window = new Int32Array(options.imports.memory.buffer, options.state, ENGINE_STATE.temporaries >> 2);
    const { code, lookup, source, translator, imports } = options;
    this.grower = new RegionGrower(code, lookup, source, translator, imports.shortcuts !== undefined);
  }

  get statistics(): HotStatistics {
    return { ...this.counts, ...this.options.stopwatch.elapsed };
  }

  /** A block was entered often enough; `page` is the virtual address of its page then. */
  request(block: Block, cpu: GuestCpu, page: bigint): void {
    if (block.dead || block.step || this.regions.has(block)) return;
    if (this.queue.some((waiting) => waiting.block === block)) return this.compile();
    this.wait(block, cpu, page);
    if (this.queue.length >= BATCH) this.compile();
  }

  private wait(block: Block, cpu: GuestCpu, page: bigint): void {
    this.queue.push({ block, cpu, page });
    this.options.code.rearm(block, Math.ceil(PATIENCE / block.instructions));
  }

  /** A slice is over: compile what waits, if it is worth a module. */
  sliceEnded(): void {
    this.separate();
    if (this.queue.length >= (this.options.eager ? 1 : SMALL_BATCH)) this.compile();
  }

  /**
   * Accesses checked together are often on two pages (a stack frame, say, that lies so): check those of that
   * block one by one from now on.
   */
  private separate(): void {
    const { window } = this;
    const often = (window[TWO_PAGES] as number) >= TWO_PAGES_LIMIT;
    window[TWO_PAGES] = 0;
    if (!often) return;
    const { code } = this.options;
    const { page, start, mode } = code.blockAt(window[ENGINE_STATE.twoPagesAt >> 2] as number);
    // Of a region's entry it is the copy.
    const block = code.find(page, start | (mode << 12), false);
    if (block === undefined) return;
    this.unmerged.add(block);
    for (const compiled of [...(this.users.get(block) ?? [])]) {
      this.drop(compiled);
      this.wait(compiled.entry, compiled.cpu, compiled.page);
    }
  }

  /** Compile what waits. Only outside the interpreter. */
  private compile(): void {
    this.options.stopwatch.start();
    this.compileQueue();
    this.options.stopwatch.stop();
  }

  private compileQueue(): void {
    const queue = this.queue;
    this.queue = [];
    const list: { code: FunctionWriter; compiled: Compiled }[] = [];
    for (const { block, cpu, page } of queue) {
      if (block.dead || this.regions.has(block) || this.defer(block)) continue;
      const made = this.emit(block, cpu, page);
      this.options.translator.recycle();
      if (made !== undefined) list.push(made);
    }
    if (list.length === 0) return;
    this.counts.codeBytes += this.modules.install(
      list.map(({ code, compiled }) => ({ code, index: compiled.index })),
    );
    this.counts.modules++;
    for (const { compiled } of list) this.options.code.setRegion(compiled.entry, compiled.index);
  }

  /** The first time that a block is hot within a region, that region may be all it takes. */
  private defer(block: Block): boolean {
    if (!this.users.has(block) || this.deferred.has(block)) return false;
    this.deferred.add(block);
    this.options.code.rearm(block, this.options.code.threshold(block) * RELUCTANCE);
    return true;
  }

  private register(compiled: Compiled, instructions: number): void {
    this.counts.regions++;
    this.counts.instructions += instructions;
    this.regions.set(compiled.entry, compiled);
    for (const block of compiled.blocks) {
      const users = this.users.get(block);
      if (users === undefined) this.users.set(block, [compiled]);
      else users.push(compiled);
    }
  }

  private emit(block: Block, cpu: GuestCpu, page: bigint) {
    const watch = this.options.watch();
    const region = this.grower.grow(block, cpu, page);
    if (region === undefined) {
      watch?.refused(block, page);
      this.options.code.disarm(block);
      return undefined;
    }
    const index = this.freeIndices.pop() ?? (this.nextIndex < this.options.maxRegions ? this.nextIndex++ : 0);
    if (index === 0) return undefined;
    const copy = this.options.code.copy(block);
    if (copy === undefined) {
      this.freeIndices.push(index);
      return undefined;
    }
    const { state, lookup, code: store, source } = this.options;
    const notes = watch?.wants(region, page) ? new RegionNotes() : undefined;
    const plan = {
      state,
      jumpCache: lookup.address,
      code: store,
      entryCopy: copy.address,
      regionType: REGION_TYPE,
      mulHigh: MUL_HIGH,
      shortcuts: this.modules.shortcuts,
      unmerged: (b: Block) => this.unmerged.has(b),
      notes,
    };
    const code = emitRegion(region, plan, this.modules.float);
    if (notes !== undefined)
      watch?.compiled(listRegion({ region, page, cpu, source, plan, notes, code, modules: this.modules }));
    const blocks = region.blocks.flatMap(({ parts }) => parts.map(({ block }) => block));
    const compiled: Compiled = { index, entry: block, copy, blocks, cpu, page };
    this.register(compiled, region.instructions);
    return { code, compiled };
  }

  /** A block's code changed: regions with it must not be entered again. */
  killed(block: Block): void {
    const users = this.users.get(block);
    if (users === undefined) return;
    for (const compiled of [...users]) this.drop(compiled);
  }

  private drop(compiled: Compiled): void {
    this.counts.killed++;
    if (!compiled.entry.dead) this.options.code.clearRegion(compiled.entry, compiled.copy);
    this.options.imports.regions.set(compiled.index, null);
    this.freeIndices.push(compiled.index);
    this.regions.delete(compiled.entry);
    for (const block of compiled.blocks) {
      const others = this.users.get(block)?.filter((user) => user !== compiled) ?? [];
      if (others.length === 0) this.users.delete(block);
      else this.users.set(block, others);
    }
  }

  /** The code cache was emptied. */
  flushed(): void {
    for (const { index } of this.regions.values()) this.options.imports.regions.set(index, null);
    this.regions.clear();
    this.users.clear();
    this.queue = [];
    this.window[TWO_PAGES] = 0;
    this.nextIndex = 1;
    this.freeIndices = [];
  }
}
