/** A small seeded generator of pseudo-random numbers (xorshift32): the same seed gives the same sequence everywhere. */
export class Prng {
  private state: number;

  /** Any seed; it is mixed, so that neighbouring seeds give unrelated sequences. */
  constructor(seed: number) {
    let mixed = (seed | 0) + 0x9e3779b9;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    this.state = mixed === 0 ? 0x6d2b79f5 : mixed;
  }

  /** 32 random bits, as an int32. */
  bits(): number {
    let s = this.state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.state = s;
    return s;
  }

  /** An integer from 0 up to, not including, `limit` (1..2^32). */
  below(limit: number): number {
    return Math.floor(((this.bits() >>> 0) / 0x1_0000_0000) * limit);
  }

  /** One of the items, which must not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** True once in `n` times on average. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** 64 random bits, unsigned. */
  bits64(): bigint {
    return (BigInt(this.bits() >>> 0) << 32n) | BigInt(this.bits() >>> 0);
  }
}
