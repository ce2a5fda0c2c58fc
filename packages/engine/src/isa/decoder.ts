import type { EncodingWidth } from "./pattern.js";

/** What the decoder knows of an encoding. `index` is what `decode` returns. */
export interface Encoding {
  readonly index: number;
  readonly name: string;
  readonly width: EncodingWidth;
  readonly mask: number;
  readonly value: number;
  /** Null when the fixed bits say everything. */
  readonly accepts: ((bits: number) => boolean) | null;
}

// The tree is a flat array. An inner node at n is [shift, mask, child for field 0, child for field 1, ...];
// children are node positions, or ~position of a leaf. A leaf is [count, then mask, value, encoding number of each]
// in a second array, most specific encoding first.

/** No field may be wider than this: a node has 2^width children. */
const MAX_FIELD = 8;
/** So few candidates are compared one by one. */
const LEAF = 2;
/** What a doubling of a node's size must win, in expected candidates. */
const SIZE_PENALTY = 0.02;

function popcount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function field(shift: number, width: number): number {
  return ((1 << width) - 1) << shift;
}

/** Does an encoding allow this value of the field? */
function admits(e: Encoding, shift: number, width: number, value: number): boolean {
  return (((value << shift) ^ e.value) & e.mask & field(shift, width)) === 0;
}

/** Candidates by value of the field looked at; a table tries thousands of fields. */
const counts = new Uint32Array(1 << MAX_FIELD);

/** Expected number of candidates left for one of them after looking at a field. */
function expectedLeft(candidates: readonly Encoding[], shift: number, width: number): number {
  const values = 1 << width;
  const sizes = counts.fill(0, 0, values);
  for (const e of candidates) {
    // A bit the encoding leaves open puts it in both halves.
    const open = field(0, width) & ~(e.mask >>> shift);
    const base = (e.value >>> shift) & (e.mask >>> shift) & field(0, width);
    for (let sub = open; ; sub = (sub - 1) & open) {
      const at = base | sub;
      sizes[at] = (sizes[at] as number) + 1;
      if (sub === 0) break;
    }
  }
  let squares = 0;
  for (let value = 0; value < values; value++) squares += (sizes[value] as number) ** 2;
  return squares / candidates.length;
}

interface Choice {
  readonly shift: number;
  readonly width: number;
}

function searchFields(
  candidates: readonly Encoding[],
  width: number,
  usable: (bits: number) => boolean,
): Choice | null {
  let best: Choice | null = null;
  let bestScore = candidates.length - 0.5;
  for (let size = 1; size <= MAX_FIELD; size++) {
    for (let shift = 0; shift + size <= width; shift++) {
      if (!usable(field(shift, size))) continue;
      const score = expectedLeft(candidates, shift, size) + size * SIZE_PENALTY;
      if (score < bestScore) {
        bestScore = score;
        best = { shift, width: size };
      }
    }
  }
  return best;
}

function bestField(candidates: readonly Encoding[], width: number): Choice | null {
  // Bits that every candidate fixes come first: they copy nothing, and there are few of them to look at.
  const common = candidates.reduce((mask, e) => mask & e.mask, -1);
  const shared = searchFields(candidates, width, (bits) => (bits & common) === bits);
  if (shared !== null) return shared;
  // Else not those that some candidate leaves wholly open, which would copy it everywhere.
  return searchFields(candidates, width, (bits) => candidates.every((e) => (e.mask & bits) !== 0));
}

/** Rejects two encodings where it would be unclear which of them an instruction is. */
function checkOverlaps(encodings: readonly Encoding[]): void {
  for (let i = 0; i < encodings.length; i++) {
    const a = encodings[i] as Encoding;
    for (let k = i + 1; k < encodings.length; k++) {
      const b = encodings[k] as Encoding;
      if (((a.value ^ b.value) & a.mask & b.mask) !== 0) continue;
      const nested = a.mask !== b.mask && ((a.mask & b.mask) === a.mask || (a.mask & b.mask) === b.mask);
      if (nested || a.accepts !== null || b.accepts !== null) continue;
      throw new Error(`encodings of ${a.name} and ${b.name} overlap`);
    }
  }
}

/** Finds the encoding of an instruction by a tree of switches on its most telling bits. */
export class Decoder {
  private readonly encodings: readonly Encoding[];
  private readonly nodes: Int32Array;
  private readonly leaves: Int32Array;
  private readonly root: number;

  /** All encodings must be `width` bits wide. Throws an `Error` if two of them cannot be told apart. */
  constructor(encodings: readonly Encoding[], width: EncodingWidth) {
    checkOverlaps(encodings);
    this.encodings = encodings;
    const specificFirst = encodings
      .map((e, at) => ({ e, at }))
      .sort((a, b) => popcount(b.e.mask) - popcount(a.e.mask) || a.at - b.at);
    const position = new Map(encodings.map((e, at) => [e, at]));
    const nodes: number[] = [];
    const leaves: number[] = [];
    const build = (candidates: readonly Encoding[]): number => {
      const choice = candidates.length > LEAF ? bestField(candidates, width) : null;
      if (choice === null) {
        const at = leaves.length;
        leaves.push(
          candidates.length,
          ...candidates.flatMap((e) => [e.mask, e.value, position.get(e) as number]),
        );
        return ~at;
      }
      const at = nodes.length;
      const count = 1 << choice.width;
      nodes.push(choice.shift, count - 1, ...new Array<number>(count).fill(0));
      for (let value = 0; value < count; value++) {
        nodes[at + 2 + value] = build(candidates.filter((e) => admits(e, choice.shift, choice.width, value)));
      }
      return at;
    };
    this.root = build(specificFirst.map(({ e }) => e));
    this.nodes = Int32Array.from(nodes);
    this.leaves = Int32Array.from(leaves);
  }

  /** The `index` of the instruction's encoding, -1 if it has none. */
  decode(bits: number): number {
    const { nodes, leaves, encodings } = this;
    let at = this.root;
    while (at >= 0) {
      at = nodes[at + 2 + ((bits >>> (nodes[at] as number)) & (nodes[at + 1] as number))] as number;
    }
    const leaf = ~at;
    const end = leaf + 3 * (leaves[leaf] as number);
    for (let i = leaf + 1; i < end; i += 3) {
      if ((bits & (leaves[i] as number)) !== leaves[i + 1]) continue;
      const { accepts, index } = encodings[leaves[i + 2] as number] as Encoding;
      if (accepts === null || accepts(bits)) return index;
    }
    return -1;
  }
}
