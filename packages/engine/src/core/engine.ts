import { CodeStore, STATE_PC_BASE_WORD } from "../code/store.js";
import { PageSource, Translator } from "../code/translator.js";
import type { FloatingPoint } from "../cold/interpreter/floats.js";
import { buildInterpreter } from "../cold/interpreter.js";
import type { HostFloats } from "../hot/float-calls.js";
import { hostFuses } from "../hot/host-fuses.js";
import { HotTier } from "../hot/hot-tier.js";
import type { RegionWatch } from "../listing/region-watch.js";
import { resolvePolicy } from "../softfloat/index.js";
import { HOST_PAGE, HostPages } from "../tlb/host-pages.js";
import { LookupTables } from "../tlb/lookup-tables.js";
import { SoftTlb } from "../tlb/tlb.js";
import type { PageWalker } from "../walk/page-walker.js";
import { WalkMemory } from "../walk/walk-memory.js";
import { Core } from "./core.js";
import type { Refill } from "./locate.js";
import type { Shortcuts } from "./shortcuts.js";
import { type EngineStatistics, Stopwatch } from "./statistics.js";

/** A range of physical RAM: `size` bytes from a physical address lie at `offset` in host memory. */
export interface RamRange {
  readonly physical: number;
  readonly size: number;
  readonly offset: number;
}

/** Where physical RAM lies in host memory. */
export interface RamMap {
  /** Byte offset in host memory of a physical address, -1 if it is not RAM; nor, if it is to be written, where it is ROM. */
  ramOffset(physical: number, write?: boolean): number;
  /** The same of what can be written, as ranges, for a page walker, which cannot ask. Without it, or where it names none, walks are JavaScript's. */
  ranges?(): readonly RamRange[];
}

export interface EngineOptions {
  readonly memory: WebAssembly.Memory;
  /** Part of the memory that belongs to the engine: byte offset and size. */
  readonly arena: { readonly offset: number; readonly size: number };
  readonly ram: RamMap;
  /**
   * Offset in host memory where the guest's RAM begins; saved reservations count from there, so that they hold wherever
   * a machine's RAM lies. Default 0.
   */
  readonly origin?: number;
  /** Bytes reserved for one vCPU's state; at least the largest layout's size. */
  readonly stateBytes?: number;
  /**
   * `cold` interprets everything; `hot` compiles a block at its first entry (for tests); `auto` (default)
   * compiles what runs often.
   */
  readonly tier?: Tier;
  /** The architecture's floating-point rules; without them no `fp` operation may be lifted. */
  readonly floatingPoint?: FloatingPoint;
  /** The architecture's page walk in WebAssembly; without it, JavaScript fills the TLB. */
  readonly pageWalker?: PageWalker;
  /** The usual cases of helpers in WebAssembly. */
  readonly shortcuts?: Shortcuts;
  /** Milliseconds by any monotonic clock: measures how long translation takes, and is asked for nothing else. */
  readonly now?: () => number;
}

export type Tier = "auto" | "cold" | "hot";

/** Entries after which a block is compiled; for tests, as soon as the links around it are known. */
const EAGER_ENTRIES = 3;
const HOT_ENTRIES = 2000;
/** Long blocks are compiled after fewer entries: what interpreting them costs is a matter of instructions. */
const HOT_INSTRUCTIONS = 24_000;

const DEFAULT_STATE_BYTES = 8192;
const PAGE = 65536;

/**
 * Runs the cores of one host memory: owns the interpreter instance, the code cache and the state window.
 * One core is active at a time; its state lies in the window, where generated code has fixed addresses.
 */
export class Engine {
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly ram: RamMap;
  readonly origin: number;
  readonly code: CodeStore;
  readonly source: PageSource;
  readonly lookup: LookupTables;
  readonly hostPages: HostPages;
  readonly translator = new Translator();
  readonly stateBytes: number;
  readonly cores: Core[] = [];
  /** Compiled regions by the index in their entry block's header; index 0 is none. */
  readonly regions = new WebAssembly.Table({
    element: "anyfunc",
    initial: MAX_REGIONS,
    maximum: MAX_REGIONS,
  });
  /** Enter the interpreter at a block. */
  readonly interpret: (address: number) => number;

  /** Undefined when everything is interpreted. */
  readonly hot: HotTier | undefined;
  /** Measures translation for the interpreter. */
  readonly stopwatch: Stopwatch;
  /** Tells of compiled regions as they are made; set it between runs. */
  regionWatch: RegionWatch | undefined;

  /** Fills the TLB of the active core, where there is a page walker. */
  readonly refill: Refill | undefined;
  private readonly compiledCount: WebAssembly.Global<"i64">;
  private readonly window: number;
  private readonly arenaEnd: number;
  private active: Core | null = null;
  private nextCore: number;
  private readonly walker: PageWalker | undefined;
  private generation = 0;

  constructor(options: EngineOptions) {
    const { memory, arena } = options;
    this.stopwatch = new Stopwatch(options.now);
    this.memory = memory;
    this.ram = options.ram;
    this.origin = options.origin ?? 0;
    this.words = new Int32Array(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.stateBytes = options.stateBytes ?? DEFAULT_STATE_BYTES;
    this.window = Math.ceil(arena.offset / 64) * 64;
    this.lookup = new LookupTables(memory, this.window + this.stateBytes);
    this.walker = options.pageWalker;
    this.hostPages = new HostPages(memory, this.lookup.address + LookupTables.bytes);
    this.nextCore = Math.ceil((this.hostPages.address + HostPages.bytes(memory)) / 64) * 64;
    this.arenaEnd = arena.offset + arena.size;
    const codeBase = this.nextCore + MAX_CORES * this.coreBytes;
    if (codeBase + MIN_CODE_BYTES > this.arenaEnd)
      throw new RangeError(`the engine's arena of ${arena.size} bytes is too small`);
    this.source = new PageSource(this.bytes);
    this.code = new CodeStore(memory, codeBase, this.arenaEnd - codeBase, this.hostPages);
    this.code.statePage = (this.window >> 2) + STATE_PC_BASE_WORD;
    this.code.onCodePage = (page) => {
      // Most pages of code are never written, so nothing is searched.
      if (!this.hostPages.take(page, HOST_PAGE.writable)) return;
      for (const core of this.cores) core.tlb.protectHostPage(page * 4096);
    };
    const interpreter = this.instantiate(options);
    this.interpret = interpreter["run"] as (address: number) => number;
    this.refill = interpreter["refill"] as Refill | undefined;
    this.compiledCount = interpreter["compiled"] as WebAssembly.Global<"i64">;
    this.hot = options.tier === "cold" ? undefined : this.createHotTier(interpreter, options);
    this.code.onKill = (block) => {
      this.lookup.dropBlock(block);
      this.hot?.killed(block);
    };
    this.code.onFlush = () => {
      this.lookup.clear();
      this.hot?.flushed();
    };
  }

  /** Make a vCPU's core; attach a CPU model before running it. */
  createCore(): Core {
    if (this.cores.length === MAX_CORES) throw new RangeError(`an engine has at most ${MAX_CORES} cores`);
    const home = this.nextCore;
    this.nextCore += this.coreBytes;
    const tlb = home + this.stateBytes;
    const { walker } = this;
    const walk = walker && new WalkMemory(this.memory, tlb + SoftTlb.bytes, walker);
    const core = new Core(this, home, tlb, walk);
    this.cores.push(core);
    return core;
  }

  /** Bring a core's state into the window. */
  activate(core: Core): void {
    if (this.active === core) return;
    const [window, length] = [this.window >> 2, this.stateBytes >> 2];
    if (this.active !== null) {
      // Between the slices of two cores no reservation survives, so store-conditional needs no other check.
      this.active.loseReservation();
      this.words.copyWithin(this.active.home, window, window + length);
      this.active.base = this.active.home;
    }
    this.words.copyWithin(window, core.home, core.home + length);
    core.base = window;
    this.active = core;
  }

  /** RAM bytes changed by other means than a guest store through the TLB. */
  ramWritten(hostOffset: number, length: number): void {
    let at = hostOffset;
    const end = hostOffset + length;
    while (at < end) {
      const page = Math.floor(at / 4096);
      const stop = Math.min(end, (page + 1) * 4096);
      this.code.invalidate(page, at - page * 4096, stop - at);
      at = stop;
    }
  }

  /** Instructions of the blocks that compiled regions entered, of all cores; the cold tier finishes what a region leaves in a block. */
  get compiledInstructions(): number {
    return Number(this.compiledCount.value);
  }

  /** Counts of both tiers since the engine was made, between two runs. */
  statistics(): EngineStatistics {
    const { code, hot, lookup, stopwatch } = this;
    const sum = (of: (core: Core) => number) => this.cores.reduce((total, core) => total + of(core), 0);
    const all = sum((core) => core.executedHere);
    // Blocks that were left in their middle are counted whole.
    const executed = hot === undefined ? 0 : Math.min(all, this.compiledInstructions);
    const cold = {
      executed: all - executed,
      blocks: code.translated,
      instructions: code.translatedInstructions,
      codeBytes: code.used,
      flushes: code.flushes,
      links: code.links,
      jumps: lookup.jumps,
      dispatches: sum((core) => core.dispatches),
      ...stopwatch.elapsed,
    };
    return { cold, ...(hot !== undefined && { hot: { executed, ...hot.statistics } }) };
  }

  /** A number no link or jump cache entry was made under. Two thousand million of them last for years of guest time. */
  nextGeneration(): number {
    return ++this.generation;
  }

  private get coreBytes(): number {
    return this.stateBytes + SoftTlb.bytes + WalkMemory.bytes(this.walker);
  }
  private get memoryPages(): number {
    return this.memory.buffer.byteLength / PAGE;
  }
  private get sharedMemory(): boolean {
    return typeof SharedArrayBuffer !== "undefined" && this.memory.buffer instanceof SharedArrayBuffer;
  }

  private createHotTier(
    interpreter: WebAssembly.Exports,
    { tier, floatingPoint: rules, shortcuts, now }: EngineOptions,
  ): HotTier {
    const { code, source, translator, memory, regions, memoryPages, sharedMemory, window, lookup } = this;
    const eager = tier === "hot";
    code.hotEntries = eager ? EAGER_ENTRIES : HOT_ENTRIES;
    if (!eager) code.hotInstructions = HOT_INSTRUCTIONS;
    const hostFloats: HostFloats = hostFuses() ? "fused" : "plain";
    const imports = {
      memory,
      memoryPages,
      shared: sharedMemory,
      regions,
      interpreter,
      hostFloats: rules !== undefined && hostFloats,
      denormalFlag: rules !== undefined && resolvePolicy(rules).denormal === "operand",
      shortcuts,
    };
    const hot = new HotTier({
      code,
      source,
      translator,
      imports,
      state: window,
      lookup,
      maxRegions: MAX_REGIONS,
      stopwatch: new Stopwatch(now),
      eager,
      watch: () => this.regionWatch,
    });
    return hot;
  }

  private instantiate({ floatingPoint, pageWalker, shortcuts }: EngineOptions): WebAssembly.Exports {
    const { memoryPages, sharedMemory, hostPages } = this;
    const bytes = buildInterpreter(
      {
        state: this.window,
        lookup: this.lookup.address,
        hostPages: hostPages.address,
        memoryPages,
        sharedMemory,
      },
      { floatingPoint, pageWalker, shortcuts },
    );
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: {
        memory: this.memory,
        regions: this.regions,
        access: (kind: number) => (this.active as Core).onAccess(kind),
        helper: (id: number, constant: number) => (this.active as Core).onHelper(id, constant),
        ask: (question: number) => (this.active as Core).cpu.ask?.(question) ?? -1,
      },
    });
    return instance.exports;
  }
}

/** Regions that can be compiled at one time. */
const MAX_REGIONS = 65536;
/** vCPUs one engine can hold. */
export const MAX_CORES = 16;
const MIN_CODE_BYTES = 1 << 20;
