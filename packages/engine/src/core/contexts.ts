import { MAX_CONTEXT } from "../tlb/geometry.js";
import { ContextIds, SoftTlb } from "../tlb/tlb.js";
import { pageNumber, VirtualPages } from "../tlb/virtual-pages.js";
import type { WalkMemory } from "../walk/walk-memory.js";
import { type CodeContext, CodeContexts } from "./code-contexts.js";
import type { Engine } from "./engine.js";
import { CoreWords, W } from "./words.js";

/** No architecture's key of a context. */
const NO_KEY = -1;

/** A core's address spaces: which translations its loads, stores and fetches use, and when they are forgotten. */
export abstract class CoreContexts extends CoreWords {
  readonly engine: Engine;
  readonly tlb: SoftTlb;
  private dataKey0 = NO_KEY;
  private dataKey1 = NO_KEY;
  protected codeKey = NO_KEY;
  protected globalKey = NO_KEY;
  private lastDataId = 0;
  private readonly dataIds = new ContextIds(() => this.nextDataId());
  protected readonly codeContexts: CodeContexts;
  /** The address space of `codeKey`, and what it shares with the others (`globalKey`). */
  protected codeContext: CodeContext;
  protected globalContext: CodeContext;
  /** Large mappings that TLB or fetch entries were made from; where walks fill the TLB, they are in `walk` instead. */
  private readonly large = new VirtualPages();
  /** Mode bits under which code is being looked up; part of the generation. */
  protected codeMode = 0;
  protected readonly walk: WalkMemory | undefined;

  constructor(engine: Engine, home: number, tlbAddress: number, walk: WalkMemory | undefined) {
    super(engine.words, engine.bytes, home);
    this.engine = engine;
    this.tlb = new SoftTlb(engine.memory, tlbAddress, engine.hostPages);
    this.walk = walk;
    this.allowWalks(true);
    this.codeContexts = new CodeContexts(() => engine.nextGeneration());
    this.codeContext = this.codeContexts.get(0);
    this.globalContext = this.codeContext;
    this.setDataContext(0);
    this.setCodeContext(0);
  }

  /** Let walks in WebAssembly fill the TLB, or have each miss looked at. */
  protected allowWalks(allowed: boolean): void {
    this.setWord(W.walk, allowed && this.walk !== undefined ? this.walk.address : 0);
  }

  setDataContext(key: number): void {
    this.setDataContexts(key, key, 0);
  }
  setDataContexts(key0: number, key1: number, selected: 0 | 1): void {
    if (key0 !== this.dataKey0 || key1 !== this.dataKey1) {
      this.dataKey0 = key0;
      this.dataKey1 = key1;
      this.setDataIds();
    }
    this.selectContext(selected);
  }
  private selectContext(selected: number): void {
    const id = this.word(W.contexts + 4 * selected);
    this.setWord(W.dataContext, id);
    this.setWord(W.tlb, this.tlb.bank(id));
  }
  private setDataIds(): void {
    const { dataIds, dataKey0, dataKey1 } = this;
    dataIds.id(dataKey0);
    const other = dataIds.id(dataKey1);
    // Making the second one may have started the ids anew.
    const id = dataIds.id(dataKey0);
    this.setWord(W.contexts, id);
    this.setWord(W.contexts + 2, this.tlb.bank(id));
    this.setWord(W.contexts + 4, other);
    this.setWord(W.contexts + 6, this.tlb.bank(other));
  }
  /** The ids of the current contexts were dropped: take new ones. */
  private renewContexts(): void {
    const selected = this.word(W.dataContext) === this.word(W.contexts) ? 0 : 1;
    this.setDataIds();
    this.selectContext(selected);
    this.takeCodeContext();
  }
  setCodeContext(key: number, globalKey: number = key): void {
    if (key === this.codeKey && globalKey === this.globalKey) return;
    this.codeKey = key;
    this.globalKey = globalKey;
    this.takeCodeContext();
  }
  protected takeCodeContext(): void {
    const { codeKey: key, globalKey } = this;
    this.codeContext = this.codeContexts.get(key);
    this.globalContext = this.codeContexts.get(globalKey);
    this.setWord(W.fetchContext, this.codeContext.id);
    this.setWord(W.globalFetchContext, this.globalContext.id);
    this.setGenerations();
  }
  protected setGenerations(): void {
    this.setWord(W.codeMode, this.codeMode << 12);
    this.setWord(W.generation, this.codeContext.generation(this.codeMode));
    this.setWord(W.globalGeneration, this.globalContext.generation(this.codeMode));
  }

  dropContexts(predicate?: (key: number) => boolean): void {
    if (predicate === undefined) {
      (this.walk ?? this.large).clear();
    }
    this.dataIds.drop(predicate);
    this.codeContexts.drop(predicate);
    this.renewContexts();
  }

  dropContextRange(first: number, count: number): void {
    this.dataIds.dropRange(first, count);
    this.codeContexts.dropRange(first, count);
    this.renewContexts();
  }

  dropPage(vaLo: number, vaHi: number): void {
    // One address of a large mapping stands for all of it.
    if ((this.walk ?? this.large).holdsLarge(vaLo, vaHi)) return this.dropContexts();
    this.tlb.dropPage(vaLo);
    if (this.codeContexts.dropPage(pageNumber(vaLo, vaHi, 12))) this.takeCodeContext();
  }

  /** An entry is about to be made from a mapping of 2^shift bytes. All others may be dropped for it. */
  rememberLarge(lo: number, hi: number, shift: number): void {
    const { walk } = this;
    if (walk === undefined) return this.large.add(lo, hi, shift);
    if (walk.addLarge(lo, hi, shift)) return;
    this.dropContexts();
    walk.addLarge(lo, hi, shift);
  }

  /** Ids are the low 12 bits of tags; when they run out the TLB starts anew. */
  private nextDataId(): number {
    if (this.lastDataId === MAX_CONTEXT) {
      this.lastDataId = 0;
      this.dataIds.drop();
      this.tlb.flush();
    }
    return ++this.lastDataId;
  }

  get context(): number {
    return this.word(W.dataContext);
  }
}
