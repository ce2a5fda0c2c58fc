import { Ext4Error } from "./errors.js";
import { BLOCK_SIZE, type Geometry, type GroupLayout } from "./geometry.js";

/** A run of blocks on the disk. */
export interface BlockRun {
  readonly start: number;
  readonly length: number;
}

/**
 * Hands out blocks and inode numbers in ascending order, and knows the bitmaps that result. Nothing is
 * ever given back: an image is written once.
 */
export class Allocator {
  readonly #geometry: Geometry;
  /** Next free block of each group. */
  readonly #nextBlock: number[];
  #nextInode: number;

  constructor(geometry: Geometry, firstInode: number) {
    this.#geometry = geometry;
    this.#nextBlock = geometry.groups.map((group) => group.firstData);
    this.#nextInode = firstInode;
  }

  inode(): number {
    const inode = this.#nextInode++;
    if (inode > this.#geometry.inodes) throw new Ext4Error("NoSpace", "the file system is out of inodes");
    return inode;
  }

  /** Takes `count` blocks, in as few runs as the group boundaries allow. Throws `NoSpace`. */
  blocks(count: number): BlockRun[] {
    const runs: BlockRun[] = [];
    let left = count;
    for (const group of this.#geometry.groups) {
      if (left === 0) break;
      const start = this.#nextBlock[group.index] ?? 0;
      const length = Math.min(left, group.first + group.blocks - start);
      if (length <= 0) continue;
      runs.push({ start, length });
      this.#nextBlock[group.index] = start + length;
      left -= length;
    }
    if (left > 0)
      throw new Ext4Error("NoSpace", `the content does not fit: ${left * BLOCK_SIZE} bytes too many`);
    return runs;
  }

  freeBlocks(group: number): number {
    const layout = this.#group(group);
    return layout.first + layout.blocks - (this.#nextBlock[group] ?? 0);
  }

  freeInodes(group: number): number {
    const perGroup = this.#geometry.inodesPerGroup;
    const used = this.#nextInode - 1 - group * perGroup;
    return perGroup - Math.min(Math.max(used, 0), perGroup);
  }

  /** One block: a set bit is a block in use, or one past the end of the disk. */
  blockBitmap(group: number): Uint8Array {
    const layout = this.#group(group);
    const used = (this.#nextBlock[group] ?? 0) - layout.first;
    return bitmap([0, used], [layout.blocks, BLOCK_SIZE * 8]);
  }

  /** One block: a set bit is an inode in use, or one past the end of the table. */
  inodeBitmap(group: number): Uint8Array {
    const perGroup = this.#geometry.inodesPerGroup;
    return bitmap([0, perGroup - this.freeInodes(group)], [perGroup, BLOCK_SIZE * 8]);
  }

  #group(index: number): GroupLayout {
    const group = this.#geometry.groups[index];
    if (group === undefined) throw new RangeError(`no block group ${index}`);
    return group;
  }
}

function bitmap(...ranges: [from: number, to: number][]): Uint8Array {
  const bytes = new Uint8Array(BLOCK_SIZE);
  for (const [from, to] of ranges) {
    for (let bit = from; bit < to; bit++) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return bytes;
}
