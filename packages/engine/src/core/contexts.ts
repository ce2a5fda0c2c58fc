import { CODE_CONTEXT_BYTES, CODE_CONTEXTS, DATA_CONTEXTS } from "../state/layout.js";
import { MAX_CONTEXT } from "../tlb/geometry.js";
import { ContextIds, SoftTlb } from "../tlb/tlb.js";
import { pageNumber, VirtualPages } from "../tlb/virtual-pages.js";
import type { WalkMemory } from "../walk/walk-memory.js";
import type { CodeContextKeys } from "./api.js";
import { type CodeContext, CodeContexts } from "./code-contexts.js";
import type { Engine } from "./engine.js";
import { CoreWords, W } from "./words.js";

/** No architecture's key of a context. */
const NO_KEY = -1;
const CODE_CONTEXT_WORDS = CODE_CONTEXT_BYTES / 4;

/** One that guest code can choose. */
interface SelectableCode {
  key: number;
  globalKey: number;
  mode: number;
  /** The address space of `key`, and what it shares with the others (`globalKey`). */
  context: CodeContext;
  global: CodeContext;
}

/** A core's address spaces: which translations its loads, stores and fetches use, and when they are forgotten. */
export abstract class CoreContexts extends CoreWords {
  readonly engine: Engine;
  readonly tlb: SoftTlb;
  private readonly dataKeys = new Array<number>(DATA_CONTEXTS).fill(NO_KEY);
  /** The only key of `setDataContext`. */
  private readonly oneKey = [NO_KEY];
  private lastDataId = 0;
  private readonly dataIds = new ContextIds(() => this.nextDataId());
  protected readonly codeContexts: CodeContexts;
  /** Those that guest code chooses from. */
  private readonly choices: readonly SelectableCode[];
  /** Large mappings that TLB or fetch entries were made from; where walks fill the TLB, they are in `walk` instead. */
  private readonly large = new VirtualPages();
  protected readonly walk: WalkMemory | undefined;

  constructor(engine: Engine, home: number, tlbAddress: number, walk: WalkMemory | undefined) {
    super(engine.words, engine.bytes, home);
    this.engine = engine;
    this.tlb = new SoftTlb(engine.memory, tlbAddress, engine.hostPages);
    this.walk = walk;
    this.allowWalks(true);
    this.codeContexts = new CodeContexts(() => engine.nextGeneration());
    const none = this.codeContexts.get(0);
    this.choices = Array.from({ length: CODE_CONTEXTS }, () => ({
      ...{ key: NO_KEY, globalKey: NO_KEY, mode: 0, context: none, global: none },
    }));
    this.setDataContext(0);
    this.setCodeContext(0);
  }

  /** Let walks in WebAssembly fill the TLB, or have each miss looked at. */
  protected allowWalks(allowed: boolean): void {
    this.setWord(W.walk, allowed && this.walk !== undefined ? this.walk.address : 0);
  }

  setDataContext(key: number): void {
    this.oneKey[0] = key;
    this.setDataContexts(this.oneKey, 0);
  }
  setDataContexts(keys: readonly number[], selected: number): void {
    if (this.takeKeys(keys)) this.setDataIds();
    this.selectContext(selected);
  }
  get selectedContext(): number {
    let selected = 0;
    while (this.word(W.dataContext) !== this.word(W.contexts + 4 * selected)) selected++;
    return selected;
  }
  /** Keys that are not given are the first one. False if nothing changes. */
  private takeKeys(keys: readonly number[]): boolean {
    const { dataKeys } = this;
    let changed = false;
    for (let i = 0; i < DATA_CONTEXTS; i++) {
      const key = keys[i < keys.length ? i : 0] as number;
      if (dataKeys[i] === key) continue;
      dataKeys[i] = key;
      changed = true;
    }
    return changed;
  }
  private selectContext(selected: number): void {
    const id = this.word(W.contexts + 4 * selected);
    this.setWord(W.dataContext, id);
    this.setWord(W.tlb, this.tlb.bank(id));
  }
  private setDataIds(): void {
    const { dataIds, dataKeys } = this;
    const [firstKey] = dataKeys as [number];
    const first = dataIds.id(firstKey);
    for (let i = 0; i < DATA_CONTEXTS; i++) {
      const key = dataKeys[i] as number;
      // Most are the first one again, and traps come here: they are not looked up.
      const id = key === firstKey ? first : dataIds.id(key);
      this.setWord(W.contexts + 4 * i, id);
      this.setWord(W.contexts + 4 * i + 2, this.tlb.bank(id));
    }
    // Making a later one may have started the ids anew, but not twice.
    if (dataIds.id(firstKey) !== first) this.setDataIds();
  }
  /** The ids of the current contexts were dropped: take new ones. */
  private renewContexts(): void {
    // Contexts with one id have one key, and so will have one id again.
    const selected = this.selectedContext;
    this.setDataIds();
    this.selectContext(selected);
    this.takeCodeContexts();
  }
  setCodeContext(key: number, globalKey: number = key): void {
    const choice = this.choices[0] as SelectableCode;
    if (key !== choice.key || globalKey !== choice.globalKey) {
      this.takeCodeKeys(choice, key, globalKey);
      this.writeCode(0);
    } else if (this.selectedCode === 0) return;
    this.selectCode(0);
  }
  setCodeContexts(contexts: readonly [CodeContextKeys, CodeContextKeys], selected: number): void {
    for (const [i, { key, globalKey, mode }] of contexts.entries()) {
      const choice = this.choices[i] as SelectableCode;
      choice.mode = mode;
      this.takeCodeKeys(choice, key, globalKey);
      this.writeCode(i);
    }
    this.selectCode(selected);
  }
  selectContexts(data: number, code: number): void {
    this.selectContext(data);
    if (code !== this.selectedCode) this.selectCode(code);
  }

  /** The code context that applies. */
  protected get code(): SelectableCode {
    return this.choices[this.selectedCode] as SelectableCode;
  }
  get selectedCode(): number {
    return this.word(W.codeContext);
  }
  protected selectCode(index: number): void {
    const { words } = this;
    const to = this.base + W.codeMode;
    const from = this.base + W.codeContexts + index * CODE_CONTEXT_WORDS;
    for (let i = 0; i < CODE_CONTEXT_WORDS; i++) words[to + i] = words[from + i] as number;
  }
  private takeCodeKeys(choice: SelectableCode, key: number, globalKey: number): void {
    choice.key = key;
    choice.globalKey = globalKey;
    choice.context = this.codeContexts.get(key);
    choice.global = this.codeContexts.get(globalKey);
  }
  /** The contexts of the keys, or some of them, are others now. */
  protected takeCodeContexts(): void {
    for (const [i, choice] of this.choices.entries()) {
      if (choice.key === NO_KEY) continue;
      this.takeCodeKeys(choice, choice.key, choice.globalKey);
      this.writeCode(i);
    }
    this.selectCode(this.selectedCode);
  }
  /** Tell guest code of the context that it may choose. */
  protected writeCode(index: number): void {
    const { mode, context, global } = this.choices[index] as SelectableCode;
    const { words } = this;
    const at = this.base + W.codeContexts + index * CODE_CONTEXT_WORDS;
    words[at] = mode << 12;
    words[at + 1] = context.generation(mode);
    words[at + 2] = global.generation(mode);
    words[at + 3] = context.id;
    words[at + 4] = global.id;
    words[at + 5] = index;
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
    if (this.codeContexts.dropPage(pageNumber(vaLo, vaHi, 12))) this.takeCodeContexts();
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
