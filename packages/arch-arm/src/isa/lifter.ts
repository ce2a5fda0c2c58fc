import {
  type AccessSize,
  type Field,
  InstructionBuilder,
  type IrBuilder,
  instructionsOf,
  type Value,
} from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { type CodeMode, unpackMode } from "../cpu/mode.js";
import { FLAGS, PSTATE, SP, X } from "../cpu/state.js";
import { type Comparison, compareBy, holds, isZero, type Order, orderedBy } from "./comparison.js";

/** The register number that means the zero register or the stack pointer. */
const ZR = 31;
export const LINK = 30;

/** An addition or a subtraction, and its flags: C as it is kept, V by the sign. */
interface Arithmetic {
  readonly result: Value;
  readonly c: () => Value;
  readonly v: () => Value;
}

/** Data contexts (`IrBuilder.selectContext`). */
const UNPRIVILEGED = 2;

/** The instruction being lifted, with A64's names for what the IR offers. */
export class A64Builder extends InstructionBuilder<CodeMode> {
  /** What the flags were set by, if that was in this block. */
  private compared: Comparison | Order | null = null;
  /** The nodes of the block in which the stack pointer is known to be a multiple of 16. */
  private stackAligned: unknown = null;

  constructor(ir: IrBuilder) {
    super(ir, unpackMode);
  }

  // Registers

  /** X0 to X30; 31 is zero. */
  x(index: number): Value {
    return index === ZR ? this.i64.const(0) : this.ir.get(X[index]!);
  }

  /** W0 to W30: low halves. */
  w(index: number): Value {
    return index === ZR ? this.i32.const(0) : this.i32.wrap_i64(this.x(index));
  }

  /** Write X0 to X30; a write of 31 is dropped. */
  setX(index: number, value: Value): void {
    if (index !== ZR) this.ir.set(X[index]!, value);
  }

  /** Write an i32 to a W register: the upper half becomes zero. */
  setW(index: number, value: Value): void {
    if (index !== ZR) this.ir.set(X[index]!, this.i64.extend_i32_u(value));
  }

  /** X or W by bit 31 of the encoding, as an i64 or i32. */
  r(wide: boolean, index: number): Value {
    return wide ? this.x(index) : this.w(index);
  }

  setR(wide: boolean, index: number, value: Value): void {
    if (wide) this.setX(index, value);
    else this.setW(index, value);
  }

  /** The stack pointer of this exception level and PSTATE.SP. */
  get sp(): Field {
    return SP[this.mode.spSel && this.mode.el !== 0 ? (this.mode.el as 1 | 2) : 0];
  }

  /** X0 to X30 or the stack pointer. */
  xSp(index: number): Value {
    return this.ir.get(index === ZR ? this.sp : X[index]!);
  }

  /** As `r`, where 31 is the stack pointer. */
  rSp(wide: boolean, index: number): Value {
    return wide ? this.xSp(index) : this.i32.wrap_i64(this.xSp(index));
  }

  setXSp(index: number, value: Value): void {
    if (index === ZR) this.stackAligned = null;
    this.ir.set(index === ZR ? this.sp : X[index]!, value);
  }

  /** Write to a register, or the stack pointer, what it was before and a displacement; `before` is its value. */
  moveXSp(index: number, before: Value, displacement: number): void {
    const { stackAligned } = this;
    this.setXSp(index, this.displaced(before, displacement));
    if ((displacement & 15) === 0) this.stackAligned = stackAligned;
  }

  setRSp(wide: boolean, index: number, value: Value): void {
    this.setXSp(index, wide ? value : this.i64.extend_i32_u(value));
  }

  /** A constant as wide as the operation. */
  constant(wide: boolean, value: number): Value {
    return wide ? this.i64.const(value) : this.i32.const(value);
  }

  /** The operations on i64 or i32. */
  ops(wide: boolean): IrBuilder["i32"] {
    // Both have the operations the integer instructions need; conversions are named by type where they are used.
    return wide ? (this.i64 as unknown as IrBuilder["i32"]) : this.i32;
  }

  // Flags

  /** x + y with flags; i64 or i32 as `wide` says. Gives the sum. */
  addFlags(wide: boolean, x: Value, y: Value): Value {
    const sum = this.setArithmetic(wide, this.addition(wide, x, y));
    this.compared = null;
    return sum;
  }

  /** x - y with flags. Gives the difference. */
  subFlags(wide: boolean, x: Value, y: Value): Value {
    const difference = this.setArithmetic(wide, this.subtraction(wide, x, y));
    this.compared = { kind: "subtraction", nodes: this.ir.nodes, wide, x, y };
    return difference;
  }

  private addition(wide: boolean, x: Value, y: Value): Arithmetic {
    const o = this.ops(wide);
    const sum = o.add(x, y);
    return { result: sum, c: () => o.lt_u(sum, x), v: () => o.add_overflow(x, y) };
  }

  private subtraction(wide: boolean, x: Value, y: Value): Arithmetic {
    const { i32 } = this;
    const o = this.ops(wide);
    if (isZero(y)) return { result: x, c: () => i32.const(1), v: () => this.constant(wide, 0) };
    return { result: o.sub(x, y), c: () => o.ge_u(x, y), v: () => o.sub_overflow(x, y) };
  }

  /** Each flag is computed where it is set, which takes no temporary. */
  private setArithmetic(wide: boolean, { result, c, v }: Arithmetic): Value {
    const { ir } = this;
    this.setResult(wide, result);
    ir.set(FLAGS.c, c());
    ir.set(FLAGS.v, this.widened(wide, v()));
    return result;
  }

  /** x + y + C, with flags if asked. */
  addWithCarry(wide: boolean, x: Value, y: Value, setFlags: boolean): Value {
    const { ir, i32 } = this;
    const o = this.ops(wide);
    const carry = ir.get(FLAGS.c);
    const partial = o.add(x, y);
    const sum = o.add(partial, wide ? this.i64.extend_i32_u(carry) : carry);
    if (!setFlags) return sum;
    this.setResult(wide, sum);
    ir.set(FLAGS.c, i32.or(o.lt_u(partial, x), o.lt_u(sum, partial)));
    ir.set(FLAGS.v, this.widened(wide, o.and(o.xor(x, sum), o.xor(y, sum))));
    this.compared = null;
    return sum;
  }

  /** N and Z of a result, C and V clear. */
  logicFlags(wide: boolean, result: Value): void {
    this.setResult(wide, result);
    this.ir.set(FLAGS.c, this.i32.const(0));
    this.ir.set(FLAGS.v, this.i64.const(0));
    this.compared = null;
  }

  /** Set the flags, each in the form it is kept in. */
  setFlags(n: Value, z: Value, c: Value, v: Value): void {
    this.ir.set(FLAGS.n, n);
    this.ir.set(FLAGS.z, z);
    this.ir.set(FLAGS.c, c);
    this.ir.set(FLAGS.v, v);
    this.compared = null;
  }

  /** Set the flags to the order of two numbers, an i32: 0 less, 1 equal, 2 greater, 3 unordered. */
  setOrder(order: Value): void {
    const { i64, i32 } = this;
    const top = (value: Value): Value => i64.shl(i64.extend_i32_u(value), i64.const(63));
    const unequal = i64.extend_i32_u(i32.xor(order, i32.const(1)));
    const notLess = i32.ne(order, i32.const(0));
    this.setFlags(top(i32.eqz(order)), unequal, notLess, top(i32.eq(order, i32.const(3))));
    this.compared = { kind: "order", nodes: this.ir.nodes, order };
  }

  /** Set the flags to NZCV, 4 bits. */
  setNzcv(nzcv: number): void {
    const [n, z, c, v] = this.constantFlags(nzcv);
    this.setFlags(n, z, c, v);
  }

  /**
   * NZCV, 4 bits, in the form the flags are kept in. N and Z are the same value, unless both are set, which no result
   * of an operation does.
   */
  constantFlags(nzcv: number): readonly [n: Value, z: Value, c: Value, v: Value] {
    const { i64, i32 } = this;
    const negative = (nzcv & 8) !== 0;
    const zero = (nzcv & 4) !== 0;
    const n = negative ? i64.pair(0, 1 << 31) : i64.const(zero ? 0 : 1);
    const z = negative && zero ? i64.const(0) : n;
    return [n, z, i32.const((nzcv >> 1) & 1), i64.pair(0, (nzcv & 1) === 0 ? 0 : 1 << 31)];
  }

  /** Flags of x - y, or x + y, if a condition code holds, else the constant NZCV (conditional compare). */
  compareIf(code: number, subtract: boolean, wide: boolean, x: Value, y: Value, nzcv: number): void {
    const { ir, i32 } = this;
    // AL and NV always hold.
    if (code >= 14) {
      if (subtract) this.subFlags(wide, x, y);
      else this.addFlags(wide, x, y);
      return;
    }
    const condition = this.condition(code);
    const { result, c, v } = subtract ? this.subtraction(wide, x, y) : this.addition(wide, x, y);
    const [negative, zero, , overflow] = this.constantFlags(nzcv);
    const kept = this.widened(wide, result);
    const nz = ir.select(condition, kept, negative);
    ir.set(FLAGS.n, nz);
    ir.set(FLAGS.z, zero === negative ? nz : ir.select(condition, kept, zero));
    ir.set(FLAGS.c, (nzcv & 2) === 0 ? i32.and(c(), condition) : i32.or(c(), i32.eqz(condition)));
    ir.set(FLAGS.v, ir.select(condition, this.widened(wide, v()), overflow));
    this.compared = null;
    if (subtract) this.compared = { kind: "conditional", nodes: ir.nodes, condition, wide, x, y, nzcv };
  }

  /** Flags of `first` if the condition holds, else the constant NZCV. */
  flagsIf(condition: Value, first: () => void, nzcv: number): void {
    const { ir } = this;
    first();
    const fields = [FLAGS.n, FLAGS.z, FLAGS.c, FLAGS.v];
    const constants = this.constantFlags(nzcv);
    for (const [i, field] of fields.entries())
      ir.set(field, ir.select(condition, ir.get(field), constants[i] as Value));
    this.compared = null;
  }

  /** A condition (EQ 0 ... AL 14, NV 15) as an i32: 1 if it holds, else 0. */
  condition(code: number): Value {
    const { ir, compared } = this;
    if (compared !== null && compared.nodes === ir.nodes && this.isReusable(compared)) {
      const value =
        compared.kind === "order" ? orderedBy(this.i32, compared, code) : this.comparedBy(compared, code);
      if (value !== null) return value;
    }
    return this.conditionByFlags(code);
  }

  private isReusable(compared: Comparison | Order): boolean {
    const { ir } = this;
    if (compared.kind === "order") return ir.isReusable(compared.order);
    if (compared.kind === "conditional" && !ir.isReusable(compared.condition)) return false;
    return ir.isReusable(compared.x) && ir.isReusable(compared.y);
  }

  private comparedBy(compared: Comparison, code: number): Value | null {
    const { i32 } = this;
    const value = compareBy(this.ops(compared.wide), compared, code);
    if (value === null || compared.kind === "subtraction") return value;
    const { condition, nzcv } = compared;
    return holds(code, nzcv) ? i32.or(value, i32.eqz(condition)) : i32.and(value, condition);
  }

  // Comparisons, since branches take these in.
  private conditionByFlags(code: number): Value {
    const { ir, i64, i32 } = this;
    const none = () => i64.const(0);
    const [equal, unequal] = [() => i64.eq(ir.get(FLAGS.z), none()), () => i64.ne(ir.get(FLAGS.z), none())];
    const differing = () => i64.xor(ir.get(FLAGS.n), ir.get(FLAGS.v));
    switch (code) {
      case 0:
        return equal();
      case 1:
        return unequal();
      case 2:
        return ir.get(FLAGS.c);
      case 3:
        return i32.eq(ir.get(FLAGS.c), i32.const(0));
      case 4:
        return i64.lt_s(ir.get(FLAGS.n), none());
      case 5:
        return i64.ge_s(ir.get(FLAGS.n), none());
      case 6:
        return i64.lt_s(ir.get(FLAGS.v), none());
      case 7:
        return i64.ge_s(ir.get(FLAGS.v), none());
      case 8:
        return i32.and(ir.get(FLAGS.c), unequal());
      case 9:
        return i32.or(i32.eqz(ir.get(FLAGS.c)), equal());
      case 10:
        return i64.ge_s(differing(), none());
      case 11:
        return i64.lt_s(differing(), none());
      case 12:
        return i32.and(i64.ge_s(differing(), none()), unequal());
      case 13:
        return i32.or(i64.lt_s(differing(), none()), equal());
      default:
        return i32.const(1);
    }
  }

  private setResult(wide: boolean, result: Value): void {
    const kept = this.widened(wide, result);
    this.ir.set(FLAGS.n, kept);
    this.ir.set(FLAGS.z, kept);
  }

  /** A 32-bit result so that bit 63 is its sign and it is zero if it was. */
  private widened(wide: boolean, value: Value): Value {
    return wide ? value : this.i64.extend_i32_s(value);
  }

  // Memory

  /** A base register; a stack pointer is checked where SCTLR_ELx.SA asks for it. */
  base(index: number): Value {
    const base = this.xSp(index);
    if (index === ZR && this.mode.stackChecked && this.stackAligned !== this.ir.nodes) {
      this.stackAligned = this.ir.nodes;
      const low = this.i32.and(this.i32.wrap_i64(base), this.i32.const(15));
      this.ir.callIf(low, Helper.stackAlignment, 0, base);
    }
    return base;
  }

  displaced(base: Value, displacement: number): Value {
    return displacement === 0 ? base : this.i64.add(base, this.i64.const(displacement));
  }

  load(size: AccessSize, signed: boolean, address: Value, ordered = false): Value {
    return this.ir.load(size, signed, address, { aligned: ordered || this.mode.alignmentChecked });
  }

  store(size: AccessSize, address: Value, value: Value, ordered = false): void {
    this.ir.store(size, address, value, { aligned: ordered || this.mode.alignmentChecked });
  }

  /** Do accesses as EL0 would (LDTR, STTR). Only at EL1 that is another data context. */
  unprivileged(accesses: () => void): void {
    if (this.mode.el !== 1) return accesses();
    this.ir.selectContext(this.i32.const(UNPRIVILEGED));
    accesses();
    this.ir.selectContext(this.ir.get(PSTATE.pan));
  }

  // Control

  /** UNDEFINED. */
  undefined(): void {
    this.callAndDispatch(Helper.undefined, 0, this.i64.pair(this.bits, 0));
  }

  /** Branch to a register; with the link written or not. That a target is no multiple of 4 is found there. */
  branchTo(target: Value, link: boolean): void {
    if (link) this.setX(LINK, this.ir.pc(this.next));
    this.ir.jumpIndirect(target);
  }
}

/** Declares the instructions of A64 features. */
export const a64 = (...features: readonly string[]) => instructionsOf<A64Builder>(...features);
