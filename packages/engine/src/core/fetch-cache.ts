const ENTRIES = 512;

/** Recent instruction-fetch translations: virtual page and generation to host page number. */
export class FetchCache {
  private readonly lo = new Int32Array(ENTRIES);
  private readonly hi = new Int32Array(ENTRIES);
  private readonly generation = new Int32Array(ENTRIES).fill(-1);
  private readonly page = new Int32Array(ENTRIES);

  /** Whether the last page found is mapped alike in every address space. */
  foundGlobal = false;

  /** Host page under either generation, -1 if it is not known. */
  find(vaLo: number, vaHi: number, local: number, global: number): number {
    const i = (vaLo >>> 12) & (ENTRIES - 1);
    const generation = this.generation[i];
    this.foundGlobal = generation === global && global !== local;
    if (generation !== local && generation !== global) return -1;
    if (this.hi[i] !== vaHi || this.lo[i] !== (vaLo & ~0xfff)) return -1;
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
