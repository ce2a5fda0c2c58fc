import { HyperError } from "./error.js";

interface Extent {
  start: number;
  count: number;
}

/**
 * Hands out runs of frames, lowest address first, so that equal requests give equal addresses on every host.
 * Works on frame numbers and touches no memory. Frame 0 is never handed out: address 0 stays "nothing".
 */
export class FrameAllocator {
  readonly firstFrame: number;
  readonly frameCount: number;
  // Free runs by ascending start; neighbours are always merged.
  readonly #free: Extent[];
  #usedEnd: number;

  /** Owns frames `firstFrame .. firstFrame + frameCount - 1`. Throws InvalidParam for a run that cannot be. */
  constructor(firstFrame: number, frameCount: number) {
    if (
      !Number.isSafeInteger(firstFrame) ||
      !Number.isSafeInteger(frameCount) ||
      firstFrame < 0 ||
      frameCount < 1
    )
      throw new HyperError("InvalidParam", `frame allocator over ${frameCount} frames from ${firstFrame}`);
    this.firstFrame = firstFrame;
    this.frameCount = frameCount;
    const start = Math.max(1, firstFrame);
    this.#usedEnd = start;
    const count = firstFrame + frameCount - start;
    this.#free = count > 0 ? [{ start, count }] : [];
  }

  /** The frame from which on none was ever handed out: memory there is as it was at first. */
  get usedEnd(): number {
    return this.#usedEnd;
  }

  /** Frames that are free now. */
  get freeFrames(): number {
    return this.#free.reduce((sum, extent) => sum + extent.count, 0);
  }

  /**
   * The first of `count` contiguous frames whose number is a multiple of `alignFrames`, or undefined when no run
   * fits. Throws InvalidParam for a count or an alignment that is not a positive integer.
   */
  allocate(count = 1, alignFrames = 1): number | undefined {
    for (const value of [count, alignFrames]) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new HyperError("InvalidParam", `allocation of ${count} frames, aligned to ${alignFrames}`);
    }
    for (let index = 0; index < this.#free.length; index++) {
      const extent = this.#free[index]!;
      const start = Math.ceil(extent.start / alignFrames) * alignFrames;
      const before = start - extent.start;
      const after = extent.count - before - count;
      if (after < 0) continue;
      const rest: Extent[] = [];
      if (before > 0) rest.push({ start: extent.start, count: before });
      if (after > 0) rest.push({ start: start + count, count: after });
      this.#free.splice(index, 1, ...rest);
      this.#usedEnd = Math.max(this.#usedEnd, start + count);
      return start;
    }
    return undefined;
  }

  /**
   * Takes frames back; they need not be one whole earlier allocation. Throws OutOfRange for frames it does not
   * own, and BadState when one of them is free already.
   */
  free(start: number, count = 1): void {
    const end = start + count;
    const owned = start >= Math.max(1, this.firstFrame) && end <= this.firstFrame + this.frameCount;
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(count) || count < 1 || !owned)
      throw new HyperError("OutOfRange", `freeing ${count} frames from ${start}: not of this allocator`);
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#free[middle]!.start < start) low = middle + 1;
      else high = middle;
    }
    const previous = this.#free[low - 1];
    const next = this.#free[low];
    const previousEnd = previous === undefined ? -1 : previous.start + previous.count;
    if (previousEnd > start || (next !== undefined && next.start < end))
      throw new HyperError("BadState", `freeing ${count} frames from ${start}: free already`);
    const joinsPrevious = previous !== undefined && previousEnd === start;
    const joinsNext = next !== undefined && next.start === end;
    const merged: Extent = { start: joinsPrevious ? previous.start : start, count };
    if (joinsPrevious) merged.count += previous.count;
    if (joinsNext) merged.count += next.count;
    const from = joinsPrevious ? low - 1 : low;
    this.#free.splice(from, Number(joinsPrevious) + Number(joinsNext), merged);
  }
}
