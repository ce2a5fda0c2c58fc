import type { IrBlock, Node } from "../ir/node.js";
import { Op, opInfo } from "../ir/ops.js";
import { countUses } from "../ir/uses.js";

// Instruction selection for the cold tier, part one: fold what one micro-op can do into the node that
// will become it, so that lowering proper maps one node to one micro-op.

/** Set in `Node.hi` of an i32 operation whose result the micro-op sign-extends to 64 bits. */
export const SIGN_EXTENDED = 1;

function isAddress(op: number): boolean {
  return op === Op.load || op === Op.store || op === Op.probe;
}

const fitsInt32 = (n: Node): boolean => n.hi === n.lo >> 31;

/** Is `n` an i32 operation that computes (rather than reads or converts)? */
function isI32Compute(n: Node): boolean {
  return (
    n.type === "i32" &&
    opInfo(n.op).effect === "pure" &&
    opInfo(n.op).name.startsWith("i32.") &&
    n.op !== Op.wrap &&
    n.op !== Op.eqz32
  );
}

function isCompare(n: Node): boolean {
  return n.type === "i32" && n.b !== null && /\.(eq|ne|[lg][te]_[su])$/.test(opInfo(n.op).name);
}

export function fuse(block: IrBlock, add64: number): void {
  const nodes = block.nodes;
  countUses(nodes);
  fuseNodes(nodes, add64);
  countUses(nodes);
  compact(nodes);
  countUses(nodes);
}

/** Drop what emits nothing, so that an operation and the `set` of its result are neighbours. */
function compact(nodes: Node[]): void {
  let kept = 0;
  // Backwards would drop whole dead trees at once; one level is what fusing leaves behind.
  for (const n of nodes) {
    const silent =
      n.op === Op.const ||
      n.op === Op.pc ||
      (n.uses === 0 && (opInfo(n.op).effect === "pure" || n.op === Op.get));
    if (!silent) nodes[kept++] = n;
  }
  nodes.length = kept;
}

function fuseNodes(nodes: readonly Node[], add64: number): void {
  for (const n of nodes) {
    if (isAddress(n.op)) foldAddress(n, add64);
    else if (n.op === Op.extendS && n.a !== null && n.a.uses === 1 && isI32Compute(n.a) && !isCompare(n.a))
      absorb(n, n.a);
    else if (n.op === Op.branch && n.a !== null && n.a.uses === 1 && isCompare(n.a)) {
      // The branch compares for itself: sub remembers how, a and b are the operands.
      n.sub = n.a.op;
      n.b = n.a.b;
      n.a = n.a.a;
    }
  }
}

/** load(x + constant): the displacement goes into the access. */
function foldAddress(n: Node, add64: number): void {
  const address = n.a as Node;
  if (address.op === Op.pc) return;
  if (address.op !== add64) return;
  const [x, c] = [address.a as Node, address.b as Node];
  if (c.op !== Op.const || !fitsInt32(c)) return;
  n.a = x;
  n.lo = c.lo;
}

/** extend_s(i32 op): the node becomes the operation itself with a sign-extended result. */
function absorb(n: Node, inner: Node): void {
  n.op = inner.op;
  n.a = inner.a;
  n.b = inner.b;
  n.c = inner.c;
  n.hi = SIGN_EXTENDED;
}
