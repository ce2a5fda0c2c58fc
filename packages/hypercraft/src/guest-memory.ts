import { HyperError } from "./error.js";

/**
 * A guest's RAM as seen by everyone but the guest: DMA, loaders, firmware calls, debuggers, restore. Every
 * write that is not a guest store goes through here, for it also drops code translated from those bytes.
 * Methods throw HyperError OutOfRange, and write nothing, when the range is not all RAM. Little endian.
 */
export interface GuestMemory {
  /** Whether `[gpa, gpa + length)` is all RAM. */
  contains(gpa: number, length: number): boolean;
  /** A copy of `length` bytes. */
  read(gpa: number, length: number): Uint8Array;
  /** Fills `target`. */
  readInto(gpa: number, target: Uint8Array): void;
  write(gpa: number, bytes: Uint8Array): void;
  readU8(gpa: number): number;
  readU16(gpa: number): number;
  readU32(gpa: number): number;
  readU64(gpa: number): bigint;
  writeU8(gpa: number, value: number): void;
  writeU16(gpa: number, value: number): void;
  writeU32(gpa: number, value: number): void;
  writeU64(gpa: number, value: bigint): void;
}

/** A contiguous piece of a guest range in host memory. */
export interface HostSpan {
  /** Byte offset in host memory. */
  readonly offset: number;
  /** Bytes that follow contiguously, at least 1. */
  readonly length: number;
}

/** What a `TranslatedGuestMemory` is made of. */
export interface TranslatedGuestMemoryOptions {
  /** Host memory. Its `buffer` is read at each access, as a WebAssembly.Memory may replace it. */
  readonly memory: { readonly buffer: ArrayBufferLike };
  /** Where the guest byte at `gpa` lies and how far it goes on, or undefined where there is no RAM. */
  readonly translate: (gpa: number) => HostSpan | undefined;
  /** Called after bytes at a host-memory offset were written: drop translated code. */
  readonly written?: (offset: number, length: number) => void;
}

/** Guest memory over host memory and a translation, which may be split anywhere. */
export class TranslatedGuestMemory implements GuestMemory {
  readonly #options: TranslatedGuestMemoryOptions;
  readonly #scratch = new Uint8Array(8);
  readonly #view = new DataView(this.#scratch.buffer);
  readonly #sized = [1, 2, 4, 8].map((length) => this.#scratch.subarray(0, length)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];

  constructor(options: TranslatedGuestMemoryOptions) {
    this.#options = options;
  }

  contains(gpa: number, length: number): boolean {
    if (!(Number.isSafeInteger(gpa) && Number.isSafeInteger(length) && gpa >= 0 && length >= 0)) return false;
    return this.#spans(gpa, length) !== undefined;
  }

  read(gpa: number, length: number): Uint8Array {
    // Before the allocation: the length may come from a guest.
    const spans = this.#require(gpa, length);
    const bytes = new Uint8Array(length);
    this.#copyOut(spans, bytes);
    return bytes;
  }

  readInto(gpa: number, target: Uint8Array): void {
    this.#copyOut(this.#require(gpa, target.length), target);
  }

  write(gpa: number, bytes: Uint8Array): void {
    const spans = this.#require(gpa, bytes.length);
    const host = new Uint8Array(this.#options.memory.buffer);
    let done = 0;
    for (const { offset, length } of spans) {
      host.set(bytes.subarray(done, done + length), offset);
      done += length;
      this.#options.written?.(offset, length);
    }
  }

  readU8(gpa: number): number {
    this.readInto(gpa, this.#sized[0]);
    return this.#view.getUint8(0);
  }

  readU16(gpa: number): number {
    this.readInto(gpa, this.#sized[1]);
    return this.#view.getUint16(0, true);
  }

  readU32(gpa: number): number {
    this.readInto(gpa, this.#sized[2]);
    return this.#view.getUint32(0, true);
  }

  readU64(gpa: number): bigint {
    this.readInto(gpa, this.#sized[3]);
    return this.#view.getBigUint64(0, true);
  }

  writeU8(gpa: number, value: number): void {
    this.#view.setUint8(0, value);
    this.write(gpa, this.#sized[0]);
  }

  writeU16(gpa: number, value: number): void {
    this.#view.setUint16(0, value, true);
    this.write(gpa, this.#sized[1]);
  }

  writeU32(gpa: number, value: number): void {
    this.#view.setUint32(0, value, true);
    this.write(gpa, this.#sized[2]);
  }

  writeU64(gpa: number, value: bigint): void {
    this.#view.setBigUint64(0, value, true);
    this.write(gpa, this.#sized[3]);
  }

  #copyOut(spans: readonly HostSpan[], target: Uint8Array): void {
    const host = new Uint8Array(this.#options.memory.buffer);
    let done = 0;
    for (const { offset, length } of spans) {
      target.set(host.subarray(offset, offset + length), done);
      done += length;
    }
  }

  #require(gpa: number, length: number): HostSpan[] {
    const valid = Number.isSafeInteger(gpa) && Number.isSafeInteger(length) && gpa >= 0 && length >= 0;
    const spans = valid ? this.#spans(gpa, length) : undefined;
    if (spans !== undefined) return spans;
    throw new HyperError(
      "OutOfRange",
      `guest memory: ${length} bytes at 0x${gpa.toString(16)} are not all RAM`,
    );
  }

  #spans(gpa: number, length: number): HostSpan[] | undefined {
    const spans: HostSpan[] = [];
    for (let done = 0; done < length; ) {
      const span = this.#options.translate(gpa + done);
      if (span === undefined) return undefined;
      const take = Math.min(span.length, length - done);
      spans.push({ offset: span.offset, length: take });
      done += take;
    }
    return spans;
  }
}
