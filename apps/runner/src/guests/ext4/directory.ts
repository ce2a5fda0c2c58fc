import type { FileNode } from "../image/file-tree.js";
import { Ext4Error } from "./errors.js";
import { Fields } from "./fields.js";
import { BLOCK_SIZE } from "./geometry.js";

/** File types as a directory entry stores them (`EXT4_FT_*`). */
const ENTRY_TYPE = { file: 1, directory: 2, character: 3, block: 4, symlink: 7 } as const;
const HEADER = 8;

export interface DirectoryEntry {
  readonly name: string;
  readonly inode: number;
  readonly type: FileNode["type"];
}

/** Content of a linear directory: whole blocks, no entry crossing from one to the next. */
export function directoryContent(entries: readonly DirectoryEntry[]): Uint8Array {
  const blocks: Fields[] = [];
  let at = BLOCK_SIZE;
  let last: { block: Fields; at: number } | undefined;
  for (const entry of entries) {
    const name = new TextEncoder().encode(entry.name);
    if (name.length === 0 || name.length > 255)
      throw new Ext4Error("BadName", `bad file name: ${entry.name}`);
    const length = HEADER + Math.ceil(name.length / 4) * 4;
    if (at + length > BLOCK_SIZE) {
      // The last entry of a block reaches to the block's end.
      last?.block.u16(last.at + 4, BLOCK_SIZE - last.at);
      blocks.push(new Fields(BLOCK_SIZE));
      at = 0;
    }
    const block = blocks.at(-1) as Fields;
    block
      .u32(at, entry.inode)
      .u16(at + 4, length)
      .u8(at + 6, name.length)
      .u8(at + 7, ENTRY_TYPE[entry.type]);
    block.put(at + HEADER, name);
    last = { block, at };
    at += length;
  }
  last?.block.u16(last.at + 4, BLOCK_SIZE - last.at);
  const content = new Uint8Array(blocks.length * BLOCK_SIZE);
  blocks.forEach((block, index) => {
    content.set(block.bytes, index * BLOCK_SIZE);
  });
  return content;
}
