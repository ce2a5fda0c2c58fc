import type { Allocator, BlockRun } from "./allocator.js";
import { Ext4Error } from "./errors.js";
import { Fields } from "./fields.js";
import { BLOCK_SIZE } from "./geometry.js";

const MAGIC = 0xf30a;
const ENTRY_SIZE = 12;
const INODE_ENTRIES = 4;
const BLOCK_ENTRIES = Math.floor((BLOCK_SIZE - ENTRY_SIZE) / ENTRY_SIZE);
/** An initialized extent is at most this long; greater lengths mark unwritten ones. */
const MAX_EXTENT = 0x8000;

/** How an inode finds its blocks. */
export interface ExtentTree {
  /** The 60 bytes of `i_block`. */
  readonly inodeBlock: Uint8Array;
  /** Leaf blocks of the tree, when the extents do not fit in the inode. */
  readonly leaves: readonly { readonly block: number; readonly bytes: Uint8Array }[];
}

/** Describes runs of blocks that hold a file from its first block on, without holes. */
export function extentTree(runs: readonly BlockRun[], allocator: Allocator): ExtentTree {
  const extents = splitRuns(runs);
  if (extents.length <= INODE_ENTRIES) {
    return { inodeBlock: node(60, INODE_ENTRIES, 0, extents.map(leafEntry)), leaves: [] };
  }
  const leafCount = Math.ceil(extents.length / BLOCK_ENTRIES);
  if (leafCount > INODE_ENTRIES) throw new Ext4Error("NoSpace", "a file needs too many extents");
  const blocks = allocator.blocks(leafCount).flatMap(({ start, length }) => range(start, length));
  const leaves = blocks.map((block, index) => ({
    block,
    bytes: node(
      BLOCK_SIZE,
      BLOCK_ENTRIES,
      0,
      extents.slice(index * BLOCK_ENTRIES, (index + 1) * BLOCK_ENTRIES).map(leafEntry),
    ),
  }));
  const indexes = leaves.map(({ block }, index) =>
    new Fields(ENTRY_SIZE).u32(0, extents[index * BLOCK_ENTRIES]?.logical ?? 0).u32(4, block),
  );
  return { inodeBlock: node(60, INODE_ENTRIES, 1, indexes), leaves };
}

interface Extent extends BlockRun {
  /** First block of the file that the extent holds. */
  readonly logical: number;
}

function splitRuns(runs: readonly BlockRun[]): Extent[] {
  const extents: Extent[] = [];
  let logical = 0;
  for (const run of runs) {
    for (let done = 0; done < run.length; done += MAX_EXTENT) {
      const length = Math.min(MAX_EXTENT, run.length - done);
      extents.push({ logical, start: run.start + done, length });
      logical += length;
    }
  }
  return extents;
}

function leafEntry(extent: Extent): Fields {
  return new Fields(ENTRY_SIZE).u32(0, extent.logical).u16(4, extent.length).u32(8, extent.start);
}

function node(size: number, capacity: number, depth: number, entries: readonly Fields[]): Uint8Array {
  const fields = new Fields(size).u16(0, MAGIC).u16(2, entries.length).u16(4, capacity).u16(6, depth);
  entries.forEach((entry, index) => {
    fields.put(ENTRY_SIZE * (index + 1), entry.bytes);
  });
  return fields.bytes;
}

function range(start: number, length: number): number[] {
  return Array.from({ length }, (_, index) => start + index);
}
