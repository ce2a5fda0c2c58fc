import type { IrBlock, Node, Pending } from "../ir/node.js";
import { Op, opInfo } from "../ir/ops.js";
import { countUses } from "../ir/uses.js";

/**
 * Remove state writes that a later one in the block overwrites before anybody reads the field. Where the block
 * can be left in between, a constant goes into that exit's recipe instead; other values are written after all,
 * since code that resumes in the middle of a block has not computed them.
 */
export function removeDeadWrites(block: IrBlock): void {
  const { nodes } = block;
  countUses(nodes);
  /** Fields that are overwritten further on, with the exits on the way there. */
  const overwritten = new Map<number, Node[]>();
  let dead = 0;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i] as Node;
    if (n.op === Op.set) {
      if (isDead(n, overwritten)) {
        n.uses = DEAD;
        dead++;
      }
      // Dead or not, at the exits further on it is this value that counts, not an earlier one.
      overwritten.set(n.field?.offset as number, []);
    } else if (n.op === Op.get) {
      if (n.uses > 0) overwritten.delete(n.field?.offset as number);
    } else if (n.op === Op.call || opInfo(n.op).effect === "end") {
      // Helpers, and whatever comes behind the block, may read anything.
      overwritten.clear();
    } else if (opInfo(n.op).effect === "exit") {
      for (const exits of overwritten.values()) exits.push(n);
    }
  }
  if (dead > 0) block.nodes.splice(0, nodes.length, ...nodes.filter((n) => n.uses !== DEAD));
}

const DEAD = -1;

function isDead(n: Node, overwritten: ReadonlyMap<number, readonly Node[]>): boolean {
  const exits = overwritten.get(n.field?.offset as number);
  if (exits === undefined) return false;
  const value = n.a as Node;
  if (exits.length > 0 && value.op !== Op.const) return false;
  const recipe: Pending = { field: n.field as NonNullable<Node["field"]>, value };
  for (const exit of exits) exit.pending = [...(exit.pending ?? []), recipe];
  return true;
}
