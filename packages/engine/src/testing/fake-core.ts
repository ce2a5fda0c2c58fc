import type { CoreApi } from "../core/api.js";
import type { RamRange } from "../core/engine.js";
import { type Field, StateLayout } from "../state/layout.js";

const PC = new StateLayout().pc;
/** What an engine keeps for a core. */
const STATE_BYTES = 8192;

/** A core without an engine: state in an array, RAM in another, and a record of what it was asked for. */
export class FakeCore implements CoreApi {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly ramBytes: number;
  /** Physical address of the RAM. */
  readonly ramBase: number;
  exit: unknown = null;
  probing = false;
  hasAnswer = false;
  answerLo = 0;
  answerHi = 0;
  executed = 0;
  pending = 0;
  result = 0n;
  answer = 0n;
  dataContext = -1;
  selectedContext = 0;
  codeContext = -1;
  drops = 0;
  droppedPages: bigint[] = [];
  /** The predicate of the last `dropContexts`. */
  lastDrop: ((key: number) => boolean) | undefined;
  written: [number, number][] = [];
  reservationCleared = 0;
  singleStep = false;
  translatesAll = false;
  /** What `reservedOffset` gives. */
  reserved = -1;
  dispatchRequested = false;
  private readonly state: Int32Array;

  constructor(
    layout: StateLayout,
    ramBase: number,
    ramBytes = 1 << 20,
    memory: ArrayBuffer = new ArrayBuffer(ramBytes),
  ) {
    this.ramBase = ramBase;
    this.ramBytes = ramBytes;
    // Layouts grow while a CPU model is made.
    this.state = new Int32Array(Math.max(layout.size, STATE_BYTES) / 4);
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
  }

  locate(): number {
    return -1;
  }
  readonly budget = 0;
  charge(): void {
    throw new Error("no budget");
  }

  lo(field: Field): number {
    return this.state[field.offset >> 2] as number;
  }
  hi(field: Field): number {
    return this.state[(field.offset >> 2) + 1] as number;
  }
  set(field: Field, lo: number, hi: number): void {
    this.state[field.offset >> 2] = lo;
    this.state[(field.offset >> 2) + 1] = hi;
  }
  big(field: Field): bigint {
    return (BigInt(this.hi(field) >>> 0) << 32n) | BigInt(this.lo(field) >>> 0);
  }
  setBig(field: Field, value: bigint): void {
    this.set(field, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }
  storeVector(field: Field, words: Int32Array, at: number): void {
    words.set(this.state.subarray(field.offset >> 2, (field.offset >> 2) + 4), at);
  }
  loadVector(field: Field, words: Int32Array, at: number): void {
    this.state.set(words.subarray(at, at + 4), field.offset >> 2);
  }

  pcLo(): number {
    return this.lo(PC);
  }
  pcHi(): number {
    return this.hi(PC);
  }
  setPc(lo: number, hi: number): void {
    this.set(PC, lo, hi);
  }
  get pc(): bigint {
    return this.big(PC);
  }
  set pc(value: bigint) {
    this.setBig(PC, value);
  }

  setResult(lo: number, hi: number): void {
    this.result = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  }
  takeAnswer(): void {
    this.hasAnswer = false;
  }
  setAnswer(lo: number, hi: number): void {
    this.answer = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  }
  instructions(): number {
    return this.executed;
  }
  pendingInstructions(): number {
    return this.pending;
  }

  setDataContext(key: number): void {
    this.dataContext = key;
  }
  setDataContexts(keys: readonly number[], selected: number): void {
    this.dataContext = keys[selected] as number;
    this.selectedContext = keys.indexOf(this.dataContext);
  }
  setCodeContext(key: number): void {
    this.codeContext = key;
  }
  readonly selectedCode = 0;
  setCodeContexts(): void {}
  selectContexts(): void {}
  dropContexts(predicate?: (key: number) => boolean): void {
    this.drops++;
    this.lastDrop = predicate;
  }
  dropContextRange(first: number, count: number): void {
    this.dropContexts((key) => key >= first && key < first + count);
  }
  dropPage(vaLo: number, vaHi: number): void {
    this.droppedPages.push((BigInt(vaHi >>> 0) << 32n) | BigInt(vaLo >>> 0));
  }

  readonly walkWords: Int32Array | undefined = undefined;
  ramRanges(): readonly RamRange[] {
    return [];
  }
  ramOffset(physical: number): number {
    return physical >= this.ramBase && physical < this.ramBase + this.ramBytes ? physical - this.ramBase : -1;
  }
  ramWritten(hostOffset: number, length: number): void {
    this.written.push([hostOffset, length]);
  }
  clearReservation(): void {
    this.reservationCleared++;
    this.reserved = -1;
  }
  reservedOffset(): number {
    return this.reserved;
  }
  translateAll(all: boolean): void {
    this.translatesAll = all;
  }
  requestDispatch(): void {
    this.dispatchRequested = true;
  }

  // --- Memory by physical address, for tests ---------------------------------------------------

  write64(physical: number, value: bigint): void {
    new DataView(this.bytes.buffer).setBigUint64(physical - this.ramBase, BigInt.asUintN(64, value), true);
  }
  read64(physical: number): bigint {
    return new DataView(this.bytes.buffer).getBigUint64(physical - this.ramBase, true);
  }
  write32(physical: number, value: number): void {
    new DataView(this.bytes.buffer).setUint32(physical - this.ramBase, value >>> 0, true);
  }
}

/** A clock that stands where it is put. */
export class FakeClock {
  ns = 0;
  now(pending = 0): number {
    return this.ns + pending;
  }
}

/** A bus with one device that takes every access. */
export class FakeBus {
  /** Device accesses: "r4 10000000", "w1 10000000=2a". */
  readonly log: string[] = [];
  /** What devices answer; -1 is a bus fault. */
  device = -1;
  read(physical: number, width: number): number {
    this.log.push(`r${width} ${physical.toString(16)}`);
    return this.device;
  }
  write(physical: number, width: number, value: number): boolean {
    this.log.push(`w${width} ${physical.toString(16)}=${value.toString(16)}`);
    return this.device >= 0;
  }
}
