import { Ext4Error } from "./errors.js";

/** Bytes in a block; the only size written here (what mkfs uses for anything but tiny disks). */
export const BLOCK_SIZE = 4096;
/** A group is at most what one bitmap block can describe. */
export const MAX_BLOCKS_PER_GROUP = BLOCK_SIZE * 8;
export const INODE_SIZE = 256;
const INODES_PER_BLOCK = BLOCK_SIZE / INODE_SIZE;
const DESCRIPTOR_SIZE = 32;
/** One inode per this many bytes of disk, unless the tree needs more. */
const BYTES_PER_INODE = 16384;

/** Where the parts of one block group are, as block numbers of the file system. */
export interface GroupLayout {
  readonly index: number;
  readonly first: number;
  readonly blocks: number;
  /** Whether the group starts with a copy of the superblock and the group descriptors. */
  readonly hasSuper: boolean;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  /** First block after the group's own metadata. */
  readonly firstData: number;
}

/** Shape of a whole file system: pure arithmetic on its size and the number of inodes it must hold. */
export interface Geometry {
  readonly blocks: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodes: number;
  readonly descriptorBlocks: number;
  readonly groups: readonly GroupLayout[];
}

/**
 * Throws `NoSpace` when the inodes do not fit.
 *
 * @param size bytes of the disk; what is left over after whole blocks stays unused.
 * @param inodesNeeded inodes the content takes, reserved ones included.
 * @param blocksPerGroup a multiple of 8, 256 to {@link MAX_BLOCKS_PER_GROUP}.
 */
export function planGeometry(size: number, inodesNeeded: number, blocksPerGroup: number): Geometry {
  let blocks = Math.floor(size / BLOCK_SIZE);
  const plan = (): Geometry => {
    const groupCount = Math.ceil(blocks / blocksPerGroup);
    const wanted = Math.max(inodesNeeded, Math.floor((blocks * BLOCK_SIZE) / BYTES_PER_INODE));
    const perGroup = Math.ceil(wanted / groupCount / INODES_PER_BLOCK) * INODES_PER_BLOCK;
    const descriptorBlocks = Math.ceil((groupCount * DESCRIPTOR_SIZE) / BLOCK_SIZE);
    const groups = Array.from({ length: groupCount }, (_, index) =>
      groupLayout(index, blocks, blocksPerGroup, perGroup, descriptorBlocks),
    );
    const inodes = perGroup * groupCount;
    return { blocks, blocksPerGroup, inodesPerGroup: perGroup, inodes, descriptorBlocks, groups };
  };
  let geometry = plan();
  const last = geometry.groups.at(-1);
  // A last group too small for its own metadata is left off the file system.
  if (last !== undefined && last.index > 0 && last.firstData - last.first + 50 > last.blocks) {
    blocks = last.first;
    geometry = plan();
  }
  const crowded = geometry.groups.some(({ first, firstData, blocks: length }) => firstData > first + length);
  if (crowded || geometry.inodesPerGroup > BLOCK_SIZE * 8) {
    throw new Ext4Error("NoSpace", `${inodesNeeded} inodes do not fit on a disk of ${size} bytes`);
  }
  return geometry;
}

function groupLayout(
  index: number,
  blocks: number,
  blocksPerGroup: number,
  inodesPerGroup: number,
  descriptorBlocks: number,
): GroupLayout {
  const first = index * blocksPerGroup;
  const hasSuper = holdsSuperblock(index);
  const blockBitmap = first + (hasSuper ? 1 + descriptorBlocks : 0);
  return {
    index,
    first,
    blocks: Math.min(blocksPerGroup, blocks - first),
    hasSuper,
    blockBitmap,
    inodeBitmap: blockBitmap + 1,
    inodeTable: blockBitmap + 2,
    firstData: blockBitmap + 2 + inodesPerGroup / INODES_PER_BLOCK,
  };
}

/** The `sparse_super` rule: groups 0, 1 and the powers of 3, 5 and 7. */
export function holdsSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
