import { Fields } from "./fields.js";
import { BLOCK_SIZE } from "./geometry.js";

const MAGIC = 0xc03b3998;
const SUPERBLOCK_V2 = 4;
/** Disks below this many blocks get no journal, as with mkfs. */
const SMALLEST_DISK = 2048;

/** Blocks of the journal of a disk of `blocks` blocks; the kernel wants at least 1024 if there is one. */
export function journalBlocks(blocks: number): number {
  if (blocks < SMALLEST_DISK) return 0;
  if (blocks < 32768) return 1024;
  return blocks < 262144 ? 4096 : 8192;
}

/** First block of an empty JBD2 journal; its other blocks are zero. Journal fields are big-endian. */
export function journalSuperblock(length: number, uuid: Uint8Array): Uint8Array {
  return new Fields(BLOCK_SIZE)
    .u32be(0x00, MAGIC)
    .u32be(0x04, SUPERBLOCK_V2)
    .u32be(0x0c, BLOCK_SIZE)
    .u32be(0x10, length)
    .u32be(0x14, 1) // first block of log content
    .u32be(0x18, 1) // sequence expected next
    .put(0x30, uuid)
    .u32be(0x40, 1).bytes; // one file system uses it
}
