import { FrameAllocator } from "@hypercraft/hypercraft";
import { bytesText, MachineError } from "../errors.js";

/** Bytes in a frame of host memory. */
export const FRAME_SIZE = 4096;
/** Bytes in a WebAssembly page: sizes of host memory are multiples of it. */
export const WASM_PAGE_SIZE = 65536;
/** A WebAssembly memory with 32-bit addresses ends here: 4 GiB. */
export const MAX_HOST_MEMORY = 65536 * WASM_PAGE_SIZE;

export interface HostMemoryOptions {
  /** Total size in bytes, arena included: a multiple of 64 KiB, at most 4 GiB. It never grows. */
  readonly size: number;
  /** Bytes kept for the engine at offset 0 (state, micro-ops, TLBs): a multiple of 4 KiB. */
  readonly arenaSize: number;
  /** Back it with a `SharedArrayBuffer`. */
  readonly shared?: boolean;
}

/** Told of every write that is not a guest store: offset and length in bytes of host memory. */
export type WriteListener = (offset: number, length: number) => void;

/**
 * The one memory of a host process: an engine arena, then 4 KiB frames. All guests' RAM and all page tables
 * live in it. Offsets are byte offsets in the WebAssembly memory.
 */
export class HostMemory {
  readonly memory: WebAssembly.Memory;
  readonly size: number;
  readonly arenaSize: number;
  /** The whole memory. It is of fixed size, so the view stays valid. Writers use the methods below. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /**
   * Hands out the frames behind the arena by frame number: offset in this memory divided by 4096. Machines take
   * their RAM from it, and a hypervisor's Hal one long run, of which it hands out the frames itself.
   */
  readonly frames: FrameAllocator;
  readonly #listeners: WriteListener[] = [];

  /**
   * @throws MachineError `OutOfRange` when the size is over 4 GiB or leaves no frame, `NotAligned` for odd
   * sizes, `NoMemory` when the process cannot reserve that much.
   */
  constructor(options: HostMemoryOptions) {
    const { size, arenaSize } = options;
    if (!(size > 0 && size <= MAX_HOST_MEMORY)) {
      throw new MachineError(
        "OutOfRange",
        `host memory of ${bytesText(size)} is over the limit of ${bytesText(MAX_HOST_MEMORY)}`,
      );
    }
    if (size % WASM_PAGE_SIZE !== 0) {
      throw new MachineError("NotAligned", `host memory of ${size} bytes is not a multiple of 64 KiB`);
    }
    if (arenaSize < 0 || arenaSize % FRAME_SIZE !== 0) {
      throw new MachineError("NotAligned", `engine arena of ${arenaSize} bytes is not a multiple of 4 KiB`);
    }
    if (arenaSize + FRAME_SIZE > size) {
      throw new MachineError(
        "OutOfRange",
        `engine arena of ${bytesText(arenaSize)} leaves no frame in ${bytesText(size)} of host memory`,
      );
    }
    const pages = size / WASM_PAGE_SIZE;
    try {
      this.memory = new WebAssembly.Memory({
        initial: pages,
        maximum: pages,
        shared: options.shared ?? false,
      });
    } catch (cause) {
      throw new MachineError("NoMemory", `this process cannot reserve ${bytesText(size)} of host memory`, {
        cause,
      });
    }
    this.size = size;
    this.arenaSize = arenaSize;
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    this.frames = new FrameAllocator(arenaSize / FRAME_SIZE, Math.floor((size - arenaSize) / FRAME_SIZE));
  }

  /** Adds a listener for writes that are not guest stores. Returns the function that removes it. */
  onWrite(listener: WriteListener): () => void {
    this.#listeners.push(listener);
    return () => {
      const index = this.#listeners.indexOf(listener);
      if (index >= 0) this.#listeners.splice(index, 1);
    };
  }

  /** For writers that use `bytes` or `view` directly. */
  notifyWrite(offset: number, length: number): void {
    for (const listener of this.#listeners) listener(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.length);
    this.bytes.set(bytes, offset);
    this.notifyWrite(offset, bytes.length);
  }

  fill(offset: number, length: number, value: number): void {
    this.#check(offset, length);
    this.bytes.fill(value, offset, offset + length);
    this.notifyWrite(offset, length);
  }

  /**
   * Allocates `count` contiguous frames and fills them with zero.
   * @param alignFrames alignment of the offset in frames.
   * @returns the offset of the first in bytes, or undefined when there is no such run.
   */
  allocZeroed(count = 1, alignFrames = 1): number | undefined {
    const { usedEnd } = this.frames;
    const frame = this.frames.allocate(count, alignFrames);
    if (frame === undefined) return undefined;
    const offset = frame * FRAME_SIZE;
    // Memory is zero at first, and the process has it only from the first write on. Frames that were in use
    // before may still be known to the engine as code.
    const used = Math.min(count, Math.max(0, usedEnd - frame));
    if (used > 0) this.fill(offset, used * FRAME_SIZE, 0);
    return offset;
  }

  /** Gives frames back, by the offset of the first. */
  free(offset: number, count = 1): void {
    this.frames.free(offset / FRAME_SIZE, count);
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.size) {
      throw new MachineError("OutOfRange", `offset ${offset}+${length} is outside host memory`);
    }
  }
}
