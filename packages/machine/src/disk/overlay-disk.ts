import type { ComponentState } from "../contracts.js";
import { MachineError } from "../errors.js";
import { StateReader } from "../state-reader.js";
import type { BlockBackEnd } from "./back-end.js";
import { SPARSE_BLOCK_SIZE, SparseBlocks } from "./sparse-blocks.js";

const STATE_VERSION = 1;

/** Copy-on-write: reads come from a base that stays as it is, writes stay in memory. */
export class OverlayDisk implements BlockBackEnd {
  readonly size: number;
  readonly readOnly = false;
  readonly #base: BlockBackEnd;
  #blocks: SparseBlocks;
  /** Blocks that are being copied from the base: writes to one block must not overtake each other. */
  readonly #copies = new Map<number, Promise<void>>();

  constructor(base: BlockBackEnd) {
    this.#base = base;
    this.size = base.size;
    this.#blocks = new SparseBlocks(base.size);
  }

  /** Number of blocks of 64 KiB that have been written. */
  get writtenBlocks(): number {
    return this.#blocks.count;
  }

  read(offset: number, target: Uint8Array): void | Promise<void> {
    const waits: Promise<void>[] = [];
    for (let done = 0; done < target.length; ) {
      const at = offset + done;
      const block = Math.floor(at / SPARSE_BLOCK_SIZE);
      const inBlock = at - block * SPARSE_BLOCK_SIZE;
      const count = Math.min(SPARSE_BLOCK_SIZE - inBlock, target.length - done);
      const piece = target.subarray(done, done + count);
      const copy = this.#copies.get(block);
      const written = this.#blocks.get(block);
      if (copy !== undefined) waits.push(copy.then(() => this.read(at, piece)));
      else if (written !== undefined) piece.set(written.subarray(inBlock, inBlock + count));
      else push(waits, this.#base.read(at, piece));
      done += count;
    }
    return all(waits);
  }

  write(offset: number, bytes: Uint8Array): void | Promise<void> {
    return this.#eachPiece(offset, bytes.length, (block, inBlock, done, count) => {
      this.#blocks.ensure(block).set(bytes.subarray(done, done + count), inBlock);
    });
  }

  discard(offset: number, length: number): void | Promise<void> {
    return this.#eachPiece(offset, length, (block, inBlock, _done, count) => {
      this.#blocks.ensure(block).fill(0, inBlock, inBlock + count);
    });
  }

  flush(): void {}

  state(): ComponentState {
    return { version: STATE_VERSION, size: this.size, blocks: this.#blocks.toPlain() };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("disk overlay", state, STATE_VERSION);
    if (reader.integer("size") !== this.size) {
      throw new MachineError(
        "BadSnapshot",
        `the snapshot's disk has ${String(state.size)} bytes, not ${this.size}`,
      );
    }
    this.#blocks = SparseBlocks.fromPlain(this.size, reader.list("blocks"));
  }

  #eachPiece(
    offset: number,
    length: number,
    put: (block: number, inBlock: number, done: number, count: number) => void,
  ): void | Promise<void> {
    const waits: Promise<void>[] = [];
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const block = Math.floor(at / SPARSE_BLOCK_SIZE);
      const inBlock = at - block * SPARSE_BLOCK_SIZE;
      const count = Math.min(this.#blocks.lengthOf(block) - inBlock, length - done);
      const start = done;
      const ready = this.#prepare(block, count === this.#blocks.lengthOf(block));
      if (ready === undefined) put(block, inBlock, start, count);
      else waits.push(ready.then(() => put(block, inBlock, start, count)));
      done += count;
    }
    return all(waits);
  }

  /** Copies a block from the base before its first write; not when all of it will be written. */
  #prepare(block: number, whole: boolean): Promise<void> | undefined {
    const underWay = this.#copies.get(block);
    if (underWay !== undefined) return underWay;
    if (whole || this.#blocks.get(block) !== undefined) return undefined;
    const bytes = new Uint8Array(this.#blocks.lengthOf(block));
    const loaded = this.#base.read(block * SPARSE_BLOCK_SIZE, bytes);
    if (!(loaded instanceof Promise)) {
      this.#blocks.ensure(block).set(bytes);
      return undefined;
    }
    const copy = loaded
      .then(() => this.#blocks.ensure(block).set(bytes))
      .finally(() => this.#copies.delete(block));
    this.#copies.set(block, copy);
    return copy;
  }
}

function push(waits: Promise<void>[], answer: void | Promise<void>): void {
  if (answer instanceof Promise) waits.push(answer);
}

function all(waits: Promise<void>[]): void | Promise<void> {
  return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
}
