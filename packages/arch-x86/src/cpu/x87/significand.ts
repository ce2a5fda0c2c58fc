/** Products of halves are computed in pieces of so many bits, which a double holds exactly. */
const PIECE = 16;
const PIECE_MASK = 0xffff;
const WORD = 2 ** 32;
const TOP = 0x8000_0000;

/** The upper half of a product of two unsigned 32-bit numbers; the lower one is `Math.imul`'s. */
function upperProduct(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & PIECE_MASK, a >>> PIECE, b & PIECE_MASK, b >>> PIECE];
  const middle = a1 * b0 + Math.floor((a0 * b0) / 2 ** PIECE);
  const cross = a0 * b1 + (middle % 2 ** PIECE);
  return a1 * b1 + Math.floor(middle / 2 ** PIECE) + Math.floor(cross / 2 ** PIECE);
}

/**
 * A significand of 64 bits with 32 more behind it, the lowest of which stands for all below, and its biased exponent:
 * what sums, products and quotients of normal numbers are rounded from. All words are unsigned.
 */
export class WideSignificand {
  hi = 0;
  lo = 0;
  rest = 0;
  exponent = 0;
  /** The last rounding lost something; it was away from zero. */
  inexact = false;
  roundedUp = false;

  set(hi: number, lo: number, exponent: number): void {
    this.hi = hi >>> 0;
    this.lo = lo >>> 0;
    this.rest = 0;
    this.exponent = exponent;
  }

  /** Shift right by so many bits, of which those that leave are noted in the lowest one. */
  private shiftRight(count: number): void {
    let bits = count;
    for (; bits >= 32; bits -= 32) {
      this.rest = (this.lo | (this.rest !== 0 ? 1 : 0)) >>> 0;
      this.lo = this.hi;
      this.hi = 0;
      // Nothing but the lowest bit is left.
      if (bits > 96) bits = 95;
    }
    if (bits === 0) return;
    const lost = this.rest << (32 - bits) ? 1 : 0;
    this.rest = ((this.rest >>> bits) | (this.lo << (32 - bits)) | lost) >>> 0;
    this.lo = ((this.lo >>> bits) | (this.hi << (32 - bits))) >>> 0;
    this.hi >>>= bits;
  }

  /** Add a normal significand with an exponent that is not larger; this one has nothing behind it. */
  add(hi: number, lo: number, exponent: number): void {
    const [ownHi, ownLo, ownExponent] = [this.hi, this.lo, this.exponent];
    this.set(hi, lo, ownExponent);
    this.shiftRight(ownExponent - exponent);
    const low = ownLo + this.lo;
    const high = ownHi + this.hi + (low >= WORD ? 1 : 0);
    this.lo = low >>> 0;
    this.hi = high >>> 0;
    if (high < WORD) return;
    this.shiftRight(1);
    this.hi = (this.hi | TOP) >>> 0;
    this.exponent++;
  }

  /** Take away one that is not larger in all. False if nothing is left. */
  subtract(hi: number, lo: number, exponent: number): boolean {
    const [ownHi, ownLo, ownExponent] = [this.hi, this.lo, this.exponent];
    this.set(hi, lo, ownExponent);
    this.shiftRight(ownExponent - exponent);
    const rest = -this.rest;
    const low = ownLo - this.lo - (rest < 0 ? 1 : 0);
    const high = ownHi - this.hi - (low < 0 ? 1 : 0);
    this.rest = rest >>> 0;
    this.lo = low >>> 0;
    this.hi = high >>> 0;
    return this.normalize();
  }

  /** Shift left until the highest bit is set. False if none is. */
  private normalize(): boolean {
    while (this.hi === 0) {
      if ((this.lo | this.rest) === 0) return false;
      this.hi = this.lo;
      this.lo = this.rest;
      this.rest = 0;
      this.exponent -= 32;
    }
    const bits = Math.clz32(this.hi);
    if (bits === 0) return true;
    this.hi = ((this.hi << bits) | (this.lo >>> (32 - bits))) >>> 0;
    this.lo = ((this.lo << bits) | (this.rest >>> (32 - bits))) >>> 0;
    this.rest = (this.rest << bits) >>> 0;
    this.exponent -= bits;
    return true;
  }

  /** The product of two normal significands; exponents are the caller's. */
  multiply(xHi: number, xLo: number, yHi: number, yLo: number): void {
    const lowest = Math.imul(xLo, yLo) >>> 0;
    const first = upperProduct(xLo, yLo) + (Math.imul(xLo, yHi) >>> 0) + (Math.imul(xHi, yLo) >>> 0);
    const second =
      upperProduct(xLo, yHi) +
      upperProduct(xHi, yLo) +
      (Math.imul(xHi, yHi) >>> 0) +
      Math.floor(first / WORD);
    this.hi = (upperProduct(xHi, yHi) + Math.floor(second / WORD)) >>> 0;
    this.lo = second % WORD;
    this.rest = ((first % WORD) | (lowest !== 0 ? 1 : 0)) >>> 0;
    // What was in the lowest word counts only as a remainder: a shift by one does not bring it up.
    if (this.hi >= TOP) this.exponent++;
    else {
      const kept = this.exponent;
      const below = lowest >= TOP ? 1 : 0;
      this.rest = first % WORD;
      this.normalize();
      this.rest = (this.rest | below | (lowest << 1 !== 0 ? 1 : 0)) >>> 0;
      this.exponent = kept;
    }
  }

  /** The quotient of two normal significands; exponents are the caller's. */
  divide(xHi: number, xLo: number, yHi: number, yLo: number): void {
    const x = (BigInt(xHi >>> 0) << 32n) | BigInt(xLo >>> 0);
    const y = (BigInt(yHi >>> 0) << 32n) | BigInt(yLo >>> 0);
    const below = x < y;
    const dividend = x << (below ? 96n : 95n);
    const quotient = dividend / y;
    const high = Number((quotient >> 32n) >> 32n);
    this.hi = high >>> 0;
    this.lo = Number((quotient >> 32n) & 0xffff_ffffn);
    this.rest = Number(quotient & 0xffff_ffffn);
    if (quotient * y !== dividend) this.rest = (this.rest | 1) >>> 0;
    if (below) this.exponent--;
  }

  /** Round to 64 bits, to nearest. */
  round(): void {
    const { rest } = this;
    this.inexact = rest !== 0;
    this.roundedUp = rest > TOP || (rest === TOP && (this.lo & 1) !== 0);
    this.rest = 0;
    if (this.roundedUp) this.increment(1);
  }

  /**
   * Round to so many bits less, 1 to 63, to nearest: the bits that are left stand where they were. There is nothing
   * behind the 64 bits.
   */
  roundAway(count: number): void {
    const { hi, lo } = this;
    const [maskHi, maskLo] = count > 32 ? [2 ** (count - 32) - 1, 0xffff_ffff] : [0, 2 ** count - 1];
    const [dropHi, dropLo] = [(hi & maskHi) >>> 0, (lo & maskLo) >>> 0];
    const [halfHi, halfLo] = count > 32 ? [2 ** (count - 33), 0] : [0, 2 ** (count - 1)];
    const odd = count >= 32 ? (hi >>> (count - 32)) & 1 : (lo >>> count) & 1;
    const tie = dropHi === halfHi && dropLo === halfLo;
    this.inexact = (dropHi | dropLo) !== 0;
    this.roundedUp = tie ? odd !== 0 : dropHi > halfHi || (dropHi === halfHi && dropLo > halfLo);
    this.hi = (hi & ~maskHi) >>> 0;
    this.lo = (lo & ~maskLo) >>> 0;
    if (!this.roundedUp) return;
    if (count >= 32) this.increment(0, 2 ** (count - 32));
    else this.increment(2 ** count);
  }

  private increment(low: number, high = 0): void {
    const lo = this.lo + low;
    const hi = this.hi + high + (lo >= WORD ? 1 : 0);
    this.lo = lo >>> 0;
    this.hi = hi >>> 0;
    if (hi < WORD) return;
    // All bits were set: what is left is the next power of two.
    this.hi = TOP;
    this.exponent++;
  }
}
