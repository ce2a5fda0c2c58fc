import { Fields } from "./fields.js";
import { INODE_SIZE } from "./geometry.js";

export const ROOT_INODE = 2;
export const JOURNAL_INODE = 8;
export const LOST_AND_FOUND_INODE = 11;
/** Bytes of the large inode's extra fields that are in use. */
export const EXTRA_SIZE = 32;

export const TYPE_MODE = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
} as const;

const FLAG_EXTENTS = 0x80000;

export interface InodeContent {
  /** Type and permission bits. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  readonly links: number;
  /** Disk blocks the file takes, in units of 512 bytes, tree blocks included. */
  readonly sectors: number;
  /** The 60 bytes of `i_block`: extent tree, short link target or device number. */
  readonly block: Uint8Array;
  readonly extents: boolean;
}

/** An inode of 256 bytes with all its times set to `time` (seconds since 1970, 32 bits). */
export function inodeBytes(content: InodeContent, time: number): Uint8Array {
  return new Fields(INODE_SIZE)
    .u16(0x00, content.mode)
    .u32(0x04, content.size % 2 ** 32)
    .u32(0x08, time)
    .u32(0x0c, time)
    .u32(0x10, time)
    .u16(0x1a, content.links)
    .u32(0x1c, content.sectors)
    .u32(0x20, content.extents ? FLAG_EXTENTS : 0)
    .put(0x28, content.block)
    .u32(0x6c, Math.floor(content.size / 2 ** 32))
    .u16(0x80, EXTRA_SIZE)
    .u32(0x90, time).bytes;
}

/** `i_block` of a device node: the old 8+8-bit form where it fits, else the 12+20-bit one. */
export function deviceBlock(major: number, minor: number): Uint8Array {
  const block = new Fields(60);
  if (major < 256 && minor < 256) return block.u32(0, major * 256 + minor).bytes;
  return block.u32(4, (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)).bytes;
}
