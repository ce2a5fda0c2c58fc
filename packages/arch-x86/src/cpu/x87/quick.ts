import { X87 } from "../state.js";
import type { X87Host } from "./helpers.js";
import { X87Op, X87Source } from "./operations.js";
import { WideSignificand } from "./significand.js";
import { CODES, StatusBit } from "./stack.js";

// What programs do with the floating-point unit nearly always: normal numbers and zeros, rounded to nearest with all
// 64 bits, no exception to be raised. Here it is done on halves. Everything is looked at before anything is changed:
// whatever is not of this kind is left to unit.ts, which knows all of the manual.

/** All exceptions masked, 64 bits, to nearest. */
const USUAL_CONTROL = 0x33f;
const CONTROL_BITS = 0xf3f;
const { c0: C0, c1: C1, c3: C3, summary, busy } = StatusBit;
const PRECISION = 0x20;
const BIAS = 16383;
const LARGEST = 0x7ffe;
const SIGN = 0x8000;
const INTEGER_BIT = 0x8000_0000;
/** RFLAGS of FCOMI. */
const [EQUAL_FLAG, LESS_FLAG] = [0x40, 1];

/** A number: sign and exponent as a register has them, and its significand. */
interface Operand {
  word: number;
  hi: number;
  lo: number;
}

/** What a store that waits for its memory will raise. */
interface Stored {
  active: boolean;
  inexact: boolean;
  roundedUp: boolean;
  pops: number;
}

export class QuickX87 {
  private readonly core: X87Host["core"];
  private readonly wide = new WideSignificand();
  private readonly x: Operand = { word: 0, hi: 0, lo: 0 };
  private readonly y: Operand = { word: 0, hi: 0, lo: 0 };
  private readonly stored: Stored = { active: false, inexact: false, roundedUp: false, pops: 0 };

  constructor(core: X87Host["core"]) {
    this.core = core;
  }

  /** Carry out a packed request. False: nothing has been done. */
  run(constant: number, lo: number, hi: number): boolean {
    const op = constant & 63;
    if (op === X87Op.stored) return this.finishStore();
    if (op === X87Op.store) this.stored.active = false;
    const { core } = this;
    const status = core.lo(X87.status);
    if ((core.lo(X87.control) & CONTROL_BITS) !== USUAL_CONTROL || (status & (summary | busy)) !== 0)
      return false;
    const register = (constant >> 6) & 15;
    const source = (constant >> 10) & 7;
    const pops = (constant >> 14) & 3;
    switch (op) {
      case X87Op.load:
        return this.convert(source, lo, hi, this.x) && this.push(status, this.x);
      case X87Op.loadRegister:
        return this.read(status, register, this.x) && this.push(status, this.x);
      case X87Op.storeRegister:
        return this.read(status, 0, this.x) && this.deliver(status & ~C1, register, this.x, pops);
      case X87Op.exchange:
        return this.exchange(status, register);
      case X87Op.changeSign:
      case X87Op.absolute:
        if (!this.read(status, 0, this.x)) return false;
        this.x.word = op === X87Op.absolute ? this.x.word & ~SIGN : this.x.word ^ SIGN;
        return this.deliver(status & ~C1, 0, this.x, 0);
      case X87Op.store:
        return this.store(status, source, pops);
      case X87Op.compare:
      case X87Op.compareQuiet:
      case X87Op.compareFlags:
      case X87Op.compareFlagsQuiet:
        return (
          this.operands(status, register, source, lo, hi) &&
          this.compare(status, op === X87Op.compareFlags || op === X87Op.compareFlagsQuiet, pops)
        );
      default:
        return (
          op <= X87Op.divideReversed &&
          this.operands(status, register, source, lo, hi) &&
          this.compute(status, op, (constant & (1 << 13)) !== 0 ? register : 0, register, pops)
        );
    }
  }

  /** ST(i), if it is in use and a normal number or zero. */
  private read(status: number, index: number, out: Operand): boolean {
    const { core } = this;
    const number = ((status >> 11) + index) & 7;
    if (((core.lo(X87.used) >> number) & 1) === 0) return false;
    const significand = X87.significand[number]!;
    out.word = core.lo(X87.exponent[number]!);
    out.hi = core.hi(significand) >>> 0;
    out.lo = core.lo(significand) >>> 0;
    const exponent = out.word & 0x7fff;
    return exponent === 0 ? (out.hi | out.lo) === 0 : out.hi >= INTEGER_BIT && exponent <= LARGEST;
  }

  /** ST(0) and the other operand. */
  private operands(status: number, register: number, source: number, lo: number, hi: number): boolean {
    if (!this.read(status, 0, this.x)) return false;
    return source === X87Source.register
      ? this.read(status, register, this.y)
      : this.convert(source, lo, hi, this.y);
  }

  /** A memory operand. */
  private convert(source: number, lo: number, hi: number, out: Operand): boolean {
    switch (source) {
      case X87Source.single: {
        const exponent = (lo >>> 23) & 0xff;
        const fraction = lo & 0x7f_ffff;
        if (exponent === 0xff || (exponent === 0 && fraction !== 0)) return false;
        put(out, lo < 0, exponent === 0 ? 0 : exponent - 127 + BIAS, fraction << 8, 0);
        return true;
      }
      case X87Source.double: {
        const exponent = (hi >>> 20) & 0x7ff;
        const fraction = hi & 0xf_ffff;
        if (exponent === 0x7ff || (exponent === 0 && (fraction | lo) !== 0)) return false;
        put(
          out,
          hi < 0,
          exponent === 0 ? 0 : exponent - 1023 + BIAS,
          (fraction << 11) | (lo >>> 21),
          lo << 11,
        );
        return true;
      }
      case X87Source.int16:
      case X87Source.int32: {
        const value = source === X87Source.int16 ? (lo << 16) >> 16 : lo;
        const magnitude = Math.abs(value);
        const bits = Math.clz32(magnitude);
        put(out, value < 0, magnitude === 0 ? 0 : BIAS + 31 - bits, magnitude << bits, 0);
        return true;
      }
      default:
        return false;
    }
  }

  private push(status: number, value: Operand): boolean {
    const { core } = this;
    const top = ((status >> 11) - 1) & 7;
    if (((core.lo(X87.used) >> top) & 1) !== 0) return false;
    return this.deliver((status & ~C1 & ~0x3800) | (top << 11), 0, value, 0);
  }

  /** Write a register, then take some off the stack. */
  private deliver(status: number, index: number, { word, hi, lo }: Operand, pops: number): true {
    const { core } = this;
    const number = ((status >> 11) + index) & 7;
    core.set(X87.significand[number]!, lo, hi);
    core.set(X87.exponent[number]!, word, 0);
    core.set(X87.used, core.lo(X87.used) | (1 << number), 0);
    return this.finish(status, pops);
  }

  private finish(status: number, pops: number): true {
    const { core } = this;
    let top = (status >> 11) & 7;
    let used = core.lo(X87.used);
    for (let i = 0; i < pops; i++) {
      used &= ~(1 << top);
      top = (top + 1) & 7;
    }
    core.set(X87.used, used, 0);
    core.set(X87.status, (status & ~0x3800) | (top << 11), 0);
    return true;
  }

  private exchange(status: number, register: number): boolean {
    if (!this.read(status, 0, this.x) || !this.read(status, register, this.y)) return false;
    this.deliver(status & ~C1, 0, this.y, 0);
    return this.deliver(status & ~C1, register, this.x, 0);
  }

  private compare(status: number, toFlags: boolean, pops: number): true {
    const order = compareOperands(this.x, this.y);
    if (toFlags) {
      this.finish(status & ~C1, pops);
      this.core.setResult(order === 0 ? EQUAL_FLAG : order < 0 ? LESS_FLAG : 0, 0);
      return true;
    }
    this.core.setResult(0, 0);
    return this.finish((status & ~CODES) | (order === 0 ? C3 : order < 0 ? C0 : 0), pops);
  }

  private compute(status: number, op: number, target: number, register: number, pops: number): boolean {
    // The operation is "destination op source"; where ST(i) is the destination, ST(0) is the source.
    const swapped = target !== 0 && target === register;
    const [first, second] = swapped ? [this.y, this.x] : [this.x, this.y];
    const { wide } = this;
    let sign: number;
    switch (op) {
      case X87Op.add:
        sign = this.sum(first, second, 0);
        break;
      case X87Op.subtract:
        sign = this.sum(first, second, SIGN);
        break;
      case X87Op.subtractReversed:
        sign = this.sum(second, first, SIGN);
        break;
      case X87Op.multiply:
      case X87Op.divide:
        sign = this.scaled(first, second, op === X87Op.multiply);
        break;
      case X87Op.divideReversed:
        sign = this.scaled(second, first, false);
        break;
      default:
        return false;
    }
    if (sign < 0) return false;
    wide.round();
    if (wide.exponent < 1 || wide.exponent > LARGEST) return false;
    const { x } = this;
    x.word = sign | wide.exponent;
    x.hi = wide.hi;
    x.lo = wide.lo;
    const raised = (wide.inexact ? PRECISION : 0) | (wide.roundedUp ? C1 : 0);
    this.core.setResult(0, 0);
    return this.deliver((status & ~C1) | raised, target, x, pops);
  }

  /** x + y with the sign of y changed by `flip`: gives the sign of the result, -1 if there is a zero among them. */
  private sum(x: Operand, y: Operand, flip: number): number {
    const { wide } = this;
    if (isZero(x) || isZero(y)) return -1;
    const signs = [x.word & SIGN, (y.word & SIGN) ^ flip] as const;
    const larger = compareMagnitudes(x, y) >= 0;
    const [high, low] = larger ? [x, y] : [y, x];
    wide.set(high.hi, high.lo, high.word & 0x7fff);
    if (signs[0] === signs[1]) wide.add(low.hi, low.lo, low.word & 0x7fff);
    else if (!wide.subtract(low.hi, low.lo, low.word & 0x7fff)) return -1;
    return larger ? signs[0] : signs[1];
  }

  /** x * y or x / y, likewise. */
  private scaled(x: Operand, y: Operand, multiplied: boolean): number {
    const { wide } = this;
    if (isZero(x) || isZero(y)) return -1;
    const [ex, ey] = [x.word & 0x7fff, y.word & 0x7fff];
    if (multiplied) {
      wide.exponent = ex + ey - BIAS;
      wide.multiply(x.hi, x.lo, y.hi, y.lo);
    } else {
      wide.exponent = ex - ey + BIAS;
      wide.divide(x.hi, x.lo, y.hi, y.lo);
    }
    return (x.word ^ y.word) & SIGN;
  }

  /** What a store of ST(0) as a single or double is to store. */
  private store(status: number, source: number, pops: number): boolean {
    const double = source === X87Source.double;
    if ((!double && source !== X87Source.single) || !this.read(status, 0, this.x)) return false;
    const { x, wide, stored } = this;
    const exponent = x.word & 0x7fff;
    wide.set(x.hi, x.lo, exponent);
    wide.roundAway(double ? 11 : 40);
    const bias = double ? 1023 : 127;
    const biased = exponent === 0 ? 0 : wide.exponent - BIAS + bias;
    if (exponent !== 0 && (biased < 1 || biased > 2 * bias)) return false;
    const sign = (x.word & SIGN) << 16;
    const fraction = wide.hi & 0x7fff_ffff;
    if (double)
      this.core.setResult((wide.hi << 21) | (wide.lo >>> 11), sign | (biased << 20) | (fraction >>> 11));
    else this.core.setResult(sign | (biased << 23) | (fraction >>> 8), 0);
    stored.active = true;
    stored.inexact = wide.inexact;
    stored.roundedUp = wide.roundedUp;
    stored.pops = pops;
    return true;
  }

  private finishStore(): boolean {
    const { stored, core } = this;
    if (!stored.active) return false;
    stored.active = false;
    const raised = (stored.inexact ? PRECISION : 0) | (stored.roundedUp ? C1 : 0);
    return this.finish((core.lo(X87.status) & ~C1) | raised, stored.pops);
  }
}

/** A number of a memory format: an exponent of 0 is zero, else the integer bit is set. */
function put(out: Operand, negative: boolean, exponent: number, hi: number, lo: number): void {
  out.word = exponent | (negative ? SIGN : 0);
  out.hi = exponent === 0 ? 0 : (hi | INTEGER_BIT) >>> 0;
  out.lo = exponent === 0 ? 0 : lo >>> 0;
}

const isZero = ({ word }: Operand): boolean => (word & 0x7fff) === 0;

function compareMagnitudes(x: Operand, y: Operand): number {
  return (x.word & 0x7fff) - (y.word & 0x7fff) || x.hi - y.hi || x.lo - y.lo;
}

function compareOperands(x: Operand, y: Operand): number {
  if (isZero(x) && isZero(y)) return 0;
  const [negativeX, negativeY] = [(x.word & SIGN) !== 0, (y.word & SIGN) !== 0];
  if (negativeX !== negativeY) return negativeX ? -1 : 1;
  return negativeX ? compareMagnitudes(y, x) : compareMagnitudes(x, y);
}
