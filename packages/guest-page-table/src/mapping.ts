import type { MappingFlags } from "@hypercraft/guest-page-table-entry";

/** Sizes of a page, in bytes. Formats have the last two only where their level names say so (RISC-V). */
export const PageSize = {
  Size4K: 2 ** 12,
  Size2M: 2 ** 21,
  Size1G: 2 ** 30,
  Size512G: 2 ** 39,
  Size256T: 2 ** 48,
} as const;

export type PageSize = (typeof PageSize)[keyof typeof PageSize];

/** Where an address leads. */
export interface Mapping {
  /** The physical address of exactly the address asked for. */
  readonly paddr: number;
  readonly flags: MappingFlags;
  /** The size of the page that maps it. */
  readonly size: PageSize;
}

/** What an unmapping removed. */
export interface UnmappedPage {
  /** The physical address of the page's first byte. */
  readonly paddr: number;
  readonly size: PageSize;
}
