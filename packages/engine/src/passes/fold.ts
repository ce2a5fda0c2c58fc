import type { IrBlock, Node } from "../ir/node.js";
import { OPS, Op, opCode } from "../ir/ops.js";

// Constant folding. Constants are two int32 halves; 64-bit arithmetic on them goes through bigint,
// which is slow but rare: a block folds a handful of operations.

type Fold64 = (a: bigint, b: bigint) => bigint;

const FOLD64: Record<string, Fold64> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << (b & 63n),
  shr_s: (a, b) => a >> (b & 63n),
  shr_u: (a, b) => BigInt.asUintN(64, a) >> (b & 63n),
};
const fold64 = new Map(Object.entries(FOLD64).map(([name, f]) => [opCode(`i64.${name}`), f]));

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
const fold32 = new Map(Object.entries(FOLD32).map(([name, f]) => [opCode(`i32.${name}`), f]));

const ADD = opCode("i64.add");
/** Operations that leave their first operand unchanged when the second is a constant zero. */
const ZERO_IS_NEUTRAL = new Set(
  ["add", "sub", "or", "xor", "shl", "shr_s", "shr_u"].map((name) => opCode(`i64.${name}`)),
);

export function foldConstants(block: IrBlock): void {
  for (const n of block.nodes) {
    if (n.a !== null) n.a = resolve(n.a);
    if (n.b !== null) n.b = resolve(n.b);
    if (n.c !== null) n.c = resolve(n.c);
    foldNode(n);
  }
}

/** A node that turned out to be a copy stands for its operand: marked by `slot = COPY`. */
const COPY = -2;

function resolve(n: Node): Node {
  return n.slot === COPY && n.a !== null ? n.a : n;
}

function foldNode(n: Node): void {
  const a = n.a;
  if (a === null || OPS[n.op]?.effect !== "pure") return;
  if (n.b === null) {
    if (a.op === Op.const) foldUnary(n, a);
    return;
  }
  const b = n.b;
  if (n.c !== null) return;
  if (b.op === Op.const) {
    if (a.op === Op.const) return foldBoth(n, a, b);
    if (n.op === ADD && a.op === Op.pc && b.hi === b.lo >> 31) return becomePc(n, a.lo + b.lo);
    // A get may be overwritten before the copy is used, so only other values stand in for it.
    if (ZERO_IS_NEUTRAL.has(n.op) && b.lo === 0 && b.hi === 0 && a.op !== Op.get) n.slot = COPY;
  } else if (n.op === ADD && a.op === Op.const && b.op === Op.pc && a.hi === a.lo >> 31) {
    becomePc(n, a.lo + b.lo);
  }
}

function foldUnary(n: Node, a: Node): void {
  if (n.op === Op.wrap) becomeConst(n, a.lo, 0);
  else if (n.op === Op.extendS) becomeConst(n, a.lo, a.lo >> 31);
  else if (n.op === Op.extendU) becomeConst(n, a.lo, 0);
}

function foldBoth(n: Node, a: Node, b: Node): void {
  const f32 = fold32.get(n.op);
  if (f32 !== undefined) return becomeConst(n, f32(a.lo, b.lo) | 0, 0);
  const f64 = fold64.get(n.op);
  if (f64 === undefined) return;
  const result = f64(big(a), big(b));
  becomeConst(n, Number(BigInt.asIntN(32, result)), Number(BigInt.asIntN(32, result >> 32n)));
}

function big(n: Node): bigint {
  return (BigInt(n.hi) << 32n) | BigInt(n.lo >>> 0);
}

function becomeConst(n: Node, lo: number, hi: number): void {
  n.op = Op.const;
  n.a = null;
  n.b = null;
  n.lo = lo;
  n.hi = hi;
}

function becomePc(n: Node, offset: number): void {
  if (offset !== (offset | 0)) return;
  n.op = Op.pc;
  n.a = null;
  n.b = null;
  n.lo = offset;
}
