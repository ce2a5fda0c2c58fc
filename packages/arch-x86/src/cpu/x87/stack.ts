import type { CoreApi } from "@hypercraft/engine";
import { X87 } from "../state.js";
import { type Float80, kindOf } from "./number.js";
import { unmaskedOf } from "./rounding.js";

/** What the unit needs of a core. */
export type X87Core = Pick<CoreApi, "lo" | "hi" | "set" | "big" | "setBig">;

/** Bits of the status word besides the exceptions: SDM volume 1, 8.1.3. */
export const StatusBit = {
  summary: 0x80,
  c0: 0x100,
  c1: 0x200,
  c2: 0x400,
  c3: 0x4000,
  busy: 0x8000,
} as const;
export const CODES = StatusBit.c0 | StatusBit.c1 | StatusBit.c2 | StatusBit.c3;
const TOP_SHIFT = 11;
const TOP = 7 << TOP_SHIFT;

/** Values of the tag word: SDM volume 1, 8.1.7. */
const Tag = { valid: 0, zero: 1, special: 2, empty: 3 } as const;

/** The register stack and the status word. Registers are numbered from the top unless called physical. */
export class RegisterStack {
  readonly core: X87Core;

  constructor(core: X87Core) {
    this.core = core;
  }

  get control(): number {
    return this.core.lo(X87.control);
  }

  get status(): number {
    return this.core.lo(X87.status);
  }

  set status(value: number) {
    this.core.set(X87.status, value, 0);
  }

  get top(): number {
    return (this.status & TOP) >> TOP_SHIFT;
  }

  set top(value: number) {
    this.status = (this.status & ~TOP) | ((value & 7) << TOP_SHIFT);
  }

  /** Bit i: physical register i is in use. */
  get used(): number {
    return this.core.lo(X87.used);
  }

  set used(value: number) {
    this.core.set(X87.used, value, 0);
  }

  physical(index: number): number {
    return (this.top + index) & 7;
  }

  isEmpty(index: number): boolean {
    return ((this.used >> this.physical(index)) & 1) === 0;
  }

  get(index: number): Float80 {
    return this.getPhysical(this.physical(index));
  }

  getPhysical(number: number): Float80 {
    const { core } = this;
    const word = core.lo(X87.exponent[number]!);
    return {
      sign: (word & 0x8000) !== 0 ? 1 : 0,
      exponent: word & 0x7fff,
      significand: core.big(X87.significand[number]!),
    };
  }

  /** Write a register, which is then in use. */
  set(index: number, value: Float80): void {
    const number = this.physical(index);
    this.setPhysical(number, value);
    this.used |= 1 << number;
  }

  setPhysical(number: number, { sign, exponent, significand }: Float80): void {
    const { core } = this;
    core.setBig(X87.significand[number]!, significand);
    core.set(X87.exponent[number]!, (sign << 15) | exponent, 0);
  }

  push(value: Float80): void {
    this.top = this.top - 1;
    this.set(0, value);
  }

  pop(): void {
    this.free(0);
    this.top = this.top + 1;
  }

  free(index: number): void {
    this.used &= ~(1 << this.physical(index));
  }

  tag(number: number): number {
    if (((this.used >> number) & 1) === 0) return Tag.empty;
    const kind = kindOf(this.getPhysical(number));
    return kind === "normal" ? Tag.valid : kind === "zero" ? Tag.zero : Tag.special;
  }

  /** Replace condition codes. */
  setCodes(mask: number, codes: number): void {
    this.status = (this.status & ~mask) | codes;
  }

  /** Bring ES and B in line with the exceptions and their masks. */
  summarize(): void {
    const { status } = this;
    const flags = StatusBit.summary | StatusBit.busy;
    this.status = unmaskedOf(status, this.control) !== 0 ? status | flags : status & ~flags;
  }
}
