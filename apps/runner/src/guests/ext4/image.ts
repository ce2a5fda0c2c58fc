import { type DirectoryNode, type FileNode, type FileTree, sortedEntries } from "../image/file-tree.js";
import { Allocator, type BlockRun } from "./allocator.js";
import { type DirectoryEntry, directoryContent } from "./directory.js";
import { Ext4Error } from "./errors.js";
import { extentTree } from "./extents.js";
import { BLOCK_SIZE, type Geometry, INODE_SIZE, MAX_BLOCKS_PER_GROUP, planGeometry } from "./geometry.js";
import {
  deviceBlock,
  inodeBytes,
  JOURNAL_INODE,
  LOST_AND_FOUND_INODE,
  ROOT_INODE,
  TYPE_MODE,
} from "./inode.js";
import { journalBlocks, journalSuperblock } from "./journal.js";
import { groupDescriptors, superblock } from "./superblock.js";

export interface Ext4Options {
  /** Bytes of the disk: 1 MiB to 1 TiB. */
  readonly size: number;
  /** 16 bytes, in the order in which a UUID is printed. */
  readonly uuid: Uint8Array;
  /** Every time stamp, in seconds since 1970. */
  readonly time: number;
  /** Volume name, up to 16 bytes of ASCII. */
  readonly label?: string;
  /** Blocks in a block group: a multiple of 8, 256 to 32768 (the default). */
  readonly blocksPerGroup?: number;
}

/** A disk image as the pieces that are not zero, ascending and not overlapping. */
export interface Ext4Image {
  readonly size: number;
  readonly writes: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

const MIN_SIZE = 2 ** 20;
const MAX_SIZE = 2 ** 40;
/** Longest link target that is kept in the inode itself. */
const FAST_LINK = 59;

/**
 * Makes an ext4 file system (4 KiB blocks, extents, journal, 256-byte inodes; no checksums, no 64-bit
 * block numbers) that holds the tree and a `lost+found`. The same input gives the same bytes. Layout:
 * Documentation/filesystems/ext4 of the Linux kernel.
 *
 * Throws {@link Ext4Error}: `BadSize`, `BadName`, or `NoSpace` when the tree does not fit.
 */
export function ext4Image(tree: FileTree, options: Ext4Options): Ext4Image {
  if (!(options.size >= MIN_SIZE && options.size <= MAX_SIZE)) {
    throw new Ext4Error("BadSize", `an ext4 image of ${options.size} bytes: must be 1 MiB to 1 TiB`);
  }
  if (options.uuid.length !== 16) throw new Ext4Error("BadSize", "a UUID has 16 bytes");
  const perGroup = options.blocksPerGroup ?? MAX_BLOCKS_PER_GROUP;
  if (!(perGroup >= 256 && perGroup <= MAX_BLOCKS_PER_GROUP && perGroup % 8 === 0)) {
    throw new Ext4Error(
      "BadSize",
      `block groups of ${perGroup} blocks: must be a multiple of 8, 256 to 32768`,
    );
  }
  let nodes = 0;
  for (const _ of tree.walk()) nodes += 1;
  const geometry = planGeometry(options.size, nodes + LOST_AND_FOUND_INODE, perGroup);
  return new ImageWriter(geometry, options).write(tree);
}

class ImageWriter {
  readonly #geometry: Geometry;
  readonly #options: Ext4Options;
  readonly #allocator: Allocator;
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #inodes = new Map<number, Uint8Array>();
  readonly #directories: number[];
  #journal: { block: Uint8Array; size: number } | undefined;

  constructor(geometry: Geometry, options: Ext4Options) {
    this.#geometry = geometry;
    this.#options = options;
    this.#allocator = new Allocator(geometry, LOST_AND_FOUND_INODE + 1);
    this.#directories = geometry.groups.map(() => 0);
  }

  write(tree: FileTree): Ext4Image {
    this.#writeJournal();
    const lostAndFound: DirectoryNode = { type: "directory", mode: 0o700, entries: new Map() };
    const root = { ...tree.root, entries: new Map(tree.root.entries) };
    root.entries.delete("lost+found");
    this.#writeDirectory(root, ROOT_INODE, ROOT_INODE, [
      { name: "lost+found", inode: LOST_AND_FOUND_INODE, type: "directory" },
    ]);
    this.#writeDirectory(lostAndFound, LOST_AND_FOUND_INODE, ROOT_INODE, []);
    this.#writeGroups();
    const writes = [...this.#blocks]
      .sort(([a], [b]) => a - b)
      .map(([block, bytes]) => ({ offset: block * BLOCK_SIZE, bytes }));
    return { size: this.#options.size, writes };
  }

  #writeJournal(): void {
    const length = journalBlocks(this.#geometry.blocks);
    if (length === 0) return;
    const runs = this.#allocator.blocks(length);
    this.#blocks.set(runs[0]?.start ?? 0, journalSuperblock(length, this.#options.uuid));
    const size = length * BLOCK_SIZE;
    const block = this.#putInode(JOURNAL_INODE, TYPE_MODE.file | 0o600, size, 1, runs);
    this.#journal = { block, size };
  }

  #writeDirectory(
    node: DirectoryNode,
    inode: number,
    parent: number,
    extra: readonly DirectoryEntry[],
  ): void {
    const children = sortedEntries(node).map(([name, child]) => ({
      name,
      child,
      inode: this.#allocator.inode(),
    }));
    const named = children.map(({ name, child, inode: number }) => ({
      name,
      inode: number,
      type: child.type,
    }));
    const self: DirectoryEntry[] = [
      { name: ".", inode, type: "directory" },
      { name: "..", inode: parent, type: "directory" },
    ];
    const entries = [...self, ...extra, ...named];
    // A directory is named by its parent, by itself and by each directory in it; ".." of the root is itself.
    const links = entries.filter(({ type }) => type === "directory").length;
    this.#putContent(inode, TYPE_MODE.directory | node.mode, links, directoryContent(entries));
    const group = Math.floor((inode - 1) / this.#geometry.inodesPerGroup);
    this.#directories[group] = (this.#directories[group] ?? 0) + 1;
    for (const child of children) this.#writeNode(child.child, child.inode, inode);
  }

  #writeNode(node: FileNode, inode: number, parent: number): void {
    if (node.type === "directory") {
      this.#writeDirectory(node, inode, parent, []);
    } else if (node.type === "file") {
      this.#putContent(inode, TYPE_MODE.file | node.mode, 1, node.content);
    } else if (node.type === "symlink") {
      this.#putLink(inode, node.target);
    } else {
      const block = deviceBlock(node.major, node.minor);
      this.#putRaw(inode, { mode: TYPE_MODE[node.type] | node.mode, size: 0, block });
    }
  }

  #putLink(inode: number, target: string): void {
    const bytes = new TextEncoder().encode(target);
    const mode = TYPE_MODE.symlink | 0o777;
    if (bytes.length === 0 || bytes.length >= BLOCK_SIZE) {
      throw new Ext4Error("BadName", `bad target of a symbolic link: ${target.slice(0, 80)}`);
    }
    if (bytes.length > FAST_LINK) {
      this.#putContent(inode, mode, 1, bytes);
      return;
    }
    const block = new Uint8Array(60);
    block.set(bytes);
    this.#putRaw(inode, { mode, size: bytes.length, block });
  }

  #putRaw(inode: number, content: { mode: number; size: number; block: Uint8Array }): void {
    const whole = { ...content, links: 1, sectors: 0, extents: false };
    this.#inodes.set(inode, inodeBytes(whole, this.#options.time));
  }

  #putContent(inode: number, mode: number, links: number, content: Uint8Array): void {
    const runs = this.#allocator.blocks(Math.ceil(content.length / BLOCK_SIZE));
    let at = 0;
    for (const run of runs) {
      for (let index = 0; index < run.length; index++, at += BLOCK_SIZE) {
        this.#blocks.set(run.start + index, content.subarray(at, at + BLOCK_SIZE));
      }
    }
    this.#putInode(inode, mode, content.length, links, runs);
  }

  /** Writes an inode with an extent tree and gives back its `i_block`. */
  #putInode(inode: number, mode: number, size: number, links: number, runs: readonly BlockRun[]): Uint8Array {
    const { inodeBlock, leaves } = extentTree(runs, this.#allocator);
    for (const leaf of leaves) this.#blocks.set(leaf.block, leaf.bytes);
    const blocks = runs.reduce((total, run) => total + run.length, leaves.length);
    const sectors = blocks * (BLOCK_SIZE / 512);
    const content = { mode, size, links, sectors, block: inodeBlock, extents: true };
    this.#inodes.set(inode, inodeBytes(content, this.#options.time));
    return inodeBlock;
  }

  #writeGroups(): void {
    this.#writeInodeTables();
    const descriptors = groupDescriptors(
      this.#geometry,
      this.#allocator,
      (group) => this.#directories[group] ?? 0,
    );
    const content = {
      uuid: this.#options.uuid,
      label: (this.#options.label ?? "").slice(0, 16),
      time: this.#options.time,
      journal: this.#journal,
    };
    for (const group of this.#geometry.groups) {
      this.#blocks.set(group.blockBitmap, this.#allocator.blockBitmap(group.index));
      this.#blocks.set(group.inodeBitmap, this.#allocator.inodeBitmap(group.index));
      if (!group.hasSuper) continue;
      const copy = superblock(this.#geometry, this.#allocator, content, group.index);
      const block = new Uint8Array(BLOCK_SIZE);
      // The first superblock stands behind the boot sectors; copies start their block.
      block.set(copy, group.index === 0 ? 1024 : 0);
      this.#blocks.set(group.first, block);
      for (let index = 0; index < this.#geometry.descriptorBlocks; index++) {
        const bytes = descriptors.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
        this.#blocks.set(group.first + 1 + index, bytes);
      }
    }
  }

  #writeInodeTables(): void {
    for (const [inode, bytes] of this.#inodes) {
      const group = Math.floor((inode - 1) / this.#geometry.inodesPerGroup);
      const offset = ((inode - 1) % this.#geometry.inodesPerGroup) * INODE_SIZE;
      const number = (this.#geometry.groups[group]?.inodeTable ?? 0) + Math.floor(offset / BLOCK_SIZE);
      const block = this.#blocks.get(number) ?? new Uint8Array(BLOCK_SIZE);
      block.set(bytes, offset % BLOCK_SIZE);
      this.#blocks.set(number, block);
    }
  }
}
