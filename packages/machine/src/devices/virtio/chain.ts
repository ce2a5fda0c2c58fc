import type { GuestMemory } from "../../contracts.js";

/** A piece of guest memory that a descriptor points to: it has been checked to be RAM. */
export interface Segment {
  readonly address: number;
  readonly length: number;
}

/**
 * The buffer of one request: bytes the driver wrote for the device, then room for the device's answer, both
 * as one stream whatever the descriptors' borders (section 2.7.4). Reads and writes each go on where the last
 * ended.
 */
export class Chain {
  /** Index of the first descriptor: names the chain in the used ring. */
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
  readonly readableLength: number;
  readonly writableLength: number;
  readonly #memory: GuestMemory;
  #readAt = 0;
  #writeAt = 0;

  constructor(memory: GuestMemory, head: number, readable: readonly Segment[], writable: readonly Segment[]) {
    this.#memory = memory;
    this.head = head;
    this.readable = readable;
    this.writable = writable;
    this.readableLength = sum(readable);
    this.writableLength = sum(writable);
  }

  /** Bytes that can still be read. */
  get readableLeft(): number {
    return this.readableLength - this.#readAt;
  }

  /** Bytes that can still be written. */
  get writableLeft(): number {
    return this.writableLength - this.#writeAt;
  }

  /** Bytes written so far: the length for the used ring. */
  get written(): number {
    return this.#writeAt;
  }

  /** The next `length` bytes, or fewer where the readable part ends. */
  read(length: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(length, this.readableLeft));
    eachPiece(this.readable, this.#readAt, bytes.length, (address, done, count) => {
      this.#memory.readInto(address, bytes.subarray(done, done + count));
    });
    this.#readAt += bytes.length;
    return bytes;
  }

  /** Goes back by `length` bytes, so that they are read again. */
  rewindReadable(length: number): void {
    this.#readAt = Math.max(0, this.#readAt - length);
  }

  /** Writes as much as fits. Returns the number of bytes written. */
  write(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, this.writableLeft);
    eachPiece(this.writable, this.#writeAt, length, (address, done, count) => {
      this.#memory.write(address, bytes.subarray(done, done + count));
    });
    this.#writeAt += length;
    return length;
  }

  /** Writes one byte `fromEnd` bytes before the end of the writable part, without moving the stream. */
  writeFromEnd(fromEnd: number, byte: number): void {
    eachPiece(this.writable, this.writableLength - fromEnd, 1, (address) => {
      this.#memory.write(address, Uint8Array.of(byte));
    });
  }
}

function sum(segments: readonly Segment[]): number {
  return segments.reduce((total, segment) => total + segment.length, 0);
}

function eachPiece(
  segments: readonly Segment[],
  from: number,
  length: number,
  each: (address: number, done: number, count: number) => void,
): void {
  let skip = from;
  let done = 0;
  for (const segment of segments) {
    if (done === length) return;
    if (skip >= segment.length) {
      skip -= segment.length;
      continue;
    }
    const count = Math.min(segment.length - skip, length - done);
    each(segment.address + skip, done, count);
    done += count;
    skip = 0;
  }
}
