import type { HostPhysAddr } from "./address.js";
import type { GuestPagingIf } from "./paging.js";

/**
 * Frames of one stretch of memory: the simplest `GuestPagingIf`, for programs that have no host with an allocator.
 * The frame at physical address 0 is never handed out.
 */
export class FramePool implements GuestPagingIf {
  readonly words: Uint32Array;
  private readonly base: HostPhysAddr;
  private readonly used: Uint8Array;
  private freeFrames: number;
  /** Frames below this index are in use. */
  private firstFree = 0;

  /** `words[0]` is the memory at physical address `base`, a multiple of 4096. A rest of less than a frame is left out. */
  constructor(words: Uint32Array, base: HostPhysAddr) {
    if (!Number.isSafeInteger(base) || base < 0 || base % 4096 !== 0) {
      throw new RangeError(`the base of a frame pool is a multiple of 4096, not ${base}`);
    }
    this.words = words;
    this.base = base;
    this.used = new Uint8Array(Math.floor(words.length / 1024));
    if (base === 0) this.used[0] = 1;
    this.freeFrames = this.used.length - (this.used[0] ?? 0);
  }

  /** A pool of `frames` frames of new memory. */
  static ofSize(frames: number, base: HostPhysAddr): FramePool {
    return new FramePool(new Uint32Array(frames * 1024), base);
  }

  /** Frames that are free. */
  get available(): number {
    return this.freeFrames;
  }

  wordIndex(pa: HostPhysAddr): number {
    const offset = pa - this.base;
    return offset >= 0 && offset < this.used.length * 4096 ? offset / 4 : -1;
  }

  allocFrame(): HostPhysAddr | undefined {
    while (this.used[this.firstFree] === 1) this.firstFree++;
    if (this.firstFree >= this.used.length) return undefined;
    this.used[this.firstFree] = 1;
    this.freeFrames--;
    return this.base + this.firstFree++ * 4096;
  }

  deallocFrame(pa: HostPhysAddr): void {
    this.deallocFrames(pa, 1);
  }

  allocFrames(count: number): HostPhysAddr | undefined {
    while (this.used[this.firstFree] === 1) this.firstFree++;
    const firstFrame = this.base / 4096;
    const misaligned = (firstFrame + this.firstFree) % count;
    const start = misaligned === 0 ? this.firstFree : this.firstFree + count - misaligned;
    for (let index = start; index + count <= this.used.length; index += count) {
      if (this.used.subarray(index, index + count).includes(1)) continue;
      this.used.fill(1, index, index + count);
      this.freeFrames -= count;
      return (firstFrame + index) * 4096;
    }
    return undefined;
  }

  /** Throws RangeError for frames that are not in use. */
  deallocFrames(pa: HostPhysAddr, count: number): void {
    const index = (pa - this.base) / 4096;
    const frames = this.used.subarray(index, index + count);
    if (!Number.isInteger(index) || index < 0 || frames.length < count || frames.includes(0)) {
      throw new RangeError(`${count} frames at 0x${pa.toString(16)} are not in use`);
    }
    frames.fill(0);
    this.freeFrames += count;
    this.firstFree = Math.min(this.firstFree, index);
  }
}
