import type { Plain } from "../contracts.js";
import { MachineError } from "../errors.js";

/** Bytes in a block. */
export const SPARSE_BLOCK_SIZE = 65536;

/** Blocks of 64 KiB by number, of which most are absent. */
export class SparseBlocks {
  readonly size: number;
  readonly #blocks = new Map<number, Uint8Array>();

  /** @param size of the whole in bytes; the last block may be shorter. */
  constructor(size: number) {
    this.size = size;
  }

  get count(): number {
    return this.#blocks.size;
  }

  get(block: number): Uint8Array | undefined {
    return this.#blocks.get(block);
  }

  /** The block of that number, made by `make` if absent. */
  ensure(block: number): Uint8Array {
    let bytes = this.#blocks.get(block);
    if (bytes === undefined) {
      bytes = new Uint8Array(this.lengthOf(block));
      this.#blocks.set(block, bytes);
    }
    return bytes;
  }

  lengthOf(block: number): number {
    return Math.min(SPARSE_BLOCK_SIZE, this.size - block * SPARSE_BLOCK_SIZE);
  }

  clear(): void {
    this.#blocks.clear();
  }

  /** Keeps the blocks of `bytes` that are not all zero. */
  writeNonZero(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; offset += SPARSE_BLOCK_SIZE) {
      const block = bytes.subarray(offset, offset + SPARSE_BLOCK_SIZE);
      if (block.some((byte) => byte !== 0)) this.ensure(offset / SPARSE_BLOCK_SIZE).set(block);
    }
  }

  /** Blocks by ascending number. */
  forEach(each: (offset: number, bytes: Uint8Array) => void): void {
    for (const block of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      each(block * SPARSE_BLOCK_SIZE, this.#blocks.get(block)!);
    }
  }

  /** Number and bytes of each block, in ascending order: equal contents give equal states. */
  toPlain(): Plain[] {
    const list: Plain[] = [];
    this.forEach((offset, bytes) => {
      list.push([offset / SPARSE_BLOCK_SIZE, new Uint8Array(bytes)]);
    });
    return list;
  }

  /** @throws MachineError `BadSnapshot`. */
  static fromPlain(size: number, list: readonly Plain[]): SparseBlocks {
    const blocks = new SparseBlocks(size);
    for (const item of list) {
      const [number, bytes] = Array.isArray(item) ? item : [];
      const valid = Number.isInteger(number) && number >= 0 && number * SPARSE_BLOCK_SIZE < size;
      if (!valid || !(bytes instanceof Uint8Array) || bytes.length !== blocks.lengthOf(number)) {
        throw new MachineError("BadSnapshot", "the snapshot has a disk block that does not fit the disk");
      }
      blocks.ensure(number).set(bytes);
    }
    return blocks;
  }
}
