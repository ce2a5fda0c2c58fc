import type { Node } from "./node.js";

/** Count uses of every node, and find the index of the last one. */
export function countUses(nodes: readonly Node[]): void {
  for (const n of nodes) {
    n.uses = 0;
    n.last = -1;
  }
  for (let i = 0; i < nodes.length; i++) {
    const n = nodes[i] as Node;
    if (n.a !== null) use(n.a, i);
    if (n.b !== null) use(n.b, i);
    if (n.c !== null) use(n.c, i);
    if (n.pending !== null) for (const p of n.pending) use(p.value, i);
  }
}

function use(n: Node, at: number): void {
  n.uses++;
  n.last = at;
}
