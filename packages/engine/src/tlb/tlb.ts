import { TLB_BANKS, TLB_ENTRIES, TLB_ENTRY_BYTES, tlbEntry } from "./geometry.js";
import { HOST_PAGE, type HostPages } from "./host-pages.js";

const ENTRY_WORDS = TLB_ENTRY_BYTES / 4;
const BANK_WORDS = TLB_ENTRIES * ENTRY_WORDS;
const ALL_WORDS = TLB_BANKS * BANK_WORDS;

/** The software TLB of one vCPU, in host memory where generated code probes it. */
export class SoftTlb {
  private readonly words: Int32Array;
  private readonly base: number;
  private readonly pages: HostPages;
  /** Entries filled, for statistics. */
  fills = 0;
  /** Byte address in host memory. */
  readonly address: number;

  constructor(memory: WebAssembly.Memory, address: number, pages: HostPages) {
    this.words = new Int32Array(memory.buffer);
    this.address = address;
    this.base = address >> 2;
    this.pages = pages;
    this.flush();
  }

  static readonly bytes = TLB_BANKS * TLB_ENTRIES * TLB_ENTRY_BYTES;

  /** Byte address of the bank that a context's entries are in. */
  bank(context: number): number {
    return this.address + (context % TLB_BANKS) * TLB_ENTRIES * TLB_ENTRY_BYTES;
  }

  flush(): void {
    this.words.fill(-1, this.base, this.base + ALL_WORDS);
  }

  /** Map the page of a virtual address to a host page (byte offset) under a context. */
  fill(
    vaLo: number,
    vaHi: number,
    context: number,
    hostPage: number,
    readable: boolean,
    writable: boolean,
  ): void {
    const w = this.entry(vaLo) + (context % TLB_BANKS) * BANK_WORDS;
    const tag = (vaLo & ~0xfff) | context;
    const words = this.words;
    words[w] = readable ? tag : -1;
    words[w + 1] = readable ? vaHi : -1;
    words[w + 2] = writable ? tag : -1;
    words[w + 3] = writable ? vaHi : -1;
    words[w + 4] = (hostPage - (vaLo & ~0xfff)) | 0;
    if (writable) this.pages.set(hostPage >>> 12, HOST_PAGE.writable);
    this.fills++;
  }

  /** Forget a page in every context. */
  dropPage(vaLo: number): void {
    const { words } = this;
    // Four words are less than a call of `fill` costs.
    for (let bank = 0, w = this.entry(vaLo); bank < TLB_BANKS; bank++, w += BANK_WORDS) {
      words[w] = -1;
      words[w + 1] = -1;
      words[w + 2] = -1;
      words[w + 3] = -1;
    }
  }

  /** Host page gets code: no write may hit it any more. */
  protectHostPage(hostPage: number): void {
    const words = this.words;
    const end = this.base + ALL_WORDS;
    for (let w = this.base; w < end; w += ENTRY_WORDS) {
      if (words[w + 3] === -1 && words[w + 2] === -1) continue;
      if ((((words[w + 2] as number) & ~0xfff) + (words[w + 4] as number)) >>> 0 !== hostPage) continue;
      words[w + 2] = -1;
      words[w + 3] = -1;
    }
  }

  private entry(vaLo: number): number {
    return this.base + (tlbEntry(vaLo) >>> 2);
  }
}

/** A power of two. */
const RECENT = 8;
/** No key: those of contexts are not below -1. */
const EMPTY = -2;

/**
 * Numbers for contexts: an architecture's key (address space and permission state) gets a small id that
 * is part of every TLB tag. Dropping a context gives it a new id at its next use, so nothing is searched.
 */
export class ContextIds {
  private readonly ids = new Map<number, number>();
  /** Ids asked for lately, by the low bits of the key: a hypervisor's or a kernel's few contexts alternate. */
  private readonly recentKeys = new Array<number>(RECENT).fill(EMPTY);
  private readonly recentIds = new Array<number>(RECENT).fill(0);
  private readonly allocate: () => number;

  constructor(allocate: () => number) {
    this.allocate = allocate;
  }

  id(key: number): number {
    const slot = key & (RECENT - 1);
    if (this.recentKeys[slot] === key) return this.recentIds[slot] as number;
    let id = this.ids.get(key);
    if (id === undefined) {
      id = this.allocate();
      this.ids.set(key, id);
    }
    this.recentKeys[slot] = key;
    this.recentIds[slot] = id;
    return id;
  }

  drop(predicate?: (key: number) => boolean): void {
    this.recentKeys.fill(EMPTY);
    if (predicate === undefined) return this.ids.clear();
    for (const key of this.ids.keys()) if (predicate(key)) this.ids.delete(key);
  }

  /** Drop `count` keys from `first`. */
  dropRange(first: number, count: number): void {
    this.recentKeys.fill(EMPTY);
    for (let key = first; key < first + count; key++) this.ids.delete(key);
  }
}
