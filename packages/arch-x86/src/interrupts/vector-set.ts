/** A set of interrupt vectors, 0 to 255: IRR, ISR or TMR. */
export class VectorSet {
  /** Bit v mod 32 of word v / 32 is vector v, as the registers have it. */
  readonly words = new Uint32Array(8);

  has(vector: number): boolean {
    return ((this.words[vector >> 5]! >>> (vector & 31)) & 1) !== 0;
  }

  set(vector: number, there: boolean): void {
    const bit = 1 << (vector & 31);
    const word = this.words[vector >> 5]!;
    this.words[vector >> 5] = there ? word | bit : word & ~bit;
  }

  /** The highest vector in it, -1 if it is empty. */
  get highest(): number {
    for (let i = 7; i >= 0; i--) {
      const word = this.words[i]!;
      if (word !== 0) return i * 32 + 31 - Math.clz32(word);
    }
    return -1;
  }

  clear(): void {
    this.words.fill(0);
  }
}
