import type { IrBlock, Node, Pending } from "../ir/node.js";
import { IS_END, IS_EXIT, Op } from "../ir/ops.js";
import { MAX_STATE_BYTES } from "../state/layout.js";

const SLOTS = MAX_STATE_BYTES / 8;

/** For each field (offset / 8) that is overwritten further on: how many exits had been seen by then. Valid where `since` is the epoch. */
const exitsBehind = new Int32Array(SLOTS);
const since = new Int32Array(SLOTS);
let epoch = 0;
/** Nodes at which the block can be left, last one first. */
const exits: Node[] = [];
let exitCount = 0;

/**
 * Remove state writes that a later one in the block overwrites before anybody reads the field. Where the block
 * can be left in between, a constant goes into that exit's recipe instead; other values are written after all,
 * since code that resumes in the middle of a block has not computed them.
 */
export function removeDeadWrites(block: IrBlock): void {
  const { nodes } = block;
  epoch++;
  exitCount = 0;
  let dead = 0;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i] as Node;
    const { op } = n;
    if (op === Op.set) {
      const slot = (n.field as Field).offset >> 3;
      if (since[slot] === epoch && isDead(n, exitsBehind[slot] as number)) {
        (n.a as Node).uses--;
        n.uses = DEAD;
        dead++;
      }
      // Dead or not, at the exits further on it is this value that counts, not an earlier one.
      exitsBehind[slot] = exitCount;
      since[slot] = epoch;
    } else if (op === Op.get) {
      if (n.uses > 0) since[(n.field as Field).offset >> 3] = 0;
    } else if (op === Op.call || op === Op.callIf || op === Op.shortcut || IS_END[op]) {
      // Helpers, and whatever comes behind the block, may read anything.
      epoch++;
      exitCount = 0;
    } else if (IS_EXIT[op]) {
      exits[exitCount++] = n;
    }
  }
  if (dead === 0) return;
  block.delayed = true;
  compact(nodes);
}

type Field = NonNullable<Node["field"]>;

/** A `set` has no value that could be used. */
const DEAD = -1;

function isDead(n: Node, from: number): boolean {
  if (from === exitCount) return true;
  const value = n.a as Node;
  if (value.op !== Op.const) return false;
  const recipe: Pending = { field: n.field as Field, value };
  for (let i = from; i < exitCount; i++) {
    const exit = exits[i] as Node;
    exit.pending = [...(exit.pending ?? []), recipe];
    value.uses++;
  }
  return true;
}

function compact(nodes: Node[]): void {
  let kept = 0;
  for (const n of nodes) if (n.uses !== DEAD) nodes[kept++] = n;
  nodes.length = kept;
}
