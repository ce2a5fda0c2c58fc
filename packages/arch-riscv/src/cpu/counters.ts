import type { Field } from "@hypercraft/engine";
import type { RiscvHart } from "./hart.js";
import { M } from "./state.js";

const TWO_32 = 0x1_0000_0000;
/** Bits of mcountinhibit. */
const CY = 1;
const IR = 4;
const COUNTINHIBIT_MASK = CY | IR;
/** Bits of mcounteren and its kin: CY, TM, IR. */
export const COUNTEREN_MASK = 7;

/**
 * mcycle and minstret. Both advance by one per instruction; a trapped one counts as a cycle but is not
 * retired. The fields hold the values as of `base` instructions, so that reading costs an addition.
 */
export class Counters {
  lo = 0;
  hi = 0;
  private readonly hart: RiscvHart;
  private base = 0;

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  /** mcycle into `lo`, `hi`. */
  readCycle(): void {
    this.read(M.cycleOffset, CY, this.elapsed());
  }

  /** minstret into `lo`, `hi`. */
  readInstret(): void {
    this.read(M.instretOffset, IR, this.elapsed());
  }

  /** What the next instruction shall read: a write takes effect after the writing instruction is counted. */
  writeCycle(lo: number, hi: number): void {
    this.write(M.cycleOffset, CY, lo, hi);
  }

  writeInstret(lo: number, hi: number): void {
    this.write(M.instretOffset, IR, lo, hi);
  }

  writeInhibit(value: number): void {
    this.sync();
    this.hart.core.set(M.countinhibit, value & COUNTINHIBIT_MASK, 0);
  }

  /** The current instruction takes a trap: it will be counted as executed, but does not retire. */
  trapped(): void {
    const { core } = this.hart;
    if ((core.lo(M.countinhibit) & IR) !== 0) return;
    const lo = core.lo(M.instretOffset);
    core.set(M.instretOffset, lo - 1, core.hi(M.instretOffset) - (lo === 0 ? 1 : 0));
  }

  /** Bring the fields up to now: before the state is saved, and when counting starts or stops. */
  sync(): void {
    const elapsed = this.elapsed();
    this.read(M.cycleOffset, CY, elapsed);
    this.hart.core.set(M.cycleOffset, this.lo, this.hi);
    this.read(M.instretOffset, IR, elapsed);
    this.hart.core.set(M.instretOffset, this.lo, this.hi);
    this.base = this.hart.core.instructions();
  }

  /** The fields were replaced: they hold the values of now. */
  restored(): void {
    this.base = this.hart.core.instructions();
  }

  private elapsed(): number {
    return this.hart.core.instructions() - this.base;
  }

  private read(field: Field, inhibit: number, elapsed: number): void {
    const { core } = this.hart;
    this.add(core.lo(field), core.hi(field), (core.lo(M.countinhibit) & inhibit) !== 0 ? 0 : elapsed);
  }

  private write(field: Field, inhibit: number, lo: number, hi: number): void {
    const { core } = this.hart;
    this.add(lo, hi, (core.lo(M.countinhibit) & inhibit) !== 0 ? 0 : -(this.elapsed() + 1));
    core.set(field, this.lo, this.hi);
  }

  private add(lo: number, hi: number, amount: number): void {
    const sum = (lo >>> 0) + amount;
    this.lo = (sum % TWO_32) | 0;
    this.hi = (hi + Math.floor(sum / TWO_32)) | 0;
  }
}
