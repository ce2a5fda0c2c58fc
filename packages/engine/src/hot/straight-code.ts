import type { Block } from "../code/block.js";
import type { Node } from "../ir/node.js";
import { Op } from "../ir/ops.js";
import type { Edge, RegionBlock } from "./region.js";

// The cold tier cuts long code without branches into blocks, to keep budgets and exits cheap. Compiled as one, what
// the first ones leave to the next is known: flags that are overwritten, addresses that are on the same page.

/** One of the cold tier's blocks in a block of a region. */
export interface Part {
  readonly block: Block;
  /** Index of its first instruction in the region's block. */
  readonly first: number;
  /** Instructions behind it, which the region's block has been charged for. */
  readonly behind: number;
}

/** The parts of blocks that follow each other. */
export function partsOf(blocks: readonly Block[]): readonly Part[] {
  let first = 0;
  let behind = blocks.reduce((sum, { instructions }) => sum + instructions, 0);
  return blocks.map((block) => {
    behind -= block.instructions;
    const part = { block, first, behind };
    first += block.instructions;
    return part;
  });
}

/** The part that an instruction of a region's block is in. */
export function partAt({ parts }: RegionBlock, insn: number): Part {
  return parts.findLast(({ first }) => first <= insn) as Part;
}

export const lastPart = ({ parts }: RegionBlock): Part => parts.at(-1) as Part;

/**
 * Put blocks together that nothing but their predecessor leads to, and that from nowhere else. `read` gives the code of
 * all of them as one block, or undefined if it cannot.
 */
export function joinStraightCode(
  blocks: readonly RegionBlock[],
  read: (chain: readonly RegionBlock[]) => RegionBlock | undefined,
): readonly RegionBlock[] {
  const followers = findFollowers(blocks);
  if (followers.size === 0) return blocks;
  const absorbed = new Set<RegionBlock>(followers.values());
  const joined = new Map<RegionBlock, RegionBlock>();
  for (const head of blocks) {
    if (absorbed.has(head) || !followers.has(head)) continue;
    const chain = chainFrom(head, followers);
    const whole = read(chain);
    if (whole === undefined) for (const block of chain) absorbed.delete(block);
    else joined.set(head, whole);
  }
  const kept = blocks.filter((block) => !absorbed.has(block)).map((block) => joined.get(block) ?? block);
  for (const block of kept) block.edges = block.edges.map((edge) => redirected(edge, joined));
  return kept;
}

function chainFrom(
  head: RegionBlock,
  followers: ReadonlyMap<RegionBlock, RegionBlock>,
): readonly RegionBlock[] {
  const chain = [head];
  for (let next = followers.get(head); next !== undefined; next = followers.get(next)) chain.push(next);
  return chain;
}

/** The block that follows each one it can be joined with. The entry follows none: that is where the region begins. */
function findFollowers(blocks: readonly RegionBlock[]): Map<RegionBlock, RegionBlock> {
  const predecessors = new Map<RegionBlock, number>();
  for (const { edges } of blocks)
    for (const edge of edges)
      if (edge.kind === "inside") predecessors.set(edge.target, (predecessors.get(edge.target) ?? 0) + 1);
  const followers = new Map<RegionBlock, RegionBlock>();
  for (const block of blocks) {
    const next = fallsInto(block);
    if (next !== undefined && next !== blocks[0] && predecessors.get(next) === 1) followers.set(block, next);
  }
  return followers;
}

/** The block that begins where this one was cut off. */
function fallsInto({ ir, edges, stop, delta, block }: RegionBlock): RegionBlock | undefined {
  const end = ir.nodes.at(-1) as Node;
  const edge = edges[0];
  if (stop >= 0 || end.op !== Op.jump || end.lo !== ir.end || edge?.kind !== "inside") return undefined;
  const { target } = edge;
  const follows = edge.stub === 0 && target.delta === delta && target.block.start === ir.end;
  return follows && block.secondPage < 0 && target.block.secondPage < 0 ? target : undefined;
}

function redirected(edge: Edge, joined: ReadonlyMap<RegionBlock, RegionBlock>): Edge {
  const target = edge.kind === "inside" ? joined.get(edge.target) : undefined;
  return target === undefined ? edge : { ...(edge as Extract<Edge, { kind: "inside" }>), target };
}
