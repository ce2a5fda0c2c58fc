import type { IrBuilder, Value } from "@hypercraft/engine";
import { FLAGS } from "../cpu/state.js";

// The status flags CF, PF, AF, ZF, SF and OF are not computed when an instruction sets them, but when one reads them,
// from what the instruction left: its result, an operand, and what kind of instruction it was. The kind is a constant,
// which costs nothing in code, and mostly it is known where flags are read.

/** Bits of the status flags in RFLAGS. */
export const Flag = { CF: 1, PF: 4, AF: 0x10, ZF: 0x40, SF: 0x80, OF: 0x800 } as const;
export const STATUS_FLAGS = 0x8d5;
const ARITHMETIC_FLAGS = Flag.CF | Flag.AF | Flag.OF;

/** How the fields are to be read. ZF is always set if `result` is 0. */
export const FlagClass = {
  /** `source` holds the flags where RFLAGS has them. */
  explicit: 0,
  /** ZF, SF and PF are `result`'s; CF, AF and OF stand in `source` where RFLAGS has them. */
  partial: 1,
  /** `result` is a sum, `source` one of its operands. */
  add: 2,
  /** `result` is a difference, `source` what was subtracted. */
  subtract: 3,
  /** CF, AF and OF are clear. */
  logic: 4,
  /** `source` is what would have been shifted once more: CF is the bit that left it, OF whether the sign changed. */
  shiftLeft: 5,
  shiftRight: 6,
} as const;
export type FlagClass = (typeof FlagClass)[keyof typeof FlagClass];

/** The field's value: the class, and how many bits of an i64 lie above the operand. */
export const flagKind = (flagClass: FlagClass, bytes: number): number => (flagClass << 6) | (64 - 8 * bytes);

/** What set the flags last, if that was in this block. */
interface Known {
  readonly nodes: unknown;
  readonly flagClass: FlagClass;
  /** Bytes of the operands. */
  readonly bytes: number;
  /** The first operand of an addition or subtraction, sign-extended. */
  readonly first: Value | null;
  /** Both operands of a subtraction of four bytes, as i32. */
  readonly narrow?: readonly [Value, Value];
  /** What COMISS and the like found. */
  readonly order?: Value;
}

/** ZF, PF and CF by an order: 0 less, 1 equal, 2 greater, 3 unordered; a byte each. */
const ORDER_FLAGS = 0x45_00_40_01;

/** Conditions by the number in the low four bits of Jcc: odd ones are the opposites. */
export const CONDITIONS = [
  ...["o", "no", "b", "ae", "e", "ne", "be", "a"],
  ...["s", "ns", "p", "np", "l", "ge", "le", "g"],
] as const;

/** A condition of Jcc by what was subtracted from what; null for those that are not about order. */
function comparison(
  ops: Pick<IrBuilder["i64"], "lt_u" | "eq" | "le_u" | "lt_s" | "le_s">,
  code: number,
  x: Value,
  y: Value,
): Value | null {
  switch (code) {
    case 2:
      return ops.lt_u(x, y);
    case 4:
      return ops.eq(x, y);
    case 6:
      return ops.le_u(x, y);
    case 12:
      return ops.lt_s(x, y);
    case 14:
      return ops.le_s(x, y);
    default:
      return null;
  }
}

/** Writes and reads the status flags of one block. */
export class FlagsWriter {
  private readonly ir: IrBuilder;
  private known: Known | null = null;

  constructor(ir: IrBuilder) {
    this.ir = ir;
  }

  private get i64() {
    return this.ir.i64;
  }
  private get i32() {
    return this.ir.i32;
  }
  private get result(): Value {
    return this.ir.get(FLAGS.result);
  }
  private get source(): Value {
    return this.ir.get(FLAGS.source);
  }

  /** x + y gave `result`; all sign-extended from `bytes`. */
  add(bytes: number, x: Value, y: Value, result: Value): void {
    this.write(FlagClass.add, bytes, result, y, x);
  }

  /** x - y gave `result`; all sign-extended from `bytes`. */
  subtract(bytes: number, x: Value, y: Value, result: Value): void {
    this.write(FlagClass.subtract, bytes, result, y, x);
  }

  /** The same of two i32, which gave an i32. */
  subtractNarrow(x: Value, y: Value, result: Value): void {
    const { i64 } = this;
    this.write(FlagClass.subtract, 4, i64.extend_i32_s(result), i64.extend_i32_s(y), null);
    this.known = {
      nodes: this.ir.nodes,
      flagClass: FlagClass.subtract,
      bytes: 4,
      first: null,
      narrow: [x, y],
    };
  }

  /** AND, OR, XOR, TEST; `result` is sign-extended from `bytes`. AF is undefined, and clear. */
  logic(bytes: number, result: Value): void {
    this.write(FlagClass.logic, bytes, result, null, null);
  }

  /** ZF, SF and PF of a sign-extended result; CF, AF and OF as i64 `bits` at their places in RFLAGS. */
  partial(result: Value, bits: Value): void {
    this.write(FlagClass.partial, 8, result, bits, null);
  }

  /** CF becomes an i64 that is 0 or 1, ZF stays, and the others are nothing in particular. */
  carryOnly(carry: Value): void {
    const { ir, i32 } = this;
    ir.set(FLAGS.kind, i32.const(flagKind(FlagClass.partial, 8)));
    ir.set(FLAGS.source, carry);
    this.known = { nodes: ir.nodes, flagClass: FlagClass.partial, bytes: 8, first: null };
  }

  /**
   * A shift gave `result`, and with a count less by one `source`; both sign-extended from `bytes`. AF is undefined, and
   * clear; so is OF where the count is not 1.
   */
  shift(left: boolean, bytes: number, result: Value, source: Value): void {
    this.write(left ? FlagClass.shiftLeft : FlagClass.shiftRight, bytes, result, source, null);
  }

  /** All of them from an i64 that has them where RFLAGS does; other bits do not matter. */
  explicit(bits: Value): void {
    const { i64 } = this;
    const zero = i64.const(Flag.ZF);
    this.write(FlagClass.explicit, 8, i64.xor(i64.and(bits, zero), zero), bits, null);
  }

  /** ZF, PF and CF of an order of numbers, an i32: 0 less, 1 equal, 2 greater, 3 unordered. The others are clear. */
  ordered(order: Value): void {
    const { i32, i64 } = this;
    const flags = i32.shr_u(i32.const(ORDER_FLAGS), i32.shl(order, i32.const(3)));
    this.explicit(i64.extend_i32_u(i32.and(flags, i32.const(0x45))));
    this.known = { nodes: this.ir.nodes, flagClass: FlagClass.explicit, bytes: 8, first: null, order };
  }

  /** As `partial` if an i32 is not zero; else nothing changes. */
  partialIf(condition: Value, result: Value, bits: Value): void {
    const { ir, i32 } = this;
    const kind = i32.const(flagKind(FlagClass.partial, 8));
    const fields = [
      [FLAGS.kind, kind],
      [FLAGS.result, result],
      [FLAGS.source, bits],
    ] as const;
    for (const [field, value] of fields) ir.set(field, ir.select(condition, value, ir.get(field)));
    this.forget();
  }

  /** Replace those of CF, AF and OF that are in `mask` by `bits`, an i64 that has no others; the rest stays. */
  replace(mask: number, bits: Value): void {
    const { i64 } = this;
    const known = this.knownHere;
    if (known === null || known.flagClass === FlagClass.explicit)
      this.explicit(i64.or(this.all(STATUS_FLAGS & ~mask), bits));
    else this.partial(this.result, i64.or(this.arithmetic(ARITHMETIC_FLAGS & ~mask), bits));
  }

  /** ZF becomes an i32 that is 0 or 1; the rest stays. */
  replaceZero(zero: Value): void {
    const { i64 } = this;
    this.explicit(i64.or(this.all(STATUS_FLAGS & ~Flag.ZF), i64.shl(i64.extend_i32_u(zero), i64.const(6))));
  }

  /** As `replace` if an i32 is not zero; else nothing changes. */
  replaceIf(condition: Value, mask: number, bits: Value): void {
    this.replace(mask, this.ir.select(condition, bits, this.all(mask)));
  }

  private write(
    flagClass: FlagClass,
    bytes: number,
    result: Value,
    source: Value | null,
    first: Value | null,
  ): void {
    const { ir } = this;
    ir.set(FLAGS.kind, this.i32.const(flagKind(flagClass, bytes)));
    ir.set(FLAGS.result, result);
    if (source !== null) ir.set(FLAGS.source, source);
    else ir.discard(FLAGS.source);
    this.known = { nodes: ir.nodes, flagClass, bytes, first };
  }

  /** The fields were written by a helper or chosen at run time. */
  forget(): void {
    this.known = null;
  }

  private get knownHere(): Known | null {
    return this.known !== null && this.known.nodes === this.ir.nodes ? this.known : null;
  }

  /** The first operand of the addition or subtraction that is known to have set the flags. */
  private firstOf({ flagClass, bytes, first }: Known): Value {
    // Code that resumes behind an access has not computed it: then it is worked out from what the fields hold.
    if (first !== null && this.ir.isReusable(first)) return first;
    const { i64 } = this;
    const added = flagClass === FlagClass.add;
    const x = added ? i64.sub(this.result, this.source) : i64.add(this.result, this.source);
    const above = i64.const(64 - 8 * bytes);
    return bytes === 8 ? x : i64.shr_s(i64.shl(x, above), above);
  }

  // Single flags, as an i32 that is 0 or 1.

  carry(): Value {
    const { i64, i32 } = this;
    const known = this.knownHere;
    switch (known?.flagClass) {
      case FlagClass.add:
        return i64.lt_u(this.result, this.source);
      case FlagClass.subtract:
        return i64.lt_u(this.firstOf(known), this.source);
      case FlagClass.logic:
        return i32.const(0);
      case FlagClass.shiftLeft:
        return i64.lt_s(this.source, i64.const(0));
      case FlagClass.shiftRight:
      case FlagClass.partial:
      case FlagClass.explicit:
        return this.bit(0);
    }
    return this.dynamic(
      () => i64.lt_u(this.result, this.source),
      () => i64.lt_u(this.minuend(), this.source),
      () =>
        this.ir.select(this.isClass(FlagClass.shiftLeft), i64.lt_s(this.source, i64.const(0)), this.bit(0)),
    );
  }

  overflow(): Value {
    const { i64, i32 } = this;
    const known = this.knownHere;
    const negative = (value: Value) => i64.lt_s(value, i64.const(0));
    const ofSum = (x: Value, y: Value, sum: Value) => negative(i64.and(i64.xor(x, sum), i64.xor(y, sum)));
    switch (known?.flagClass) {
      case FlagClass.add:
        return ofSum(this.firstOf(known), this.source, this.result);
      case FlagClass.subtract:
        return ofSum(this.result, this.source, this.firstOf(known));
      case FlagClass.logic:
        return i32.const(0);
      case FlagClass.shiftLeft:
      case FlagClass.shiftRight:
        return this.signChanged();
      case FlagClass.partial:
      case FlagClass.explicit:
        return this.bit(11);
    }
    return this.dynamic(
      () => ofSum(this.otherSummand(), this.source, this.result),
      () => ofSum(this.result, this.source, this.minuend()),
      () => this.ir.select(this.isShift(), this.signChanged(), this.bit(11)),
    );
  }

  adjust(): Value {
    const { i64, i32 } = this;
    const known = this.knownHere;
    const carried = (other: Value) =>
      i32.and(
        i32.shr_u(i32.wrap_i64(i64.xor(i64.xor(other, this.source), this.result)), i32.const(4)),
        i32.const(1),
      );
    switch (known?.flagClass) {
      case FlagClass.add:
      case FlagClass.subtract:
        return carried(this.firstOf(known));
      case FlagClass.logic:
      case FlagClass.shiftLeft:
      case FlagClass.shiftRight:
        return i32.const(0);
      case FlagClass.partial:
      case FlagClass.explicit:
        return this.bit(4);
    }
    return this.dynamic(
      () => carried(this.otherSummand()),
      () => carried(this.minuend()),
      () => this.ir.select(this.isShift(), i32.const(0), this.bit(4)),
    );
  }

  zero(): Value {
    return this.i64.eqz(this.result);
  }

  sign(): Value {
    const { i64 } = this;
    const ofResult = i64.lt_s(this.result, i64.const(0));
    return this.unlessExplicit(ofResult, () => this.bit(7));
  }

  parity(): Value {
    const { i32 } = this;
    const low = i32.and(i32.wrap_i64(this.result), i32.const(0xff));
    const even = i32.xor(i32.and(i32.popcnt(low), i32.const(1)), i32.const(1));
    return this.unlessExplicit(even, () => this.bit(2));
  }

  /** A condition of Jcc, SETcc or CMOVcc, 0..15, as an i32 that is not zero if it holds. */
  condition(code: number): Value {
    const positive = this.compared(code & 14) ?? this.positive(code & 14);
    return (code & 1) === 0 ? positive : this.i32.eqz(positive);
  }

  /** Conditions on the operands of a subtraction or the result of a logic instruction. */
  private compared(code: number): Value | null {
    const { i64 } = this;
    const known = this.knownHere;
    if (known === null) return null;
    if (known.order !== undefined && this.ir.isReusable(known.order)) return this.byOrder(code, known.order);
    const zero = i64.const(0);
    if (known.flagClass === FlagClass.logic && (code === 12 || code === 14))
      return code === 12 ? i64.lt_s(this.result, zero) : i64.le_s(this.result, zero);
    if (known.flagClass !== FlagClass.subtract) return null;
    const { narrow } = known;
    if (narrow?.every((value) => this.ir.isReusable(value))) return comparison(this.i32, code, ...narrow);
    return comparison(i64, code, this.firstOf(known), this.source);
  }

  /** Conditions on what was ordered: the flags need not be looked at. */
  private byOrder(code: number, order: Value): Value | null {
    const { i32 } = this;
    switch (code) {
      case 2:
        // Less or unordered: 0 or 3.
        return i32.eqz(i32.and(i32.xor(order, i32.shr_u(order, i32.const(1))), i32.const(1)));
      case 4:
        return i32.and(order, i32.const(1));
      case 6:
        return i32.ne(order, i32.const(2));
      case 10:
        return i32.eq(order, i32.const(3));
      default:
        return null;
    }
  }

  private positive(code: number): Value {
    const { i32 } = this;
    switch (code) {
      case 0:
        return this.overflow();
      case 2:
        return this.carry();
      case 4:
        return this.zero();
      case 6:
        return i32.or(this.carry(), this.zero());
      case 8:
        return this.sign();
      case 10:
        return this.parity();
      case 12:
        return i32.xor(this.sign(), this.overflow());
      default:
        return i32.or(this.zero(), i32.xor(this.sign(), this.overflow()));
    }
  }

  /** Those of CF, PF, AF, ZF, SF and OF that are in `mask` as an i64, where RFLAGS has them. */
  all(mask = STATUS_FLAGS): Value {
    const { i64 } = this;
    if (this.knownHere?.flagClass === FlagClass.explicit) return i64.and(this.source, i64.const(mask));
    return this.gathered(this.arithmetic(mask & ARITHMETIC_FLAGS), mask, [
      [Flag.PF, () => this.parity()],
      [Flag.ZF, () => this.zero()],
      [Flag.SF, () => this.sign()],
    ]);
  }

  /** Those of CF, AF and OF that are in `mask` as an i64, where RFLAGS has them. */
  arithmetic(mask = ARITHMETIC_FLAGS): Value {
    const { i64 } = this;
    if (this.knownHere?.flagClass === FlagClass.partial) return i64.and(this.source, i64.const(mask));
    return this.gathered(i64.const(0), mask, [
      [Flag.CF, () => this.carry()],
      [Flag.AF, () => this.adjust()],
      [Flag.OF, () => this.overflow()],
    ]);
  }

  private gathered(start: Value, mask: number, flags: readonly (readonly [number, () => Value])[]): Value {
    const { i64 } = this;
    return flags
      .filter(([bit]) => (mask & bit) !== 0)
      .map(([bit, flag]) => i64.shl(i64.extend_i32_u(flag()), i64.const(Math.log2(bit))))
      .reduce((sum, bit) => i64.or(sum, bit), start);
  }

  // What is not known until run time.

  private bit(number: number): Value {
    const { i32 } = this;
    return i32.and(i32.shr_u(i32.wrap_i64(this.source), i32.const(number)), i32.const(1));
  }

  private get kind(): Value {
    return this.ir.get(FLAGS.kind);
  }

  private isClass(flagClass: FlagClass): Value {
    const { i32 } = this;
    return i32.eq(i32.shr_u(this.kind, i32.const(6)), i32.const(flagClass));
  }

  private isShift(): Value {
    const { i32 } = this;
    return i32.ge_u(i32.shr_u(this.kind, i32.const(6)), i32.const(FlagClass.shiftLeft));
  }

  /** Result and source have different signs. */
  private signChanged(): Value {
    const { i64 } = this;
    return i64.lt_s(i64.xor(this.source, this.result), i64.const(0));
  }

  private dynamic(added: () => Value, subtracted: () => Value, stored: () => Value): Value {
    const { ir, i32 } = this;
    const rest = ir.select(this.isClass(FlagClass.logic), i32.const(0), stored());
    return ir.select(
      this.isClass(FlagClass.subtract),
      subtracted(),
      ir.select(this.isClass(FlagClass.add), added(), rest),
    );
  }

  private unlessExplicit(value: Value, stored: () => Value): Value {
    const known = this.knownHere;
    if (known !== null) return known.flagClass === FlagClass.explicit ? stored() : value;
    return this.ir.select(this.isClass(FlagClass.explicit), stored(), value);
  }

  /** Sign-extend from the operand size that the kind says. */
  private sized(value: Value): Value {
    const { i64 } = this;
    const above = i64.and(i64.extend_i32_u(this.kind), i64.const(63));
    return i64.shr_s(i64.shl(value, above), above);
  }

  private minuend(): Value {
    return this.sized(this.i64.add(this.result, this.source));
  }

  private otherSummand(): Value {
    return this.sized(this.i64.sub(this.result, this.source));
  }
}
