import type { Block } from "../code/block.js";
import { After } from "../cold/after.js";
import { HAS_RECIPE, Leave } from "../cold/micro-ops.js";
import { SlowOutcome } from "../cold/slow-access.js";
import type { WalkMemory } from "../walk/walk-memory.js";
import type { CoreApi } from "./api.js";
import { CoreCode } from "./code-lookup.js";
import type { Engine } from "./engine.js";
import { type Access, Status } from "./guest-cpu.js";
import { locate } from "./locate.js";
import { SlowPath } from "./slow-path.js";
import { type Watchpoint, Watchpoints } from "./watchpoints.js";
import { LOST_RESERVATION, type Reservation, W } from "./words.js";

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
  /** A host's answers that the next instruction will use, in order. */
  readonly answers: readonly bigint[];
  /** The load reservation: an offset from the engine's `origin` in host memory, and the value seen. */
  readonly reservation: Reservation | null;
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

/**
 * One vCPU's execution: the loop around the interpreter, and everything the interpreter cannot do
 * alone. The CPU model is a `GuestCpu`; this class is the `CoreApi` it sees.
 */
export class Core extends CoreCode implements CoreApi {
  exit: unknown = null;
  probing = false;
  hasAnswer = false;
  answerLo = 0;
  answerHi = 0;
  /** What the host has answered of the accesses of one instruction, in halves, and how many of these it used. */
  private answers: number[] = [];
  private answersUsed = 0;
  /** Breakpoints by virtual address. */
  readonly breakpoints = new Set<bigint>();
  readonly watchpoints = new Watchpoints();
  /** The watched byte that ended the last run. */
  watchHit: bigint | undefined;
  singleStep = false;
  /** The CPU model wants to see all translations. */
  private translatesAll = false;
  /** The first instruction of a run may do what the last run was stopped for. */
  private passing = false;
  /** Called before each instruction, whose address is the pc; while set, instructions run one by one. */
  onInstruction: (() => void) | null = null;
  traps = 0;
  dispatches = 0;

  private readonly slow: SlowPath;
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
  private stopRequested = false;
  /** Block found while following a link: run next without looking it up again. */
  private found: Block | undefined;

  constructor(engine: Engine, home: number, tlbAddress: number, walk?: WalkMemory) {
    super(engine, home, tlbAddress, walk);
    this.slow = new SlowPath(this);
    this.clearReservation();
  }

  // --- State ---------------------------------------------------------------------------------

  /** Outside `run`: the instruction at the pc was carried out by someone else (a firmware call); go behind it. */
  finishInstruction(length: number): void {
    this.total++;
    this.forgetAnswers();
    const sum = (this.word(W.pc) >>> 0) + length;
    this.setPc(sum | 0, this.word(W.pc + 1) + (sum > 0xffff_ffff ? 1 : 0));
  }

  setResult(lo: number, hi: number): void {
    const d = (this.words[this.word(W.microOp) >> 2] as number) >>> 16;
    const w = this.base + (d >> 2);
    this.words[w] = lo;
    this.words[w + 1] = hi;
  }
  /** The upper half of a 16-byte load's value; the interpreter puts the lower one in its place. */
  setUpperResult(lo: number, hi: number): void {
    const d = (this.words[this.word(W.microOp) >> 2] as number) >>> 16;
    const w = this.base + (d >> 2);
    this.words[w + 2] = lo;
    this.words[w + 3] = hi;
  }
  setAnswer(lo: number, hi: number): void {
    this.answerLo = lo;
    this.answerHi = hi;
  }

  /**
   * Give the answer to the access that `run` last left with an exit: it is used when the instruction runs again. Of an
   * instruction with several accesses, each is asked for in turn, and those that were answered are not made again.
   */
  answer(lo: number, hi: number): void {
    this.answers.push(lo, hi);
    this.rewindAnswers();
  }

  /** The next answer, as `answerLo` and `answerHi`. */
  takeAnswer(): void {
    const { answers, answersUsed } = this;
    this.setAnswer(answers[answersUsed] as number, answers[answersUsed + 1] as number);
    this.answersUsed += 2;
    this.hasAnswer = this.answersUsed < answers.length;
  }

  /** The instruction they are for is over, or will not be carried out. */
  forgetAnswers(): void {
    if (this.answers.length === 0) return;
    this.answers = [];
    this.hasAnswer = false;
  }

  private rewindAnswers(): void {
    this.answersUsed = 0;
    this.hasAnswer = this.answers.length > 0;
  }

  /**
   * The access that was last tried and not settled inline, as a host can answer it: its bytes, and of a store the
   * value. One of 16 bytes is asked for in halves, one that crosses pages in aligned pieces where the CPU makes it in
   * such. 0 bytes: an atomic, a probe, or else an access that crosses pages.
   */
  askedAccess(): { readonly size: 0 | 1 | 2 | 4 | 8; readonly lo: number; readonly hi: number } {
    const { asked: size, askedAt, value } = this.slow;
    const bytes = value.get(askedAt, Math.min(8, 16 - askedAt));
    return { size, lo: Number(bytes & 0xffff_ffffn), hi: Number(bytes >> 32n) };
  }

  locate(write: boolean, lo: number, hi: number): number {
    const { refill } = this.engine;
    return this.watchpoints.none ? locate(this, refill, write, lo, hi) : -1;
  }
  get budget(): number {
    return this.word(W.budget);
  }
  charge(count: number): void {
    this.setWord(W.budget, this.word(W.budget) - count);
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
    this.cpu.settle?.();
    for (const [name, field] of this.cpu.layout.fields) fields[name] = this.big(field);
    const answers: bigint[] = [];
    for (let i = 0; i < this.answers.length; i += 2)
      answers.push((BigInt(this.answers[i + 1]! >>> 0) << 32n) | BigInt(this.answers[i]! >>> 0));
    return {
      version: 1,
      instructions: this.total,
      traps: this.traps,
      answers,
      reservation: moved(this.reservation(), -this.engine.origin),
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
    this.answers = state.answers.flatMap((value) => [
      Number(BigInt.asIntN(32, value)),
      Number(BigInt.asIntN(32, value >> 32n)),
    ]);
    this.rewindAnswers();
    this.setReservation(moved(state.reservation, this.engine.origin));
    this.dropContexts();
  }

  /** Replace the watchpoints. Their pages leave the TLB, so that each access of them is looked at. */
  setWatchpoints(list: readonly Watchpoint[]): void {
    this.watchpoints.set(list);
    this.allowWalks(list.length === 0 && !this.translatesAll);
    this.dropContexts();
  }

  translateAll(all: boolean): void {
    this.translatesAll = all;
    this.allowWalks(this.watchpoints.none && !all);
  }

  /** Is this access to be stopped? Then `run` ends before its instruction. */
  watches(access: Access, lo: number, hi: number, size: number): boolean {
    if (this.passing) return false;
    this.watchHit = this.watchpoints.hit(access, lo, hi, size);
    return this.watchHit !== undefined;
  }

  // --- Physical memory -----------------------------------------------------------------------

  ramWritten(hostOffset: number, length: number): void {
    this.engine.ramWritten(hostOffset, length);
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
    this.rewindAnswers();
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
      if (this.hasAnswer || this.passing || this.exhausting || this.singleStep) this.stepping = true;
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
        if (!step) {
          this.followLink();
          return true;
        }
        this.setPcFromStub();
        this.forgetAnswers();
        return true;
      case Leave.indirect:
        if (!step) this.cacheJump();
        else this.forgetAnswers();
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
        if (step) {
          this.slow.endStep();
          this.forgetAnswers();
        }
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
    this.forgetAnswers();
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
    if (step && status !== Status.exitBefore) this.forgetAnswers();
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
    this.forgetAnswers();
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
    if (status < 0) return status === SlowOutcome.retry ? After.again : After.done;
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
    for (const { offset, lo, hi, from } of recipe) {
      this.setWord(offset >> 2, from < 0 ? lo : this.word(from >> 2));
      this.setWord((offset >> 2) + 1, from < 0 ? hi : this.word((from >> 2) + 1));
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
    // As the dispatcher does: what asked for it so far is looked at now.
    this.setWord(W.attention, 0);
    const interrupted = this.cpu.takeInterrupt();
    this.refreshMode();
    this.inside = true;
    if ((interrupted && this.exit !== null) || this.singleStep) {
      // Counted already; the dispatcher only has to see why.
      this.status = Status.settled;
      return After.leave;
    }
    return After.go;
  }

  /** Instructions have to be seen one by one. */
  private get watched(): boolean {
    return (
      this.hasAnswer ||
      this.passing ||
      this.singleStep ||
      this.onInstruction !== null ||
      this.breakpoints.size > 0
    );
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

/** A reservation with another origin; one that was lost has no place. */
function moved(reservation: Reservation | null, distance: number): Reservation | null {
  if (reservation === null || reservation.address === LOST_RESERVATION) return reservation;
  return { ...reservation, address: reservation.address + BigInt(distance) };
}
