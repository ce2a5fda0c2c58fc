import type { HostPhysAddr } from "./address.js";

/**
 * What a page table needs of its host: memory to read and write entries in, and frames to keep them in.
 */
export interface PagingIf {
  /** The host memory as little-endian 32-bit words. It must stay the same view for the table's life. */
  readonly words: Uint32Array;

  /**
   * Index in `words` of the first word of the frame at `pa` (a multiple of 4096), or -1 where there is no
   * RAM. Frames of one allocation lie one after the other in `words`.
   */
  wordIndex(pa: HostPhysAddr): number;

  /** One 4 KiB frame, or undefined when there is none left. Its content does not matter: the table zeroes it. */
  allocFrame(): HostPhysAddr | undefined;

  /** Takes back a frame of `allocFrame`. */
  deallocFrame(pa: HostPhysAddr): void;
}

/**
 * What a second-stage table needs besides: roots of several frames (Sv39x4: 16 KiB; AArch64: up to 16
 * concatenated tables).
 */
export interface GuestPagingIf extends PagingIf {
  /**
   * `count` contiguous frames (a power of two), aligned to `count` pages, or undefined when there are none
   * left. Their content does not matter.
   */
  allocFrames(count: number): HostPhysAddr | undefined;

  /** Takes back the frames of one `allocFrames` call. */
  deallocFrames(pa: HostPhysAddr, count: number): void;
}

/**
 * What it takes to read a table: see `PageTableReader`. For a table that a guest made, `wordIndex` takes guest-physical
 * addresses.
 */
export type TableMemory = Pick<PagingIf, "words" | "wordIndex">;
