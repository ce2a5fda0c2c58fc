import type { GenericPte } from "@hypercraft/guest-page-table-entry";

/** One level of a table. */
export interface LevelShape {
  /** The level's name in the architecture's manual. */
  readonly name: string;
  /** log2 of the bytes that one entry covers; the index is the input address from this bit on. */
  readonly shift: number;
  /** Bits of the index. */
  readonly bits: number;
  /** An entry of this level may map a page. */
  readonly leaf: boolean;
}

/**
 * What the input bits above `inputBits` must be:
 *
 * - `sign`: copies of the highest input bit (canonical addresses).
 * - `zero`: zero.
 * - `zero-or-one`: all zero or all one. AArch64 translates the two halves through TTBR0_EL1 and TTBR1_EL1, and a table
 *   does not know in which of them it is: both halves select the same entries.
 */
export type AddressRule = "sign" | "zero" | "zero-or-one";

/** The shape of a radix page table as data; `PageTable64` walks every one of them the same way. */
export interface PageTableFormat {
  readonly name: string;
  /** 1: from virtual addresses. 2: from guest-physical ones. */
  readonly stage: 1 | 2;
  readonly pte: GenericPte;
  /** From the root to the last level, whose pages have 4 KiB. */
  readonly levels: readonly LevelShape[];
  /** Contiguous 4 KiB frames of the root, to whose total size the root is aligned; a power of two. */
  readonly rootPages: number;
  /** Width of the addresses that go in. */
  readonly inputBits: number;
  /** Width of the physical addresses that come out. */
  readonly outputBits: number;
  readonly addressRule: AddressRule;
  /**
   * The value of the register that points hardware to the table (satp, hgatp, CR3, EPTP, TTBRn_EL1, VTTBR_EL2).
   * `id` is the address-space or VM identifier where the register holds one; default 0.
   */
  token(root: number, id?: number): bigint;
}

/** A `PageTableFormat` of the second stage. */
export interface GuestPageTableFormat extends PageTableFormat {
  readonly stage: 2;
}

/**
 * Levels of a table with 4 KiB pages and 512 entries in every table but the root, which takes what is left of
 * `inputBits`. `leaves` names the number of levels, from the last one up, that may map pages.
 */
export function radixLevels(inputBits: number, names: readonly string[], leaves: number): LevelShape[] {
  return names.map((name, level) => {
    const above = names.length - 1 - level;
    const shift = 12 + 9 * above;
    return { name, shift, bits: level === 0 ? inputBits - shift : 9, leaf: above < leaves };
  });
}
