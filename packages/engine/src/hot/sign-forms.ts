import type { Node } from "../ir/node.js";
import { Op, opCode } from "../ir/ops.js";

/** Bit operations that only change a float's sign bit. */
export type SignForm =
  | { readonly kind: "neg" | "abs"; readonly a: Node }
  /** The magnitude of `a` with the sign of `b`. */
  | { readonly kind: "copysign"; readonly a: Node; readonly b: Node };

interface Width {
  readonly and: number;
  readonly or: number;
  readonly xor: number;
  isSign(n: Node): boolean;
  isRest(n: Node): boolean;
}

const SIGN = 0x80000000 | 0;
const REST = 0x7fffffff;
const named = (type: string) => ({
  and: opCode(`${type}.and`),
  or: opCode(`${type}.or`),
  xor: opCode(`${type}.xor`),
});
const WIDTHS: { readonly i32: Width; readonly i64: Width } = {
  i32: {
    ...named("i32"),
    isSign: (n) => n.op === Op.const && n.lo === SIGN,
    isRest: (n) => n.op === Op.const && n.lo === REST,
  },
  i64: {
    ...named("i64"),
    isSign: (n) => n.op === Op.const && n.lo === 0 && n.hi === SIGN,
    isRest: (n) => n.op === Op.const && n.lo === -1 && n.hi === REST,
  },
};

/** Two reads of a field by one instruction give the same, since instructions read before they write. */
function same(a: Node, b: Node): boolean {
  return a === b || (a.op === Op.get && b.op === Op.get && a.field === b.field && a.insn === b.insn);
}

/**
 * The node as a change of sign, or undefined. Looks into operands only where `open` allows it (whose own
 * operands can still be evaluated).
 */
export function signForm(n: Node, open: (inner: Node) => boolean): SignForm | undefined {
  if ((n.type !== "i32" && n.type !== "i64") || n.a === null || n.b === null) return undefined;
  const { a, b } = n;
  const { and, or, xor, isSign, isRest } = WIDTHS[n.type];
  const signOf = (v: Node): Node | undefined =>
    v.op === and && isSign(v.b as Node) && open(v) ? (v.a as Node) : undefined;
  if (n.op === xor) {
    if (isSign(b)) return { kind: "neg", a };
    const sign = signOf(b);
    return sign !== undefined && same(sign, a) ? { kind: "abs", a } : undefined;
  }
  if (n.op === and) return isRest(b) ? { kind: "abs", a } : undefined;
  if (n.op !== or || a.op !== and || !isRest(a.b as Node) || !open(a)) return undefined;
  const sign = signOf(b);
  if (sign === undefined) return undefined;
  const magnitude = a.a as Node;
  const negated = sign.op === xor && isSign(sign.b as Node) && open(sign) && same(sign.a as Node, magnitude);
  return negated ? { kind: "neg", a: magnitude } : { kind: "copysign", a: magnitude, b: sign };
}
