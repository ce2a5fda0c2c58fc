import type { Block } from "../code/block.js";
import { After } from "../cold/interpreter.js";
import { HAS_RECIPE, Leave } from "../cold/micro-ops.js";
import { ENGINE_STATE as E, type Field } from "../state/layout.js";
import { MAX_CONTEXT } from "../tlb/geometry.js";
import { ContextIds, SoftTlb } from "../tlb/tlb.js";
import { pageNumber, VirtualPages } from "../tlb/virtual-pages.js";
import type { WalkMemory } from "../walk/walk-memory.js";
import type { CoreApi } from "./api.js";
import { type CodeContext, CodeContexts } from "./code-contexts.js";
import type { Engine, RamRange } from "./engine.js";
import { Access, type GuestCpu, Status, type Translation } from "./guest-cpu.js";
import { SlowPath } from "./slow-path.js";
import { type Watchpoint, Watchpoints } from "./watchpoints.js";

/** Why `Core.run` returned. */
export type RunEnd =
  /** The budget is spent, to the instruction. */
  | "budget"
  /** The architecture asked for it; `Core.exit` tells more. */
  | "exit"
  /** `stop` was called, by a device or a timer that needs the loop outside. */
  | "stopped"
  /** A breakpoint lies at the pc; nothing of it was executed. */
  | "breakpoint"
  /** The instruction at the pc would access a watched byte (`watchHit`); nothing of it was executed. */
  | "watchpoint";

/** One core's architected state as plain data. */
export interface CoreState {
  readonly version: 1;
  readonly instructions: number;
  readonly traps: number;
  /** A host's answer that the next instruction will use. */
  readonly answer: bigint | null;
  /** The load reservation: an offset in host memory (equal machines lay theirs out alike), and the value seen. */
  readonly reservation: { readonly address: bigint; readonly value: bigint } | null;
  readonly fields: Readonly<Record<string, bigint>>;
}

/** Counters of one core since it was made. */
export interface CoreStatistics {
  readonly instructions: number;
  readonly traps: number;
  readonly tlbFills: number;
  /** Those of the TLB fills that took no JavaScript. */
  readonly walks: number;
  readonly slowAccesses: number;
  readonly dispatches: number;
}

/** No architecture's key of a context. */
const NO_KEY = -1;

const W = {
  pc: E.pc >> 2,
  pcBase: E.pcBase >> 2,
  budget: E.budget >> 2,
  microOp: E.microOp >> 2,
  block: E.block >> 2,
  generation: E.generation >> 2,
  globalGeneration: E.globalGeneration >> 2,
  fetchContext: E.fetchContext >> 2,
  globalFetchContext: E.globalFetchContext >> 2,
  codeMode: E.codeMode >> 2,
  dataContext: E.dataContext >> 2,
  contexts: E.contexts >> 2,
  reservation: E.reservation >> 2,
  reservedValue: E.reservedValue >> 2,
  attention: E.attention >> 2,
  tlb: E.tlb >> 2,
  walk: E.walk >> 2,
  accessAddress: E.accessAddress >> 2,
  accessValue: E.accessValue >> 2,
};

/**
 * One vCPU's execution: the loop around the interpreter, and everything the interpreter cannot do
 * alone. The CPU model is a `GuestCpu`; this class is the `CoreApi` it sees.
 */
export class Core implements CoreApi {
  readonly engine: Engine;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly tlb: SoftTlb;
  exit: unknown = null;
  hasAnswer = false;
  answerLo = 0;
  answerHi = 0;
  /** Breakpoints by virtual address. */
  readonly breakpoints = new Set<bigint>();
  readonly watchpoints = new Watchpoints();
  /** The watched byte that ended the last run. */
  watchHit: bigint | undefined;
  /** The first instruction of a run may do what the last run was stopped for. */
  private passing = false;
  /** Called before each instruction, whose address is the pc; while set, instructions run one by one. */
  onInstruction: (() => void) | null = null;
  traps = 0;
  dispatches = 0;

  /** Word index of the state: the window while this core is the engine's active one, else its home. */
  base: number;
  readonly home: number;
  private guest: GuestCpu | undefined;
  private readonly slow: SlowPath;
  private readonly fetched: Translation = {
    physical: 0,
    readable: false,
    writable: false,
    cacheable: false,
    pageShift: 12,
  };
  /** Instructions before the current run, and the run's budget. */
  private total = 0;
  private granted = 0;
  /** Part of `total` that was executed elsewhere, before the state was restored here. */
  private foreign = 0;
  /** Status a helper or access left the interpreter with. */
  private status: Status = Status.next;
  /** Status that means: execute the instruction at the pc alone. */
  private stepping = false;
  /** Less budget is left than the block at the pc needs: what is not run as its beginning is executed one by one. */
  private exhausting = false;
  private pcKnown = false;
  private stopRequested = false;
  private dataKey0 = NO_KEY;
  private dataKey1 = NO_KEY;
  private codeKey = NO_KEY;
  private globalKey = NO_KEY;
  /** The page that was fetched last is mapped globally: what leads there holds in every address space. */
  private fetchedGlobally = false;
  private foundGlobally = false;
  private lastDataId = 0;
  private readonly dataIds = new ContextIds(() => this.nextDataId());
  private readonly codeContexts: CodeContexts;
  /** The address space of `codeKey`, and what it shares with the others (`globalKey`). */
  private codeContext: CodeContext;
  private globalContext: CodeContext;
  /** Large mappings that TLB or fetch entries were made from; where walks fill the TLB, they are in `walk` instead. */
  private readonly large = new VirtualPages();
  /** Block found while following a link: run next without looking it up again. */
  private found: Block | undefined;

  private readonly walk: WalkMemory | undefined;

  constructor(engine: Engine, home: number, tlbAddress: number, walk?: WalkMemory) {
    this.engine = engine;
    this.words = engine.words;
    this.bytes = engine.bytes;
    this.home = home >> 2;
    this.base = this.home;
    this.tlb = new SoftTlb(engine.memory, tlbAddress, engine.hostPages);
    this.walk = walk;
    this.allowWalks(true);
    this.slow = new SlowPath(this);
    this.codeContexts = new CodeContexts(() => engine.nextGeneration());
    this.codeContext = this.codeContexts.get(0);
    this.globalContext = this.codeContext;
    this.setDataContext(0);
    this.setCodeContext(0);
    this.clearReservation();
  }

  /** Attach the CPU model; it is made with this core as its argument, hence the two steps. */
  attach(cpu: GuestCpu): void {
    if (cpu.layout.size > this.engine.stateBytes)
      throw new RangeError(
        `state of ${cpu.layout.size} bytes exceeds the engine's ${this.engine.stateBytes}`,
      );
    this.guest = cpu;
  }

  get cpu(): GuestCpu {
    if (this.guest === undefined) throw new Error("the core has no CPU model attached");
    return this.guest;
  }

  // --- State ---------------------------------------------------------------------------------

  lo(field: Field): number {
    return this.words[this.base + (field.offset >> 2)] as number;
  }
  hi(field: Field): number {
    return this.words[this.base + (field.offset >> 2) + 1] as number;
  }
  set(field: Field, lo: number, hi: number): void {
    const w = this.base + (field.offset >> 2);
    this.words[w] = lo;
    this.words[w + 1] = hi;
  }
  big(field: Field): bigint {
    return (BigInt(this.hi(field) >>> 0) << 32n) | BigInt(this.lo(field) >>> 0);
  }
  setBig(field: Field, value: bigint): void {
    this.set(field, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  private word(index: number): number {
    return this.words[this.base + index] as number;
  }
  private setWord(index: number, value: number): void {
    this.words[this.base + index] = value;
  }

  pcLo(): number {
    this.syncPc();
    return this.word(W.pc);
  }
  pcHi(): number {
    this.syncPc();
    return this.word(W.pc + 1);
  }
  setPc(lo: number, hi: number): void {
    this.setWord(W.pc, lo);
    this.setWord(W.pc + 1, hi);
    this.pcKnown = true;
  }

  /** Inside the interpreter the pc is that of the micro-op's instruction: page base plus offset. */
  private syncPc(): void {
    if (this.pcKnown) return;
    const offset = (this.words[(this.word(W.microOp) >> 2) + 3] as number) & 0xfff;
    this.setWord(W.pc, this.word(W.pcBase) | offset);
    this.setWord(W.pc + 1, this.word(W.pcBase + 1));
    this.pcKnown = true;
  }

  /** Outside `run`: the instruction at the pc was carried out by someone else (a firmware call); go behind it. */
  finishInstruction(length: number): void {
    this.total++;
    const sum = (this.word(W.pc) >>> 0) + length;
    this.setPc(sum | 0, this.word(W.pc + 1) + (sum > 0xffff_ffff ? 1 : 0));
  }

  setResult(lo: number, hi: number): void {
    const d = (this.words[this.word(W.microOp) >> 2] as number) >>> 16;
    const w = this.base + (d >> 2);
    this.words[w] = lo;
    this.words[w + 1] = hi;
  }
  setAnswer(lo: number, hi: number): void {
    this.answerLo = lo;
    this.answerHi = hi;
  }

  /** Give the answer to the access that `run` last left with an exit: it is used when the instruction runs again. */
  answer(lo: number, hi: number): void {
    this.setAnswer(lo, hi);
    this.hasAnswer = true;
  }

  instructions(): number {
    return this.total + this.pendingInstructions();
  }
  pendingInstructions(): number {
    return this.granted - this.word(W.budget) - this.unexecuted();
  }

  /** Instructions charged for the running block but not executed yet (the current one included). */
  private unexecuted(): number {
    if (!this.inside) return 0;
    const microOp = this.word(W.microOp);
    const block = this.running();
    return block.instructions - ((this.words[(microOp >> 2) + 3] as number) >>> 16);
  }
  private inside = false;
  /** The block that the interpreter is in or was left in. */
  private running(): Block {
    return this.engine.code.blockAt(this.word(W.block));
  }

  /** Instructions that this core itself has executed, whatever a restored state says. */
  get executedHere(): number {
    return this.instructions() - this.foreign;
  }

  /** TLB entries filled. */
  get tlbFills(): number {
    return this.tlb.fills + (this.walk?.fills ?? 0);
  }

  statistics(): CoreStatistics {
    return {
      instructions: this.instructions(),
      traps: this.traps,
      tlbFills: this.tlbFills,
      walks: this.walk?.fills ?? 0,
      slowAccesses: this.slow.count,
      dispatches: this.dispatches,
    };
  }

  /** Architected state by field name, and the counts that go with it: plain data for snapshots. */
  state(): CoreState {
    const fields: Record<string, bigint> = {};
    for (const [name, field] of this.cpu.layout.fields) fields[name] = this.big(field);
    const value = (BigInt(this.answerHi >>> 0) << 32n) | BigInt(this.answerLo >>> 0);
    return {
      version: 1,
      instructions: this.total,
      traps: this.traps,
      answer: this.hasAnswer ? value : null,
      reservation: this.reservation(),
      fields,
    };
  }

  /** Take a saved state over; everything derived from the old one is forgotten. Throws Error for a state of another shape. */
  restore(state: CoreState): void {
    if (state.version !== 1) throw new Error(`core state version ${state.version} is not 1`);
    for (const [name, field] of this.cpu.layout.fields) {
      const value = state.fields[name];
      if (value === undefined) throw new Error(`the saved core state has no field ${name}`);
      this.setBig(field, value);
    }
    this.foreign += state.instructions - this.total;
    this.total = state.instructions;
    this.traps = state.traps;
    this.hasAnswer = state.answer !== null;
    if (state.answer !== null)
      this.setAnswer(Number(BigInt.asIntN(32, state.answer)), Number(BigInt.asIntN(32, state.answer >> 32n)));
    this.setReservation(state.reservation);
    this.dropContexts();
  }

  private reservation(): CoreState["reservation"] {
    if (this.word(W.reservation + 1) === -1) return null;
    return { address: this.wide(W.reservation), value: this.wide(W.reservedValue) };
  }

  private setReservation(reservation: CoreState["reservation"]): void {
    const { address, value } = reservation ?? { address: -1n, value: 0n };
    for (const [index, half] of [
      [W.reservation, address],
      [W.reservedValue, value],
    ] as const) {
      this.setWord(index, Number(BigInt.asIntN(32, half)));
      this.setWord(index + 1, Number(BigInt.asIntN(32, half >> 32n)));
    }
  }

  /** Two words of the state as an unsigned 64-bit number. */
  private wide(index: number): bigint {
    return (BigInt(this.word(index + 1) >>> 0) << 32n) | BigInt(this.word(index) >>> 0);
  }

  /** Replace the watchpoints. Their pages leave the TLB, so that each access of them is looked at. */
  setWatchpoints(list: readonly Watchpoint[]): void {
    this.watchpoints.set(list);
    this.allowWalks(list.length === 0);
    this.dropContexts();
  }

  /** Let walks in WebAssembly fill the TLB, or have each miss looked at. */
  private allowWalks(allowed: boolean): void {
    this.setWord(W.walk, allowed && this.walk !== undefined ? this.walk.address : 0);
  }

  /** Is this access to be stopped? Then `run` ends before its instruction. */
  watches(access: Access, lo: number, hi: number, size: number): boolean {
    if (this.passing) return false;
    this.watchHit = this.watchpoints.hit(access, lo, hi, size);
    return this.watchHit !== undefined;
  }

  // --- Contexts ------------------------------------------------------------------------------

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
  private takeCodeContext(): void {
    const { codeKey: key, globalKey } = this;
    this.codeContext = this.codeContexts.get(key);
    this.globalContext = this.codeContexts.get(globalKey);
    this.setWord(W.fetchContext, this.codeContext.id);
    this.setWord(W.globalFetchContext, this.globalContext.id);
    this.setGenerations();
  }
  private setGenerations(): void {
    this.setWord(W.codeMode, this.codeMode << 12);
    this.setWord(W.generation, this.codeContext.generation(this.codeMode));
    this.setWord(W.globalGeneration, this.globalContext.generation(this.codeMode));
  }
  /** Mode bits under which code is being looked up; part of the generation. */
  private codeMode = 0;

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

  // --- Physical memory -----------------------------------------------------------------------

  ramOffset(physical: number): number {
    return this.engine.ram.ramOffset(physical);
  }
  ramRanges(): readonly RamRange[] {
    return this.engine.ram.ranges?.() ?? [];
  }
  get walkWords(): Int32Array | undefined {
    return this.walk?.words;
  }
  ramWritten(hostOffset: number, length: number): void {
    this.engine.ramWritten(hostOffset, length);
  }
  clearReservation(): void {
    this.setWord(W.reservation, -1);
    this.setWord(W.reservation + 1, -1);
  }
  requestDispatch(): void {
    this.setWord(W.attention, 1);
  }
  /** End the run before the next instruction: something outside has to be looked at (a nearer deadline, power-off). */
  stop(): void {
    this.stopRequested = true;
    this.setWord(W.attention, 1);
  }

  // --- Execution -----------------------------------------------------------------------------

  /**
   * Run at most `budget` instructions (completed or trapped), exactly, unless the architecture or a
   * breakpoint ends the run earlier.
   */
  run(budget: number): RunEnd {
    this.engine.activate(this);
    this.passing = this.watchHit !== undefined;
    this.watchHit = undefined;
    this.exit = null;
    this.exhausting = false;
    this.granted = budget;
    this.setWord(W.budget, budget);
    const end = this.loop();
    this.engine.hot?.sliceEnded();
    this.total += budget - this.word(W.budget);
    this.granted = 0;
    this.setWord(W.budget, 0);
    return end;
  }

  private loop(): RunEnd {
    let resume = this.breakpoints.size > 0 && this.atBreakpoint();
    this.found = undefined;
    for (;;) {
      if (this.found !== undefined) {
        this.enterBlock();
        if (this.exit !== null) return "exit";
        continue;
      }
      if (this.watchHit !== undefined) return "watchpoint";
      this.dispatches++;
      this.setWord(W.attention, 0);
      this.pcKnown = true;
      if (this.cpu.takeInterrupt()) {
        if (this.exit !== null) return "exit";
      }
      if (this.stopRequested) {
        this.stopRequested = false;
        return "stopped";
      }
      if (this.word(W.budget) <= 0) return "budget";
      if (this.breakpoints.size > 0) {
        // Single steps, so that no breakpoint is run over.
        if (!resume && this.atBreakpoint()) return "breakpoint";
        resume = false;
        this.stepping = true;
      }
      if (this.hasAnswer || this.passing || this.exhausting) this.stepping = true;
      if (this.onInstruction !== null) {
        this.stepping = true;
        this.onInstruction();
      }
      // Whatever it says: a link may have been followed into a fetch that left the guest.
      this.enterBlock();
      if (this.exit !== null) return "exit";
    }
  }

  private atBreakpoint(): boolean {
    return this.breakpoints.has(this.big(this.cpu.layout.pc));
  }

  /** Find the block at the pc and run it. False if `exit` may be set. */
  private enterBlock(): boolean {
    const block = this.found ?? this.lookup(this.stepping);
    this.stepping = false;
    this.found = undefined;
    if (block === undefined) return this.chargeTrap();
    const { step } = block;
    const passed = this.passing && step;
    this.inside = true;
    this.pcKnown = false;
    const why = this.engine.interpret(block.address);
    this.inside = false;
    if (passed) this.passing = false;
    switch (why) {
      case Leave.link:
        if (!step) this.followLink();
        else this.setPcFromStub();
        return true;
      case Leave.indirect:
        if (!step) this.cacheJump();
        return true;
      case Leave.budget:
        this.stopBefore();
        this.exhausting = true;
        this.found = this.engine.code.beginning(
          this.engine.code.blockAt(this.word(W.microOp)),
          this.word(W.budget),
        );
        return true;
      case Leave.dispatch:
        if (step) this.slow.endStep();
        return this.exit === null;
      case Leave.hot:
        this.engine.hot?.request(
          this.engine.code.blockAt(this.word(W.microOp)),
          this.cpu,
          this.wide(W.pcBase),
        );
        this.stopBefore();
        return true;
      default:
        return this.afterStatus(step);
    }
  }

  /**
   * A fetch trapped: it costs an instruction like any other trap, so that trap loops end. One that left the
   * guest is charged by whoever finishes it, as every access that leaves.
   */
  private chargeTrap(): boolean {
    if (this.exit !== null) return false;
    this.hasAnswer = false;
    this.traps++;
    this.setWord(W.budget, this.word(W.budget) - 1);
    return true;
  }

  /** The interpreter left inside a block: settle the count and the pc. */
  private afterStatus(step: boolean): boolean {
    const status = this.status;
    if (status === Status.settled) return this.exit === null;
    const microOp = this.word(W.microOp);
    const block = this.running();
    const meta = this.words[(microOp >> 2) + 3] as number;
    const index = meta >>> 16;
    if (step) this.slow.endStep();
    if (status === Status.exitBefore) {
      this.setWord(W.budget, this.word(W.budget) + block.instructions - index);
      this.inside = true;
      this.syncPc();
      this.inside = false;
      if (this.exit !== null) return false;
      this.stepping = true;
      return true;
    }
    this.complete(status, block, index);
    return this.exit === null;
  }

  /** Instruction `index` of a block is over, completed or trapped: the rest of the block was charged in vain. */
  private complete(status: Status, block: Block, index: number): void {
    this.setWord(W.budget, this.word(W.budget) + block.instructions - index - 1);
    if (status !== Status.trap) return;
    this.traps++;
    this.hasAnswer = false;
  }

  /** Nothing of the block at `microOp` was executed: the pc is its address. */
  private stopBefore(): void {
    const block = this.engine.code.blockAt(this.word(W.microOp));
    const offset = block.start;
    this.setWord(W.pc, this.word(W.pcBase) | offset);
    this.setWord(W.pc + 1, this.word(W.pcBase + 1));
  }

  /** Virtual address a link stub leads to, as the pc. */
  private setPcFromStub(): void {
    const target = this.words[(this.word(W.microOp) >> 2) + 2] as number;
    const lo = this.word(W.pcBase);
    const sum = (lo >>> 0) + target;
    this.setWord(W.pc, sum | 0);
    this.setWord(W.pc + 1, this.word(W.pcBase + 1) + Math.floor(sum / 0x1_0000_0000));
  }

  private followLink(): void {
    const stub = this.word(W.microOp);
    const [baseLo, baseHi] = [this.word(W.pcBase), this.word(W.pcBase + 1)];
    this.setPcFromStub();
    // Without budget left the target's fetch must not trap yet.
    if (this.word(W.attention) !== 0 || this.word(W.budget) <= 0) return;
    const flushes = this.engine.code.flushes;
    const target = this.lookup(false);
    if (target === undefined) {
      this.chargeTrap();
      return;
    }
    // Translating the target may have dropped the whole cache, and the stub with it.
    if (this.engine.code.flushes !== flushes) return;
    const source = this.engine.code.blockAt(stub);
    if (source.dead || target.step) return;
    const [pageLo, pageHi] = [this.word(W.pcBase), this.word(W.pcBase + 1)];
    this.setWord(W.pcBase, baseLo);
    this.setWord(W.pcBase + 1, baseHi);
    this.engine.code.link(stub, source, target, this.generationOf(target));
    this.setWord(W.pcBase, pageLo);
    this.setWord(W.pcBase + 1, pageHi);
    this.found = target;
  }

  private cacheJump(): void {
    if (this.word(W.budget) <= 0) return;
    const target = this.lookup(false);
    if (target === undefined) {
      this.chargeTrap();
      return;
    }
    if (target.step) return;
    this.engine.lookup.cacheJump(
      this.word(W.pc),
      this.word(W.pc + 1),
      this.generationOf(target),
      target.address,
    );
    this.found = target;
  }

  /**
   * The block for the pc, translated if need be; sets pcBase. Undefined when the fetch trapped (the
   * pc is then the handler's).
   */
  private lookup(step: boolean): Block | undefined {
    const lo = this.word(W.pc);
    const hi = this.word(W.pc + 1);
    this.refreshMode();
    const mode = this.codeMode;
    const page = this.fetchPage(lo, hi);
    if (page < 0) return undefined;
    this.foundGlobally = this.fetchedGlobally;
    this.engine.regionWatch?.saw(lo, hi, page);
    // Where protection divides the page, every instruction is asked for anew.
    if (!this.fetched.cacheable) step = true;
    this.setWord(W.pcBase, lo & ~0xfff);
    this.setWord(W.pcBase + 1, hi);
    const start = lo & 0xfff;
    const key = start | (mode << 12);
    const found = this.engine.code.find(page, key, step);
    const block =
      found !== undefined && (found.secondPage < 0 || this.secondPage(lo, hi) === found.secondPage)
        ? found
        : this.translate(page, start, mode, step, lo, hi);
    if (block === undefined) return undefined;
    if (block.secondPage >= 0) this.holdsLocally(lo, hi);
    else if (!step) this.engine.lookup.setBlock(page, key, block.address);
    return block;
  }

  /**
   * Ways to a block on two pages hold for this address space, even where both pages are global: either page's
   * mapping ends them.
   */
  private holdsLocally(lo: number, hi: number): void {
    const page = pageNumber(lo, hi, 12);
    const { codeContexts, codeKey } = this;
    while (codeContexts.fetchedFrom(page, codeKey) || codeContexts.fetchedFrom(page + 1, codeKey))
      this.takeCodeContext();
  }

  private translate(
    page: number,
    start: number,
    mode: number,
    step: boolean,
    lo: number,
    hi: number,
  ): Block | undefined {
    const { source, translator, code, stopwatch } = this.engine;
    stopwatch.start();
    source.page = page * 4096;
    source.nextPage = -1;
    let result = translator.translate(this.cpu, source, start, mode, step);
    let secondPage = -1;
    if (result === undefined) {
      // The first instruction crosses pages: now the second page is needed, and may fault.
      secondPage = this.secondPage(lo, hi);
      if (secondPage < 0) return undefined;
      source.nextPage = secondPage * 4096;
      result = translator.translate(this.cpu, source, start, mode, step);
      if (result === undefined)
        throw new Error("the lifter refused an instruction whose bytes are all there");
      if (result.end <= 4096) throw new Error("the lifter read beyond an instruction's end");
    }
    const block = code.add(
      { page, secondPage, start, end: result.end, mode, instructions: result.instructions, step },
      result.code,
    );
    stopwatch.stop();
    return block;
  }

  /** The generation under which ways to the block just looked up hold. One on two pages is never taken for global. */
  private generationOf(block: Block): number {
    return this.word(this.foundGlobally && block.secondPage < 0 ? W.globalGeneration : W.generation);
  }

  private secondPage(lo: number, hi: number): number {
    const next = ((lo | 0xfff) + 1) | 0;
    return this.fetchPage(next, next === 0 ? (hi + 1) | 0 : hi);
  }

  /** Host page number of a virtual page for execution, -1 after a trap was taken. */
  private fetchPage(lo: number, hi: number): number {
    const { codeContext, globalContext } = this;
    const { lookup } = this.engine;
    const out = this.fetched;
    const context = lookup.fetchContext(lo, hi);
    if (context === codeContext.id || context === globalContext.id) {
      out.cacheable = true;
      this.fetchedGlobally = context !== codeContext.id;
      return lookup.fetchPage(lo);
    }
    this.pcKnown = true;
    if (this.cpu.translateFetch(lo, hi, out) !== 0) return -1;
    const offset = this.ramOffset(out.physical);
    if (offset < 0) {
      // Not RAM: the architecture raises its fetch fault.
      this.cpu.physicalAccess(Access.fetch, out.physical, 2, 0, 0, lo, hi);
      return -1;
    }
    this.fetchedGlobally = out.global ?? false;
    const page = Math.floor(offset / 4096);
    if (out.cacheable) {
      if (out.pageShift > 12) this.rememberLarge(lo, hi, out.pageShift);
      const holder = this.fetchedGlobally ? this.globalContext : this.codeContext;
      lookup.fillFetch(lo, hi, holder.id, page);
    }
    // One page too many: everything was dropped, and this page is the first one of the new contexts.
    const key = this.fetchedGlobally ? this.globalKey : this.codeKey;
    while (this.codeContexts.fetchedFrom(pageNumber(lo, hi, 12), key)) this.takeCodeContext();
    return page;
  }

  // --- Called by the interpreter ---------------------------------------------------------------

  /** A TLB miss or an access that needs JavaScript: 0 try again, 1 done, 2 leave. */
  onAccess(kind: number): number {
    this.pcKnown = false;
    this.applyRecipe();
    const status = this.slow.access(
      kind,
      this.word(W.accessAddress),
      this.word(W.accessAddress + 1),
      this.word(W.accessValue),
      this.word(W.accessValue + 1),
    );
    if (status < 0) return status === SlowPath.retry ? After.again : After.done;
    if (status === Status.next) return After.done;
    return this.settle(status as Status);
  }

  /** Writes that the block delayed past this access are due: whoever looks at the state now must find them. */
  private applyRecipe(): void {
    const microOp = this.word(W.microOp);
    if (((this.words[(microOp >> 2) + 3] as number) & HAS_RECIPE) === 0) return;
    const block = this.running();
    const recipe = block.recipes?.get((microOp - block.address) >> 2);
    if (recipe === undefined) return;
    for (const { offset, lo, hi } of recipe) {
      this.setWord(offset >> 2, lo);
      this.setWord((offset >> 2) + 1, hi);
    }
  }

  /**
   * After a trap or a change of state: go on at the new pc without leaving the interpreter, unless there is
   * more to look at. Interrupts are taken here as the dispatcher would.
   */
  private settle(status: Status): number {
    this.status = status;
    if (
      (status !== Status.trap && status !== Status.redispatch) ||
      this.exit !== null ||
      this.stopRequested ||
      this.watched
    )
      return After.leave;
    const microOp = this.word(W.microOp);
    const block = this.running();
    if (block.step) return After.leave;
    const index = (this.words[(microOp >> 2) + 3] as number) >>> 16;
    this.complete(status, block, index);
    this.inside = false;
    const interrupted = this.cpu.takeInterrupt();
    this.refreshMode();
    this.inside = true;
    if (interrupted && this.exit !== null) {
      // Counted already; the dispatcher only has to see the exit.
      this.status = Status.settled;
      return After.leave;
    }
    return After.go;
  }

  /** Instructions have to be seen one by one. */
  private get watched(): boolean {
    return this.hasAnswer || this.passing || this.onInstruction !== null || this.breakpoints.size > 0;
  }

  /** The mode bits of code are part of the generation under which it is found. */
  private refreshMode(): void {
    const mode = this.cpu.codeMode();
    if (mode === this.codeMode) return;
    this.codeMode = mode;
    this.setGenerations();
  }

  setAccessValue(lo: number, hi: number): void {
    this.setWord(W.accessValue, lo);
    this.setWord(W.accessValue + 1, hi);
  }

  onHelper(id: number, constant: number): number {
    this.pcKnown = false;
    const operands = this.words[(this.word(W.microOp) >> 2) + 1] as number;
    const a = this.base + ((operands & 0xffff) >> 2);
    const b = this.base + (operands >>> 18);
    const w = this.words;
    const status = this.cpu.helper(
      id,
      constant,
      w[a] as number,
      w[a + 1] as number,
      w[b] as number,
      w[b + 1] as number,
    );
    if (status !== Status.next) return this.settle(status);
    this.refreshMode();
    return After.again;
  }

  /** The running block is a single-step one. */
  get inStep(): boolean {
    return this.running().step;
  }
}
