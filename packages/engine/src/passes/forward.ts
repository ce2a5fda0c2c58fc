import type { IrBlock, Node } from "../ir/node.js";
import { Op } from "../ir/ops.js";

/** Values of state fields known at a point of the block, by field offset. Reused between blocks. */
const known = new Map<number, Node>();

/**
 * Forward constants (and page-relative addresses) from `set` to later `get`s of the same field, so that
 * lui/addi pairs and address arithmetic fold. Other values are left in their field: for the cold
 * tier reading the field again costs nothing. Helpers may write any field, so they end all knowledge.
 */
export function forwardState(block: IrBlock): void {
  known.clear();
  for (const n of block.nodes) {
    replaceOperands(n);
    if (n.op === Op.set) {
      const value = n.a as Node;
      const offset = n.field?.offset as number;
      if (value.op === Op.const || value.op === Op.pc) known.set(offset, value);
      else known.delete(offset);
    } else if (n.op === Op.call) {
      known.clear();
    }
  }
}

function forwarded(n: Node): Node {
  if (n.op !== Op.get) return n;
  const value = n.a;
  return value ?? n;
}

function replaceOperands(n: Node): void {
  if (n.op === Op.get) {
    // Remember what the field holds here; users of this node read it below.
    n.a = known.get(n.field?.offset as number) ?? null;
    return;
  }
  if (n.a !== null) n.a = forwarded(n.a);
  if (n.b !== null) n.b = forwarded(n.b);
  if (n.c !== null) n.c = forwarded(n.c);
}
