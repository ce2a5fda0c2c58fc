import type { Node } from "../../ir/node.js";
import { IS_PURE, Op } from "../../ir/ops.js";
import { FieldNumbers } from "../../state/field-numbers.js";
import type { Field } from "../../state/layout.js";
import type { RegionBlock } from "../region.js";

/** Slot of a value that no local holds. */
export const NO_LOCAL = -1;
/** Slot of a `get` that has to be read where it stands, since its field changes before the value is used. */
export const READ_NOW = -2;

/** Index of the node that next sets each field, looking backwards. */
const nextSet = new FieldNumbers();

/**
 * Find for every value of a block where it is needed last: a value used once is computed where it is used, and so
 * are the values in it; one that only exits need (it counts no uses) is computed at each of them. Gives the number of
 * nodes to write. By its number, each shortcut may set the fields named.
 */
export function findLastUses(
  { ir: { nodes }, stop }: RegionBlock,
  shortcutFields: readonly (readonly Field[])[] = [],
): number {
  let count = nodes.length;
  while (stop >= 0 && count > 0 && (nodes[count - 1] as Node).insn >= stop) count--;
  for (let i = 0; i < count; i++) {
    const n = nodes[i] as Node;
    n.slot = NO_LOCAL;
    n.last = -1;
  }
  nextSet.clear();
  for (let i = count - 1; i >= 0; i--) {
    const n = nodes[i] as Node;
    let at = i;
    if (n.op === Op.get) {
      const set = nextSet.get(n.field as Field);
      if (set >= 0 && set < n.last) n.slot = READ_NOW;
      continue;
    }
    if (n.op === Op.set) nextSet.set(n.field as Field, i);
    else if (n.op === Op.shortcut) for (const field of shortcutFields[n.hi] ?? []) nextSet.set(field, i);
    else if (IS_PURE[n.op]) {
      if (n.last < 0) continue;
      if (n.uses <= 1) at = n.last;
    }
    if (n.pending !== null) for (const { value } of n.pending) if (value.last < i) value.last = i;
    if (n.a !== null && n.a.last < at) n.a.last = at;
    if (n.b !== null && n.b.last < at) n.b.last = at;
    if (n.c !== null && n.c.last < at) n.c.last = at;
  }
  return count;
}
