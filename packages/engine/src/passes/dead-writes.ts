import { type IrBlock, isConstant, type Node, OVERWRITTEN, type Pending } from "../ir/node.js";
import { IS_END, IS_EXIT, IS_PURE, Op } from "../ir/ops.js";
import { MAX_STATE_BYTES } from "../state/layout.js";

const SLOTS = MAX_STATE_BYTES / 8;

/** For each field (offset / 8) that is overwritten further on: how many exits had been seen by then. Valid where `since` is the epoch. */
const exitsBehind = new Int32Array(SLOTS);
const since = new Int32Array(SLOTS);
let epoch = 0;
/** Nodes at which the block can be left, last one first. */
const exits: Node[] = [];
let exitCount = 0;
/** Fields of which a write was left to an exit. */
let delayed: Field[] = [];

/** Which writes need not be carried out where they stand. */
interface Rules {
  /** Nodes from here on are none of the block's. */
  readonly end: number;
  /** May the value of a write be left to so many exits? */
  readonly delays: (value: Node, exits: number) => boolean;
  /** Conditional calls of helpers are exits like others; else helpers read what they find. */
  readonly leavesForHelpers: boolean;
}

/**
 * Remove state writes that a later one in the block overwrites before anybody reads the field. Where the block
 * can be left in between, a constant goes into that exit's recipe instead; other values are written after all,
 * since code that resumes in the middle of a block has not computed them; `OVERWRITTEN` says that they are.
 */
export function removeDeadWrites(block: IrBlock): void {
  const { nodes } = block;
  if (removeWrites(nodes, { end: nodes.length, delays: isConstant, leavesForHelpers: false }))
    block.delayed = delayed;
}

/** An exit computes what was left to it again, so there should not be many. */
const MAX_EXITS = 4;

/**
 * The same for compiled code, where an exit can compute what it needs: values that nothing else uses are left to
 * it, flags above all. `stop`: the instruction that is left to the cold tier with all that follows, -1 if there is none.
 */
export function leaveWritesToExits({ nodes }: IrBlock, stop: number): void {
  const delays = (value: Node, exits: number) => exits <= MAX_EXITS && isAlone(value);
  const end = stop < 0 ? nodes.length : nodes.findIndex(({ insn }) => insn >= stop);
  removeWrites(nodes, { end, delays, leavesForHelpers: true });
}

/** Is a value cheap to compute where it is needed, and computed for one write only? */
const isAlone = ({ op, type, uses }: Node): boolean =>
  IS_PURE[op] === true && uses === 1 && (type === "i64" || type === "i32") && op !== Op.const;

/** True if there were any. */
function removeWrites(nodes: Node[], rules: Rules): boolean {
  epoch++;
  exitCount = 0;
  delayed = [];
  let dead = 0;
  for (let i = rules.end - 1; i >= 0; i--) {
    const n = nodes[i] as Node;
    const { op } = n;
    if (op === Op.set) {
      const slot = (n.field as Field).offset >> 3;
      const from = exitsBehind[slot] as number;
      if (since[slot] === epoch) {
        if (isDead(n, from, rules)) {
          drop(n, from === exitCount);
          dead++;
        } else if (exitCount - from <= MAX_EXITS) {
          n.sub = OVERWRITTEN;
        }
      }
      // Dead or not, at the exits further on it is this value that counts, not an earlier one.
      exitsBehind[slot] = exitCount;
      since[slot] = epoch;
    } else if (op === Op.discard) {
      const slot = (n.field as Field).offset >> 3;
      exitsBehind[slot] = exitCount;
      since[slot] = epoch;
    } else if (op === Op.get) {
      if (n.uses > 0) since[(n.field as Field).offset >> 3] = 0;
    } else if (isBarrier(op, rules.leavesForHelpers)) {
      // Helpers, and whatever comes behind the block, may read anything.
      epoch++;
      exitCount = 0;
    } else if (IS_EXIT[op]) {
      exits[exitCount++] = n;
    }
  }
  if (dead === 0) return false;
  compact(nodes);
  return true;
}

const isBarrier = (op: number, leavesForHelpers: boolean): boolean =>
  op === Op.call || (op === Op.callIf && !leavesForHelpers) || op === Op.shortcut || IS_END[op] === true;

type Field = NonNullable<Node["field"]>;

/** Uses of a node that is to be removed. */
const DEAD = -1;

function isDead(n: Node, from: number, { delays }: Rules): boolean {
  if (from === exitCount) return true;
  const value = n.a as Node;
  if (!delays(value, exitCount - from)) return false;
  const recipe: Pending = { field: n.field as Field, value };
  delayed.push(recipe.field);
  for (let i = from; i < exitCount; i++) {
    const exit = exits[i] as Node;
    exit.pending = [...(exit.pending ?? []), recipe];
    if (isConstant(value)) value.uses++;
  }
  return true;
}

/** Remove a write, and what only it needed, if no exit computes that instead: reads of other fields, above all. */
function drop(n: Node, everywhere: boolean): void {
  const value = n.a as Node;
  n.uses = DEAD;
  value.uses--;
  if (everywhere) removeUnused(value);
}

function removeUnused(n: Node): void {
  if (n.uses !== 0 || (IS_PURE[n.op] !== true && n.op !== Op.get)) return;
  n.uses = DEAD;
  for (const operand of [n.a, n.b, n.c]) {
    if (operand === null) continue;
    operand.uses--;
    removeUnused(operand);
  }
}

function compact(nodes: Node[]): void {
  let kept = 0;
  for (const n of nodes) if (n.uses !== DEAD) nodes[kept++] = n;
  nodes.length = kept;
}
