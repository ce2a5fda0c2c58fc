import type { Block } from "../code/block.js";
import type { Node } from "../ir/node.js";
import { Op, opCode } from "../ir/ops.js";
import { FieldNumbers } from "../state/field-numbers.js";
import { type Field, PAGE_SLOTS } from "../state/layout.js";
import type { Edge, RegionBlock } from "./region.js";
import { partAt } from "./straight-code.js";

/**
 * How the accesses of a region find host memory with less than a TLB probe each.
 *
 * - *Groups*: accesses of one block at constant distances from the same value, which may move by constants in between,
 *   as a stack pointer does. One probe covers the bytes from
 *   the lowest to the highest, the others go straight to memory. If these bytes lie on two pages the block is
 *   left to the cold tier; where that happens often, the region is compiled again without (`unmerged`).
 * - *Streams*: accesses through the same register, with an index or without, in a loop or again and again. The page
 *   found last is remembered. Nothing in a region changes the TLB, so what was found stays true until the region is left
 *   or selects another data context.
 */
export interface AccessPlan {
  readonly group: Group | null;
  /** Distance of its first byte from what the group counts from. */
  readonly distance: number;
  readonly stream: Stream | null;
}

/** Accesses checked together: at the first one, for all. */
export interface Group {
  /** Through what the first one goes: a `get`, or null for the block's page. Its own distance. */
  readonly base: Node | null;
  readonly baseDistance: number;
  readonly first: Node;
  /** Distance of the lowest byte, and just past the highest. */
  low: number;
  high: number;
  members: number;
  /** Local with the host address of the lowest byte, once the check was written. */
  host: number;
}

/** Accesses of one kind through one register, all of them with an index or all without. */
export interface Stream {
  weight: number;
  /** While the region is written: address of its slot in the state. */
  slot: number;
}

/** Bytes that one check may cover: the more, the more often they lie on two pages. */
export const MAX_SPAN = 128;
/** Accesses outside of loops that a stream takes, and what a loop multiplies them by. */
const MIN_WEIGHT = 3;
const LOOP_WEIGHT = 8;
const MAX_DISPLACEMENT = 1 << 20;
const UNTOUCHED: Place = { origin: 0, distance: 0 };

const ADD = opCode("i64.add");
const AND = opCode("i64.and");

interface Address {
  /** The register, or the page relative to that of the block. */
  readonly key: Field | number;
  readonly base: Node | null;
  readonly baseDistance: number;
  /** From what the register's values are counted from. */
  readonly distance: number;
}

/** What a field holds: a value that nothing else is known of, and what was added to it since. */
interface Place {
  readonly origin: number;
  readonly distance: number;
}

/** Plans the accesses of a region whose blocks are in reverse postorder. */
export function planAccesses(
  order: readonly RegionBlock[],
  unmerged: (block: Block) => boolean,
): ReadonlyMap<Node, AccessPlan> {
  const plans = new Map<Node, AccessPlan>();
  const planner = new Planner(plans);
  const depths = loopDepths(order);
  for (const block of order) planner.block(block, depths[block.position] as number, unmerged);
  planner.finish();
  return plans;
}

/** Which of a planner's `places` is that of a field set in the block; one block is planned at a time. */
const placeNumbers = new FieldNumbers();

class Planner {
  private readonly plans: Map<Node, AccessPlan>;
  /** Streams by what they go through, for reads and writes. */
  private readonly streams = [new Map<Field | number, Stream>(), new Map<Field | number, Stream>()] as const;
  /** The same for accesses at a distance that is no constant. */
  private readonly indexed = [new Map<Field | number, Stream>(), new Map<Field | number, Stream>()] as const;
  /** Groups that may still grow. */
  private readonly open = [new Map<Field | number, Group>(), new Map<Field | number, Group>()] as const;
  /** What fields hold: `UNTOUCHED`, or what was set in the block. A `get` notes in its slot which one it gave. */
  private readonly places: Place[] = [UNTOUCHED];
  private origins = 0;

  constructor(plans: Map<Node, AccessPlan>) {
    this.plans = plans;
  }

  block(block: RegionBlock, depth: number, unmerged: (block: Block) => boolean): void {
    const { ir, stop, delta } = block;
    const alone = block.parts.filter((part) => unmerged(part.block));
    const merges = ({ insn }: Node): boolean => alone.length === 0 || !alone.includes(partAt(block, insn));
    for (const map of this.open) map.clear();
    placeNumbers.clear();
    this.places.length = 1;
    for (const n of ir.nodes) {
      if (stop >= 0 && n.insn >= stop) break;
      if (n.op === Op.get) n.slot = this.placeOf(n.field as Field);
      else if (n.op === Op.set) this.set(n.field as Field, n.a as Node);
      else if (n.op === Op.selectContext) for (const map of this.open) map.clear();
      else if (n.op === Op.load || n.op === Op.store) this.access(n, depth, merges(n), delta);
    }
  }

  /** Number of what a field holds now. */
  private placeOf(field: Field): number {
    return Math.max(0, placeNumbers.get(field));
  }

  private place(field: Field): Place {
    return this.places[this.placeOf(field)] as Place;
  }

  private set(field: Field, value: Node): void {
    // Moved by a constant: what is accessed through it goes on being counted from the same.
    const address = baseOf(value).field === field ? this.addressOf(value, 0) : undefined;
    const moved = address !== undefined && Math.abs(address.distance) <= MAX_DISPLACEMENT;
    const place = moved
      ? { origin: this.place(field).origin, distance: address.distance }
      : { origin: ++this.origins, distance: 0 };
    placeNumbers.set(field, this.places.push(place) - 1);
    if (!moved) for (const map of this.open) map.delete(field);
  }

  private access(n: Node, depth: number, merge: boolean, delta: number): void {
    const address = this.addressOf(n.a as Node, delta);
    const kind = n.op === Op.load ? 0 : 1;
    if (address === undefined) return this.indexedAccess(n, kind, depth);
    const again = this.open[kind].has(address.key);
    const group = merge && !n.aligned ? this.join(n, kind, address) : null;
    const stream = streamOf(this.streams[kind], address.key);
    // Outside of loops a first access would only fill the stream.
    if (group === null || group.first === n)
      stream.weight += depth > 0 ? LOOP_WEIGHT ** Math.min(depth, 4) : again ? 1 : 0;
    this.plans.set(n, { group, distance: address.distance, stream });
  }

  /** The sum of two: often on the same page as the last time, as an array in a loop is. */
  private indexedAccess(n: Node, kind: 0 | 1, depth: number): void {
    if (depth === 0) return;
    const array = arrayOf(n.a as Node);
    if (array === undefined) return;
    const stream = streamOf(this.indexed[kind], array);
    stream.weight += LOOP_WEIGHT ** Math.min(depth, 4);
    this.plans.set(n, { group: null, distance: 0, stream });
  }

  private join(n: Node, kind: 0 | 1, { key, base, baseDistance, distance: low }: Address): Group {
    const high = low + n.size;
    const group = this.open[kind].get(key);
    if (group !== undefined && Math.max(group.high, high) - Math.min(group.low, low) <= MAX_SPAN) {
      group.low = Math.min(group.low, low);
      group.high = Math.max(group.high, high);
      group.members++;
      return group;
    }
    const made = { base, baseDistance, first: n, low, high, members: 1, host: -1 };
    this.open[kind].set(key, made);
    return made;
  }

  private addressOf(n: Node, delta: number): Address | undefined {
    if (n.op === Op.pc) {
      const distance = n.lo + delta;
      return { key: Math.floor(distance / 4096), base: null, baseDistance: 0, distance };
    }
    let base = n;
    let displacement = 0;
    if (n.op === ADD && n.b?.op === Op.const) {
      base = n.a as Node;
      displacement = n.b.lo;
      if (n.b.hi !== displacement >> 31 || Math.abs(displacement) > MAX_DISPLACEMENT) return undefined;
    }
    if (base.op !== Op.get) return undefined;
    const key = base.field as Field;
    const place = this.places[base.slot] as Place;
    const now = this.place(key);
    if (place.origin !== now.origin || place.distance !== now.distance) return undefined;
    return { key, base, baseDistance: place.distance, distance: place.distance + displacement };
  }

  /** Keep the streams that pay, and groups of two and more. */
  finish(): void {
    const best = [...this.streams, ...this.indexed]
      .flatMap((map) => [...map.values()])
      .filter(({ weight }) => weight >= MIN_WEIGHT)
      .sort((a, b) => b.weight - a.weight)
      .slice(0, PAGE_SLOTS);
    for (const [n, { group, distance, stream }] of this.plans) {
      const merged = group !== null && group.members > 1 ? group : null;
      const kept = stream !== null && best.includes(stream) ? stream : null;
      if (merged === null && kept === null) this.plans.delete(n);
      else if (merged !== group || kept !== stream)
        this.plans.set(n, { group: merged, distance, stream: kept });
    }
  }
}

/** What a constant may have been added to. */
const baseOf = (n: Node): Node => (n.op === ADD && n.b?.op === Op.const ? (n.a as Node) : n);

/** What tells an array from others: its address, or the register that is added to. */
function arrayOf(address: Node): Field | number | undefined {
  const { op, a, b } = isWrapped(address) ? (address.a as Node) : address;
  if (op !== ADD || a === null || b === null) return undefined;
  if (b.op === Op.const) return Math.abs(b.lo) > MAX_DISPLACEMENT ? b.lo : (arrayOf(a) ?? b.lo);
  const base = a.op === Op.get ? a : b.op === Op.get ? b : undefined;
  return base?.field ?? undefined;
}

/** Only the lower 32 bits count. */
const isWrapped = ({ op, b }: Node): boolean => op === AND && b?.op === Op.const && b.lo === -1 && b.hi === 0;

function streamOf(streams: Map<Field | number, Stream>, key: Field | number): Stream {
  let stream = streams.get(key);
  if (stream === undefined) {
    stream = { weight: 0, slot: -1 };
    streams.set(key, stream);
  }
  return stream;
}

/** How many loops each block is in. Blocks between a header and its last back edge count, which is near enough. */
function loopDepths(order: readonly RegionBlock[]): readonly number[] {
  const depths = new Array<number>(order.length).fill(0);
  const ends = new Map<number, number>();
  for (const { edges, position } of order)
    for (const edge of edges) {
      const header = headerOf(edge, position);
      if (header >= 0) ends.set(header, position);
    }
  for (const [from, to] of ends) for (let at = from; at <= to; at++) depths[at] = (depths[at] as number) + 1;
  return depths;
}

/** Position of the loop header that a back edge leads to, else -1. */
function headerOf(edge: Edge, from: number): number {
  return edge.kind === "inside" && edge.target.position <= from ? edge.target.position : -1;
}
