import type { Edge, Region, RegionBlock } from "./region.js";

/**
 * The control-flow graph of a region, in the form structured code is made from ("Beyond Relooper", Ramsey,
 * ICFP 2022): reverse postorder, dominator tree, loop headers and merge points. All but the order is noted in
 * the blocks themselves. Edges that make the graph irreducible are turned into exits: what they lead to is a
 * region of its own.
 */
export function analyse(region: Region): readonly RegionBlock[] {
  for (;;) {
    const order = reversePostorder(region);
    const predecessors = predecessorsOf(order);
    findDominators(order, predecessors);
    if (!makeReducible(order)) return finish(order, predecessors);
  }
}

function reversePostorder({ blocks }: Region): RegionBlock[] {
  const order: RegionBlock[] = [];
  for (const block of blocks) {
    block.position = -1;
    block.loop = false;
    block.merge = false;
    block.merges.length = 0;
  }
  visit(blocks[0] as RegionBlock, order);
  order.reverse();
  for (let i = 0; i < order.length; i++) (order[i] as RegionBlock).position = i;
  return order;
}

/** Depth is bounded by the number of blocks in a region. */
function visit(block: RegionBlock, order: RegionBlock[]): void {
  block.position = 0;
  // The first edge last, so that it comes right behind its block.
  for (let i = block.edges.length - 1; i >= 0; i--) {
    const edge = block.edges[i] as Edge;
    if (edge.kind === "inside" && edge.target.position < 0) visit(edge.target, order);
  }
  order.push(block);
}

/** Positions of predecessors, by position. */
function predecessorsOf(order: readonly RegionBlock[]): number[][] {
  const predecessors: number[][] = order.map(() => []);
  for (const { edges, position } of order)
    for (const edge of edges) if (edge.kind === "inside") predecessors[edge.target.position]?.push(position);
  return predecessors;
}

/** Cooper, Harvey and Kennedy's iteration. */
function findDominators(order: readonly RegionBlock[], predecessors: readonly (readonly number[])[]): void {
  const dominator = new Int32Array(order.length).fill(-1);
  dominator[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = 1; at < order.length; at++) {
      let found = -1;
      for (const from of predecessors[at] as readonly number[]) {
        if ((dominator[from] as number) >= 0) found = found < 0 ? from : meet(dominator, found, from);
      }
      if (found < 0 || dominator[at] === found) continue;
      dominator[at] = found;
      changed = true;
    }
  }
  for (const block of order) block.dominator = dominator[block.position] as number;
}

function meet(dominator: Int32Array, a: number, b: number): number {
  let [x, y] = [a, b];
  while (x !== y) {
    while (x > y) x = dominator[x] as number;
    while (y > x) y = dominator[y] as number;
  }
  return x;
}

/** Cut the first retreating edge whose target does not dominate its source. False if there is none. */
function makeReducible(order: readonly RegionBlock[]): boolean {
  for (const from of order) {
    for (let i = 0; i < from.edges.length; i++) {
      const edge = from.edges[i] as Edge;
      if (edge.kind !== "inside" || dominates(order, edge.target, from)) continue;
      if (edge.word === 0) from.edges.splice(i, 1);
      else from.edges[i] = { kind: "outside", word: edge.word };
      return true;
    }
  }
  return false;
}

/** For a retreating edge: is it a back edge? Forward edges are fine in any case. */
function dominates(order: readonly RegionBlock[], to: RegionBlock, from: RegionBlock): boolean {
  let at = from.position;
  if (to.position > at) return true;
  while (at > to.position) at = (order[at] as RegionBlock).dominator;
  return at === to.position;
}

function finish(
  order: readonly RegionBlock[],
  predecessors: readonly (readonly number[])[],
): readonly RegionBlock[] {
  for (let at = order.length - 1; at >= 0; at--) {
    const block = order[at] as RegionBlock;
    let forward = 0;
    for (const from of predecessors[at] as readonly number[]) {
      if (from >= at) block.loop = true;
      else forward++;
    }
    block.merge = forward > 1;
    if (block.merge) (order[block.dominator] as RegionBlock).merges.push(block);
  }
  return order;
}
