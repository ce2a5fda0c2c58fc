import type { Region, RegionBlock } from "./region.js";

/**
 * The control-flow graph of a region, in the form structured code is made from ("Beyond Relooper", Ramsey,
 * ICFP 2022): reverse postorder, dominator tree, loop headers and merge points.
 */
export interface RegionGraph {
  readonly order: readonly RegionBlock[];
  /** Position in `order`. */
  readonly position: ReadonlyMap<RegionBlock, number>;
  /** Blocks each one immediately dominates, by ascending position. */
  readonly children: ReadonlyMap<RegionBlock, readonly RegionBlock[]>;
  /** Targets of back edges. */
  readonly loops: ReadonlySet<RegionBlock>;
  /** Blocks with two forward edges or more. */
  readonly merges: ReadonlySet<RegionBlock>;
}

const successors = (block: RegionBlock): RegionBlock[] =>
  block.edges.flatMap((e) => (e.kind === "inside" ? [e.target] : []));

/** Edges that make the graph irreducible are turned into exits: what they lead to is a region of its own. */
export function analyse(region: Region): RegionGraph {
  for (;;) {
    const graph = build(region.blocks[0] as RegionBlock);
    const bad = irreducible(graph);
    if (bad === undefined) return graph;
    const [from, to] = bad;
    from.edges = from.edges.flatMap((e) =>
      e.kind === "inside" && e.target === to
        ? e.word === 0
          ? []
          : [{ kind: "outside", word: e.word } as const]
        : [e],
    );
  }
}

function build(entry: RegionBlock): RegionGraph {
  const order = reversePostorder(entry);
  const position = new Map(order.map((block, i) => [block, i]));
  const at = (block: RegionBlock): number => position.get(block) as number;
  const predecessors = new Map<RegionBlock, RegionBlock[]>(order.map((block) => [block, []]));
  for (const block of order) for (const target of successors(block)) predecessors.get(target)?.push(block);
  const dominator = dominators(order, at, predecessors);
  const children = new Map<RegionBlock, RegionBlock[]>(order.map((block) => [block, []]));
  for (const block of order.slice(1)) children.get(dominator.get(block) as RegionBlock)?.push(block);
  const loops = new Set<RegionBlock>();
  const merges = new Set<RegionBlock>();
  for (const block of order) {
    let forward = 0;
    for (const from of predecessors.get(block) ?? []) {
      if (at(from) >= at(block)) loops.add(block);
      else forward++;
    }
    if (forward > 1) merges.add(block);
  }
  return { order, position, children, loops, merges };
}

function reversePostorder(entry: RegionBlock): RegionBlock[] {
  const seen = new Set<RegionBlock>();
  const order: RegionBlock[] = [];
  const visit = (block: RegionBlock): void => {
    seen.add(block);
    // The first edge last, so that it comes right behind its block.
    for (const target of successors(block).reverse()) if (!seen.has(target)) visit(target);
    order.push(block);
  };
  visit(entry);
  return order.reverse();
}

/** Cooper, Harvey and Kennedy's iteration. */
function dominators(
  order: readonly RegionBlock[],
  at: (b: RegionBlock) => number,
  predecessors: ReadonlyMap<RegionBlock, readonly RegionBlock[]>,
): Map<RegionBlock, RegionBlock> {
  const entry = order[0] as RegionBlock;
  const dominator = new Map<RegionBlock, RegionBlock>([[entry, entry]]);
  const meet = (a: RegionBlock, b: RegionBlock): RegionBlock => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (at(x) > at(y)) x = dominator.get(x) as RegionBlock;
      while (at(y) > at(x)) y = dominator.get(y) as RegionBlock;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of order.slice(1)) {
      let found: RegionBlock | undefined;
      for (const from of predecessors.get(block) ?? []) {
        if (!dominator.has(from)) continue;
        found = found === undefined ? from : meet(found, from);
      }
      if (found === undefined || dominator.get(block) === found) continue;
      dominator.set(block, found);
      changed = true;
    }
  }
  return dominator;
}

/** A retreating edge whose target does not dominate its source. */
function irreducible({ order, position, children }: RegionGraph): [RegionBlock, RegionBlock] | undefined {
  const parent = new Map<RegionBlock, RegionBlock>();
  for (const [block, below] of children) for (const child of below) parent.set(child, block);
  for (const from of order) {
    for (const to of successors(from)) {
      if ((position.get(from) as number) < (position.get(to) as number)) continue;
      let at: RegionBlock | undefined = from;
      while (at !== undefined && at !== to) at = parent.get(at);
      if (at === undefined) return [from, to];
    }
  }
  return undefined;
}
