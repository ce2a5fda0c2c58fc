import { ENGINE_STATE as E, type Field } from "../state/layout.js";

/** Word indices of the engine's part of the state. */
export const W = {
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
  codeContext: E.codeContext >> 2,
  codeContexts: E.codeContexts >> 2,
  dataContext: E.dataContext >> 2,
  contexts: E.contexts >> 2,
  reservation: E.reservation >> 2,
  reservedValue: E.reservedValue >> 2,
  reservedHigh: E.reservedHigh >> 2,
  attention: E.attention >> 2,
  tlb: E.tlb >> 2,
  walk: E.walk >> 2,
  accessAddress: E.accessAddress >> 2,
  accessValue: E.accessValue >> 2,
} as const;

/** A load reservation: an offset in host memory, in saved states from the engine's `origin` on, and the value seen: its low half sign-extended, if it is less than 8 bytes. Address -2: lost. */
export interface Reservation {
  readonly address: bigint;
  readonly value: bigint;
}

/** What `address` says of a reservation that ended because another core was entered, which may have written there. */
const LOST = -2;
export const LOST_RESERVATION = BigInt(LOST);

/** One vCPU's state in host memory, by field and by word. */
export class CoreWords {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Word index of the state: the window while this core is the engine's active one, else its home. */
  base: number;
  readonly home: number;

  /** `home`: byte address. */
  constructor(words: Int32Array, bytes: Uint8Array, home: number) {
    this.words = words;
    this.bytes = bytes;
    this.home = home >> 2;
    this.base = this.home;
  }

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
  /** Unsigned. What lies above the 32 bits of an i32 does not count. */
  big(field: Field): bigint {
    if (field.type === "i32") return BigInt(this.lo(field) >>> 0);
    const w = (field.offset >> 2) + 2;
    if (field.type === "v128") return (this.wide(w) << 64n) | this.wide(w - 2);
    return (BigInt(this.hi(field) >>> 0) << 32n) | BigInt(this.lo(field) >>> 0);
  }
  setBig(field: Field, value: bigint): void {
    this.set(field, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
    if (field.type === "v128") this.setWide((field.offset >> 2) + 2, value >> 64n);
  }

  storeVector(field: Field, words: Int32Array, at: number): void {
    const w = this.base + (field.offset >> 2);
    for (let i = 0; i < 4; i++) words[at + i] = this.words[w + i] as number;
  }
  loadVector(field: Field, words: Int32Array, at: number): void {
    const w = this.base + (field.offset >> 2);
    for (let i = 0; i < 4; i++) this.words[w + i] = words[at + i] as number;
  }

  /** Word `index` (`W`) of the state. */
  word(index: number): number {
    return this.words[this.base + index] as number;
  }
  setWord(index: number, value: number): void {
    this.words[this.base + index] = value;
  }

  /** Two words of the state as an unsigned 64-bit number. */
  wide(index: number): bigint {
    return (BigInt(this.word(index + 1) >>> 0) << 32n) | BigInt(this.word(index) >>> 0);
  }

  setWide(index: number, value: bigint): void {
    this.setWord(index, Number(BigInt.asIntN(32, value)));
    this.setWord(index + 1, Number(BigInt.asIntN(32, value >> 32n)));
  }

  // --- Program counter -----------------------------------------------------------------------

  /** The pc is in its field; else it is that of the running micro-op's instruction. */
  pcKnown = false;

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
  protected syncPc(): void {
    if (this.pcKnown) return;
    const offset = (this.words[(this.word(W.microOp) >> 2) + 3] as number) & 0xfff;
    this.setWord(W.pc, this.word(W.pcBase) | offset);
    this.setWord(W.pc + 1, this.word(W.pcBase + 1));
    this.pcKnown = true;
  }

  // --- Load reservation ----------------------------------------------------------------------

  reservation(): Reservation | null {
    if (this.word(W.reservation + 1) === -1)
      return this.word(W.reservation) === LOST ? { address: LOST_RESERVATION, value: 0n } : null;
    return {
      address: this.wide(W.reservation),
      value: (this.wide(W.reservedHigh) << 64n) | this.wide(W.reservedValue),
    };
  }

  setReservation(reservation: Reservation | null): void {
    const { address, value } = reservation ?? { address: -1n, value: 0n };
    for (const [index, half] of [
      [W.reservation, address],
      [W.reservedValue, value],
      [W.reservedHigh, value >> 64n],
    ] as const)
      this.setWide(index, half);
  }

  clearReservation(): void {
    this.setWord(W.reservation, -1);
    this.setWord(W.reservation + 1, -1);
  }

  /** Another core is entered: a reservation, if there is one, is lost. */
  loseReservation(): void {
    if (this.word(W.reservation + 1) !== -1) {
      this.setWord(W.reservation, LOST);
      this.setWord(W.reservation + 1, -1);
    }
  }

  reservedOffset(): number {
    return this.word(W.reservation + 1) === -1 ? this.word(W.reservation) : this.word(W.reservation) >>> 0;
  }
}
