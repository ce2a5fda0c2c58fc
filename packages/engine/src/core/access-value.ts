import { type CoreWords, W } from "./words.js";

/** The value of a slow access by its bytes: what a store writes, or what a load makes of its parts. */
export class AccessValue {
  private readonly core: CoreWords;

  constructor(core: CoreWords) {
    this.core = core;
  }

  /** Where it is in host memory. */
  private get place(): number {
    return (this.core.base + W.accessValue) * 4;
  }

  /** Up to 8 bytes from byte `at` on. */
  get(at: number, size: number): bigint {
    const { bytes } = this.core;
    const first = this.place + at;
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[first + i] as number);
    return value;
  }

  set(at: number, size: number, lo: number, hi: number): void {
    const { bytes } = this.core;
    const first = this.place + at;
    for (let i = 0; i < size; i++) bytes[first + i] = i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4));
  }

  /** Bytes of RAM become bytes of the value from `at` on, or the other way round. */
  copy(read: boolean, offset: number, at: number, length: number): void {
    const { bytes } = this.core;
    const first = this.place + at;
    if (read) bytes.copyWithin(first, offset, offset + length);
    else bytes.copyWithin(offset, first, first + length);
  }
}
