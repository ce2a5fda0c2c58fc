import type { Field } from "../state/layout.js";
import type { RamRange } from "./engine.js";

/** A code context as architectures name it: see `setCodeContext`. */
export interface CodeContextKeys {
  readonly key: number;
  readonly globalKey: number;
  /** Mode bits under which code is looked up; part of the generation. */
  readonly mode: number;
}

/** What the engine offers to an architecture's CPU model. Implemented by `Core`. */
export interface CoreApi {
  // State by field. Halves are int32 (signed), those of a v128 are of its low 64 bits; `big` is all of it, unsigned, for
  // cold paths and public faces.
  lo(field: Field): number;
  hi(field: Field): number;
  set(field: Field, lo: number, hi: number): void;
  big(field: Field): bigint;
  setBig(field: Field, value: bigint): void;
  /** Copy a v128 to four words from an index on, or from there. */
  storeVector(field: Field, words: Int32Array, at: number): void;
  loadVector(field: Field, words: Int32Array, at: number): void;

  /**
   * Virtual pc of the instruction being executed. Precise inside helpers, translate, misaligned and
   * physicalAccess.
   */
  pcLo(): number;
  pcHi(): number;
  /** Set the pc at which the dispatcher goes on. Only meaningful before returning redispatch, trap or exit. */
  setPc(lo: number, hi: number): void;

  /** Result of a helper. */
  setResult(lo: number, hi: number): void;
  /** Value of a device read, for `physicalAccess`. */
  setAnswer(lo: number, hi: number): void;
  /** The translation that is asked for is of a probe: nothing is accessed yet. */
  readonly probing: boolean;
  /** True while a host's answer to an access of this instruction waits to be used (see `answered`). */
  readonly hasAnswer: boolean;
  /** Use the next answer, whose halves are `answerLo` and `answerHi` then: for accesses that are no loads and stores. */
  takeAnswer(): void;
  readonly answerLo: number;
  readonly answerHi: number;
  /** Instructions executed (retired or trapped) since the core was made, exact inside helpers: those before the current one. */
  instructions(): number;
  /** Instructions executed since `run` was entered, the `pending` argument of `Clock.now`. */
  pendingInstructions(): number;

  /** Why `run` returned; set by the architecture before returning an exit status. */
  exit: unknown;

  // Contexts. Keys are numbers the architecture makes up; the engine turns them into TLB tags and
  // mapping generations. Same key = same translations, until dropped.
  /** Select the context of loads and stores: regime, address space and permission state. */
  setDataContext(key: number): void;
  /**
   * The same with a choice of up to four: guest code changes between the contexts of these keys by itself
   * (`IrBuilder.selectContext` with their index), as it switches the right to access user pages on and off. Indices
   * without a key are as 0.
   */
  setDataContexts(keys: readonly number[], selected: number): void;
  /** Index of the one that applies now, the lowest where several are the same. */
  readonly selectedContext: number;
  /**
   * Select the context of instruction fetch: regime and address space. `globalKey` stands for the regime
   * alone, for pages whose translation said `global`; without it there are none.
   */
  setCodeContext(key: number, globalKey?: number): void;
  /**
   * The same with a choice of two, each with its `GuestCpu.codeMode`: guest code changes between them by itself
   * (`IrBuilder.selectCode`), as system calls and returns from them do.
   */
  setCodeContexts(contexts: readonly [CodeContextKeys, CodeContextKeys], selected: number): void;
  /** Go on with other ones of the data and code contexts that guest code chooses from, by their indices. */
  selectContexts(data: number, code: number): void;
  /** Index of the code context that applies now. */
  readonly selectedCode: number;
  /** Forget every translation of the contexts whose key satisfies the predicate (all without one). */
  dropContexts(predicate?: (key: number) => boolean): void;
  /** Forget every translation of the contexts with `count` keys from `first`: as `dropContexts`, without a search. */
  dropContextRange(first: number, count: number): void;
  /** Forget the translations of one 4 KiB page in every context; links across pages are dropped too. */
  dropPage(vaLo: number, vaHi: number): void;

  // Runs of accesses, which a helper makes for an instruction that repeats itself.
  /**
   * Byte offset in host memory of a byte that guest code reads or writes at a virtual address: its whole page may be
   * used alike. -1 where that takes an access of the guest's own: it faults, is no RAM, is watched or holds code.
   */
  locate(write: boolean, lo: number, hi: number): number;
  /** How many more instructions a helper may count as executed. */
  readonly budget: number;
  /** A helper did what `count` more instructions do, at most `budget`. */
  charge(count: number): void;

  // Physical memory.
  /** Byte offset in host memory of a physical address, -1 if it is not RAM; nor, if it is to be written, where it is ROM. */
  ramOffset(physical: number, write?: boolean): number;
  /** All of RAM that can be written as ranges, if the engine was told. */
  ramRanges(): readonly RamRange[];
  /** Host memory of this core for its architecture's page walker, undefined without one. */
  readonly walkWords: Int32Array | undefined;
  /** Host memory as words; index = byte offset / 4. */
  readonly words: Int32Array;
  /** Host memory as bytes. */
  readonly bytes: Uint8Array;
  /** Note that RAM was changed by other means than a guest store: translated code there is dropped. */
  ramWritten(hostOffset: number, length: number): void;
  /** Give up the load reservation. */
  clearReservation(): void;
  /** Byte offset in host memory of the load reservation; -1: none; -2: it was lost when another core was entered. */
  reservedOffset(): number;
  /** While true, instructions run one by one, and `GuestCpu.takeInterrupt` is asked before each. */
  singleStep: boolean;
  /** Ask `GuestCpu.translate` at every miss of the TLB: no walk in WebAssembly fills it. */
  translateAll(all: boolean): void;
  /** Leave the running block after this instruction, so that the dispatcher looks at interrupts. Usable from device callbacks. */
  requestDispatch(): void;
}
