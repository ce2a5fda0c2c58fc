import type { ComponentState } from "../contracts.js";
import { MachineError } from "../errors.js";
import { StateReader } from "../state-reader.js";
import type { BlockBackEnd } from "./back-end.js";
import { SparseBlocks } from "./sparse-blocks.js";

const STATE_VERSION = 1;

/** A disk in memory. */
export class MemoryDisk implements BlockBackEnd {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #bytes: Uint8Array;

  /** @param content the disk's bytes, used in place; or a size for a disk of zeros. */
  constructor(content: Uint8Array | number, options: { readonly readOnly?: boolean } = {}) {
    this.#bytes = typeof content === "number" ? new Uint8Array(content) : content;
    this.size = this.#bytes.length;
    this.readOnly = options.readOnly ?? false;
  }

  /** The content as it is now. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset);
  }

  flush(): void {}

  discard(offset: number, length: number): void {
    this.#bytes.fill(0, offset, offset + length);
  }

  state(): ComponentState {
    // A read-only disk is part of the configuration, like a file.
    const blocks = new SparseBlocks(this.size);
    if (!this.readOnly) blocks.writeNonZero(this.#bytes);
    return { version: STATE_VERSION, size: this.size, blocks: blocks.toPlain() };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("memory disk", state, STATE_VERSION);
    if (reader.integer("size") !== this.size) {
      throw new MachineError(
        "BadSnapshot",
        `the snapshot's disk has ${String(state.size)} bytes, not ${this.size}`,
      );
    }
    if (this.readOnly) return;
    const blocks = SparseBlocks.fromPlain(this.size, reader.list("blocks"));
    this.#bytes.fill(0);
    blocks.forEach((offset, bytes) => {
      this.#bytes.set(bytes, offset);
    });
  }
}
