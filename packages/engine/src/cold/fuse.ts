import type { IrBlock, Node } from "../ir/node.js";
import { COMPARE_NAMES, IS_PURE, OPS, Op, opCode } from "../ir/ops.js";
import { CALL_BITS_MASK } from "./micro-ops.js";

// Instruction selection for the cold tier, part one: fold what one micro-op can do into the node that
// will become it, so that lowering proper maps one node to one micro-op.

/** Set in `Node.hi` of an i32 operation whose result the micro-op sign-extends to 64 bits. */
export const SIGN_EXTENDED = 1;

const ADD64 = opCode("i64.add");
const AND32 = opCode("i32.and");
const EQUAL64 = opCode("i64.eq");
const EQUAL32 = opCode("i32.eq");

const COMPARES = new Set(COMPARE_NAMES.flatMap((name) => [opCode(`i64.${name}`), opCode(`i32.${name}`)]));
/** By operation number: compares two numbers. */
const IS_COMPARE = OPS.map((_, op) => COMPARES.has(op));
/** By operation number: replaces a lane of 4 or 8 bytes. */
const REPLACES: (true | undefined)[] = [];
for (const shape of ["i32x4", "i64x2"]) REPLACES[opCode(`${shape}.replace_lane`)] = true;
/** By operation number: computes an i32 that the micro-op can sign-extend. */
const IS_I32_COMPUTE = OPS.map(
  ({ name, effect }, op) =>
    effect === "pure" && name.startsWith("i32.") && op !== Op.wrap && op !== Op.eqz32 && !COMPARES.has(op),
);

/** By operation number: computes an i32 whose slot has zeros above. */
const IS_ZERO_EXTENDED = OPS.map(
  (_, op) => IS_I32_COMPUTE[op] === true || IS_COMPARE[op] === true || op === Op.eqz32 || op === Op.eqz64,
);

/**
 * Walks the block once, from its end: so all users of a node come before it, and what has none left is dropped from
 * the counts of its operands. Leaves `uses` and `last` as the micro-ops will have them.
 */
export function fuse({ nodes }: IrBlock): void {
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i] as Node;
    const { op } = n;
    if (n.uses === 0 && IS_PURE[op]) {
      drop(n);
      continue;
    }
    if (op === Op.load || op === Op.store || op === Op.probe) foldAddress(n);
    else if (op === Op.extendS) absorb(n);
    else if (op === Op.extendU) absorbUnsigned(n);
    else if (op === Op.branch) compare(n);
    else if (op === Op.callIf) testBits(n);
    else if (REPLACES[op] && n.lo === 0) replaceInZeros(n);
    if (n.a !== null && n.a.last < 0) n.a.last = i;
    if (n.b !== null && n.b.last < 0) n.b.last = i;
    if (n.c !== null && n.c.last < 0) n.c.last = i;
  }
}

/** Does a node of the fused block become nothing? */
export function isSilent(n: Node): boolean {
  const { op } = n;
  return op === Op.const || op === Op.pc || (n.uses === 0 && (op === Op.get || (IS_PURE[op] as boolean)));
}

function drop({ a, b, c }: Node): void {
  if (a !== null) a.uses--;
  if (b !== null) b.uses--;
  if (c !== null) c.uses--;
}

/** The lowest lane replaced in zeros: the zeros need not be there before. */
function replaceInZeros(n: Node): void {
  const zeros = n.a as Node;
  if (zeros.op !== Op.constVector || zeros.bytes?.some((word) => word !== 0) !== false) return;
  zeros.uses--;
  n.a = null;
}

/** load(x + constant): the displacement goes into the access. */
function foldAddress(n: Node): void {
  const address = n.a as Node;
  if (address.op !== ADD64) return;
  const { a: x, b: c } = address as { a: Node; b: Node };
  if (c.op !== Op.const || c.hi !== c.lo >> 31) return;
  address.uses--;
  x.uses++;
  n.a = x;
  n.lo = c.lo;
}

/** extend_s(i32 op): the node becomes the operation itself with a sign-extended result. */
function absorb(n: Node): void {
  const inner = n.a as Node;
  if (inner.uses !== 1 || !IS_I32_COMPUTE[inner.op]) return;
  n.op = inner.op;
  n.a = inner.a;
  n.b = inner.b;
  n.c = inner.c;
  n.hi = SIGN_EXTENDED;
  forget(inner);
}

/** extend_u(i32 op): values of 32 bits lie zero-extended in their slots, so the operation itself gives all 64. */
function absorbUnsigned(n: Node): void {
  const inner = n.a as Node;
  if (inner.uses !== 1 || !IS_ZERO_EXTENDED[inner.op]) return;
  n.op = inner.op;
  n.a = inner.a;
  n.b = inner.b;
  n.c = inner.c;
  forget(inner);
}

/** branch(compare): the branch compares for itself: sub remembers how, a and b are the operands, b is null for 0. */
function compare(n: Node): void {
  const inner = n.a as Node;
  if (inner.uses !== 1) return;
  if (inner.op === Op.eqz64) n.sub = EQUAL64;
  else if (inner.op === Op.eqz32) n.sub = EQUAL32;
  else if (IS_COMPARE[inner.op]) n.sub = inner.op;
  else return;
  n.a = inner.a;
  n.b = inner.b;
  forget(inner);
}

/** callIf(x & bits): the call tests the bits, which `hi` keeps. */
function testBits(n: Node): void {
  const inner = n.a as Node;
  const bits = inner.b;
  if (inner.uses !== 1 || inner.op !== AND32 || bits?.op !== Op.const || bits.lo === 0) return;
  if ((bits.lo & ~CALL_BITS_MASK) !== 0 || (n.lo & ~CALL_BITS_MASK) !== 0) return;
  n.hi = bits.lo;
  n.a = inner.a;
  forget(inner);
}

/** Its only user took over its operands. */
function forget(inner: Node): void {
  inner.uses = 0;
  inner.a = null;
  inner.b = null;
  inner.c = null;
}
