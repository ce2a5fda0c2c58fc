const ENTRIES = 512;

/** Recent instruction-fetch translations: virtual page and generation to host page number. */
export class FetchCache {
  private readonly lo = new Int32Array(ENTRIES);
  private readonly hi = new Int32Array(ENTRIES);
  private readonly generation = new Int32Array(ENTRIES).fill(-1);
  private readonly page = new Int32Array(ENTRIES);

  find(vaLo: number, vaHi: number, generation: number): number {
    const i = (vaLo >>> 12) & (ENTRIES - 1);
    if (this.generation[i] !== generation || this.hi[i] !== vaHi || this.lo[i] !== (vaLo & ~0xfff)) return -1;
    return this.page[i] as number;
  }

  fill(vaLo: number, vaHi: number, generation: number, page: number): void {
    const i = (vaLo >>> 12) & (ENTRIES - 1);
    this.lo[i] = vaLo & ~0xfff;
    this.hi[i] = vaHi;
    this.generation[i] = generation;
    this.page[i] = page;
  }

  flush(): void {
    this.generation.fill(-1);
  }
}
