/**
 * A set of interrupt vectors, 0 to 255: IRR, ISR or TMR. Bit v mod 32 of word v / 32 is vector v, as the registers have
 * it; in a page of registers each word is followed by three others.
 */
export class VectorSet {
  private readonly memory: Int32Array | Uint32Array;
  private readonly first: number;
  private readonly stride: number;

  /** `first`: index of the first word in `memory`; `stride`: from each to the next. */
  constructor(memory: Int32Array | Uint32Array = new Uint32Array(8), first = 0, stride = 1) {
    this.memory = memory;
    this.first = first;
    this.stride = stride;
  }

  private word(index: number): number {
    return (this.memory[this.first + index * this.stride] as number) >>> 0;
  }

  private put(index: number, value: number): void {
    this.memory[this.first + index * this.stride] = value;
  }

  /** The registers' values. */
  get words(): readonly number[] {
    return Array.from({ length: 8 }, (_, i) => this.word(i));
  }

  set words(values: readonly number[]) {
    for (let i = 0; i < 8; i++) this.put(i, values[i] ?? 0);
  }

  has(vector: number): boolean {
    return ((this.word(vector >> 5) >>> (vector & 31)) & 1) !== 0;
  }

  set(vector: number, there: boolean): void {
    const bit = 1 << (vector & 31);
    const word = this.word(vector >> 5);
    this.put(vector >> 5, there ? word | bit : word & ~bit);
  }

  /** Everything that is in another set, too. */
  add(other: VectorSet): void {
    for (let i = 0; i < 8; i++) this.put(i, this.word(i) | other.word(i));
  }

  /** The highest vector in it, -1 if it is empty. */
  get highest(): number {
    for (let i = 7; i >= 0; i--) {
      const word = this.word(i);
      if (word !== 0) return i * 32 + 31 - Math.clz32(word);
    }
    return -1;
  }

  clear(): void {
    for (let i = 0; i < 8; i++) this.put(i, 0);
  }
}
