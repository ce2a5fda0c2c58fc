import type { Allocator } from "./allocator.js";
import { Fields } from "./fields.js";
import { BLOCK_SIZE, type Geometry, INODE_SIZE } from "./geometry.js";
import { EXTRA_SIZE, JOURNAL_INODE, LOST_AND_FOUND_INODE } from "./inode.js";

const MAGIC = 0xef53;
const COMPAT = { hasJournal: 0x4, extAttr: 0x8 };
const INCOMPAT = { fileType: 0x2, extents: 0x40 };
const RO_COMPAT = { sparseSuper: 0x1, largeFile: 0x2, dirNlink: 0x20, extraIsize: 0x40 };
/** Mount options users expect by default: extended attributes and access control lists. */
const DEFAULT_MOUNT_OPTIONS = 0x4 | 0x8;

export interface SuperblockContent {
  readonly uuid: Uint8Array;
  readonly label: string;
  /** Seconds since 1970. */
  readonly time: number;
  /** `i_block` and size in bytes of the journal's inode, which the superblock keeps a copy of. */
  readonly journal: { readonly block: Uint8Array; readonly size: number } | undefined;
}

/** The 1024 bytes of a superblock; `group` is the group whose copy it is. */
export function superblock(
  geometry: Geometry,
  allocator: Allocator,
  content: SuperblockContent,
  group: number,
): Uint8Array {
  const sum = (count: (index: number) => number): number =>
    geometry.groups.reduce((total, { index }) => total + count(index), 0);
  const fields = new Fields(1024)
    .u32(0x00, geometry.inodes)
    .u32(0x04, geometry.blocks)
    .u32(
      0x0c,
      sum((index) => allocator.freeBlocks(index)),
    )
    .u32(
      0x10,
      sum((index) => allocator.freeInodes(index)),
    )
    .u32(0x18, Math.log2(BLOCK_SIZE) - 10)
    .u32(0x1c, Math.log2(BLOCK_SIZE) - 10)
    .u32(0x20, geometry.blocksPerGroup)
    .u32(0x24, geometry.blocksPerGroup)
    .u32(0x28, geometry.inodesPerGroup)
    .u32(0x30, content.time)
    .u16(0x36, 0xffff) // no check is ever forced by the number of mounts
    .u16(0x38, MAGIC)
    .u16(0x3a, 1) // unmounted cleanly
    .u16(0x3c, 1) // on errors: continue
    .u32(0x40, content.time)
    .u32(0x4c, 1) // dynamic revision
    .u32(0x54, LOST_AND_FOUND_INODE) // first inode that is not reserved
    .u16(0x58, INODE_SIZE)
    .u16(0x5a, group)
    .u32(0x5c, COMPAT.extAttr | (content.journal === undefined ? 0 : COMPAT.hasJournal))
    .u32(0x60, INCOMPAT.fileType | INCOMPAT.extents)
    .u32(0x64, RO_COMPAT.sparseSuper | RO_COMPAT.largeFile | RO_COMPAT.dirNlink | RO_COMPAT.extraIsize)
    .put(0x68, content.uuid)
    .text(0x78, content.label)
    .put(0xec, content.uuid) // hash seed of indexed directories: any fixed value
    .u8(0xfc, 1) // half-MD4
    .u32(0x100, DEFAULT_MOUNT_OPTIONS)
    .u32(0x108, content.time)
    .u16(0x15c, EXTRA_SIZE)
    .u16(0x15e, EXTRA_SIZE)
    .u32(0x160, 1); // directory hashes use signed characters
  if (content.journal !== undefined) {
    fields
      .u32(0xe0, JOURNAL_INODE)
      .u8(0xfd, 1) // the copy below is of i_block
      .put(0x10c, content.journal.block)
      .u32(0x10c + 60, 0)
      .u32(0x10c + 64, content.journal.size);
  }
  return fields.bytes;
}

/** The group descriptors, padded to whole blocks. */
export function groupDescriptors(
  geometry: Geometry,
  allocator: Allocator,
  directories: (group: number) => number,
): Uint8Array {
  const fields = new Fields(geometry.descriptorBlocks * BLOCK_SIZE);
  for (const group of geometry.groups) {
    fields
      .u32(group.index * 32, group.blockBitmap)
      .u32(group.index * 32 + 4, group.inodeBitmap)
      .u32(group.index * 32 + 8, group.inodeTable)
      .u16(group.index * 32 + 12, allocator.freeBlocks(group.index))
      .u16(group.index * 32 + 14, allocator.freeInodes(group.index))
      .u16(group.index * 32 + 16, directories(group.index));
  }
  return fields.bytes;
}
