import type { Node } from "../ir/node.js";
import { type IrType, OPS, Op, opCode } from "../ir/ops.js";

// Constant folding, done while a block is built: an operation whose result is known is not emitted. Constants
// are two int32 halves; the rarer 64-bit operations on them go through bigint, which is slow.

/** Where folded values are made. */
export interface Values {
  constant(type: IrType, lo: number, hi: number): Node;
  pc(offset: number): Node;
  binary(op: number, a: Node, b: Node): Node;
}

type Fold64 = (a: bigint, b: bigint) => bigint;

const FOLD64: Record<string, Fold64> = {
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  shl: (a, b) => a << (b & 63n),
  shr_s: (a, b) => a >> (b & 63n),
  shr_u: (a, b) => BigInt.asUintN(64, a) >> (b & 63n),
};

type Fold32 = (a: number, b: number) => number;

const FOLD32: Record<string, Fold32> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << (b & 31),
  shr_s: (a, b) => a >> (b & 31),
  shr_u: (a, b) => a >>> (b & 31),
};

/** By operation number. */
const fold64: (Fold64 | undefined)[] = OPS.map(({ name }) => FOLD64[/^i64\.(\w+)$/.exec(name)?.[1] ?? ""]);
const fold32: (Fold32 | undefined)[] = OPS.map(({ name }) => FOLD32[/^i32\.(\w+)$/.exec(name)?.[1] ?? ""]);

const ADD = opCode("i64.add");
const AND = opCode("i64.and");
const SHIFT_RIGHT = opCode("i64.shr_u");
const OR = opCode("i64.or");
const XOR = opCode("i64.xor");
/** Operations that leave their first operand unchanged when the second is a constant zero. */
const ZERO_IS_NEUTRAL = OPS.map(({ name }) => /^i64\.(add|sub|or|xor|shl|shr_s|shr_u)$/.test(name));

/** By operation number of a comparison: the one that holds where it does not. */
const OPPOSITES: (number | undefined)[] = [];
for (const type of ["i32", "i64"]) {
  for (const [name, opposite] of [
    ["eq", "ne"],
    ...["s", "u"].flatMap((sign) => [
      [`lt_${sign}`, `ge_${sign}`],
      [`gt_${sign}`, `le_${sign}`],
    ]),
  ]) {
    const [op, other] = [opCode(`${type}.${name}`), opCode(`${type}.${opposite}`)];
    OPPOSITES[op] = other;
    OPPOSITES[other] = op;
  }
}

/** Is a value 0 or 1? */
const isBoolean = ({ op }: Node): boolean =>
  OPPOSITES[op] !== undefined || op === Op.eqz64 || op === Op.eqz32;

/** What an operation of two operands comes to; null if it has to be computed. */
export function foldBinary(values: Values, op: number, a: Node, b: Node): Node | null {
  if (b.op === Op.const) {
    if (a.op === Op.const) return foldBoth(values, op, a, b);
    if (op === ADD && a.op === Op.pc && b.hi === b.lo >> 31) return pageRelative(values, a.lo + b.lo);
    // A get may be overwritten before the copy is used, so only other values stand in for it.
    if (b.lo === 0 && b.hi === 0 && ZERO_IS_NEUTRAL[op] && a.op !== Op.get) return a;
    if (op === AND) {
      if (b.hi === 0 && coversAll(a, b.lo >>> 0)) return a;
      // A mask of what was masked.
      if (a.op === AND && a.b?.op === Op.const)
        return values.binary(AND, a.a as Node, values.constant("i64", a.b.lo & b.lo, a.b.hi & b.hi));
    }
  } else if (op === ADD && a.op === Op.const && b.op === Op.pc && a.hi === a.lo >> 31) {
    return pageRelative(values, a.lo + b.lo);
  }
  return null;
}

/** Has a value no bits beyond those of a mask of 8, 16 or 32? */
function coversAll(a: Node, mask: number): boolean {
  const bits = 32 - Math.clz32(mask);
  if (mask !== 2 ** bits - 1) return false;
  if (a.op === Op.load) return !a.signed && 8 * a.size <= bits;
  if (a.op === SHIFT_RIGHT) return a.b?.op === Op.const && 64 - (a.b.lo & 63) <= bits;
  return a.op === Op.extendU && (bits === 32 || isBoolean(a.a as Node));
}

/** What a conversion comes to; null if it has to be computed. */
export function foldUnary(values: Values, op: number, a: Node): Node | null {
  if (op === Op.eqz32) return opposite(values, a);
  if (a.op !== Op.const) return null;
  if (op === Op.wrap) return values.constant("i32", a.lo, 0);
  if (op === Op.extendS) return values.constant("i64", a.lo, a.lo >> 31);
  if (op === Op.extendU) return values.constant("i64", a.lo, 0);
  return null;
}

/** The opposite of what a comparison found; null if the value is none. */
function opposite(values: Values, { op, a, b }: Node): Node | null {
  const other = OPPOSITES[op];
  if (other !== undefined) return values.binary(other, a as Node, b as Node);
  if (op === Op.eqz32 && isBoolean(a as Node)) return a;
  return null;
}

function pageRelative(values: Values, offset: number): Node | null {
  return offset === (offset | 0) ? values.pc(offset) : null;
}

function foldBoth(values: Values, op: number, a: Node, b: Node): Node | null {
  const f32 = fold32[op];
  if (f32 !== undefined) return values.constant("i32", f32(a.lo, b.lo), 0);
  switch (op) {
    case ADD: {
      const sum = (a.lo >>> 0) + (b.lo >>> 0);
      return values.constant("i64", sum | 0, a.hi + b.hi + (sum > 0xffff_ffff ? 1 : 0));
    }
    case AND:
      return values.constant("i64", a.lo & b.lo, a.hi & b.hi);
    case OR:
      return values.constant("i64", a.lo | b.lo, a.hi | b.hi);
    case XOR:
      return values.constant("i64", a.lo ^ b.lo, a.hi ^ b.hi);
    default: {
      const f64 = fold64[op];
      if (f64 === undefined) return null;
      const result = f64(big(a), big(b));
      return values.constant(
        "i64",
        Number(BigInt.asIntN(32, result)),
        Number(BigInt.asIntN(32, result >> 32n)),
      );
    }
  }
}

function big(n: Node): bigint {
  return (BigInt(n.hi) << 32n) | BigInt(n.lo >>> 0);
}
