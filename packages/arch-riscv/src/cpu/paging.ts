import { Need } from "./access.js";

// Bits of a page-table entry (supervisor chapter, Sv39) and modes of satp, vsatp and hgatp.

export const PTE_V = 1;
export const PTE_R = 2;
export const PTE_W = 4;
export const PTE_X = 8;
export const PTE_U = 16;
export const PTE_G = 32;
export const PTE_A = 64;
export const PTE_D = 128;
/** Bits 63..54: N, PBMT and reserved ones. None of them is implemented, so all must be zero. */
export const PTE_RESERVED_HI = 0xffc0_0000;
export const PTE_RESERVED_SHIFT = 54;
/** What a pointer to the next table must have clear besides R, W and X. */
export const PTE_LEAF_ONLY = PTE_U | PTE_A | PTE_D;

export const MODE_BARE = 0;
const MODE_SV39 = 8;
/** Bits of an address-translation register's upper half: MODE in bits 63..60. */
export const ATP_MODE_SHIFT = 28;
/** ASID: 16 bits from bit 44. */
export const ASID_SHIFT = 12;
export const ASID_MASK = 0xffff;
/** VMID: 14 bits from bit 44. */
export const VMID_MASK = 0x3fff;
export const ATP_PPN_HI = 0xfff;

/** Levels of page tables of a MODE: 3 to 5, 0 for Bare. */
export function levelsOf(atpHi: number): number {
  const mode = atpHi >>> ATP_MODE_SHIFT;
  return mode === MODE_BARE ? 0 : mode - MODE_SV39 + 3;
}

/** Physical page number of the root table: 44 bits. */
export function rootPage(lo: number, hi: number): number {
  return (hi & ATP_PPN_HI) * 0x1_0000_0000 + (lo >>> 0);
}

/** Physical page number of a page-table entry: bits 53..10. */
export function ptePage(lo: number, hi: number): number {
  return (hi & 0x3f_ffff) * 0x40_0000 + (lo >>> 10);
}

/** Are the low 9 * level bits of an entry's page number zero, as a leaf of that level needs? */
export function alignedLeaf(lo: number, hi: number, level: number): boolean {
  switch (level) {
    case 0:
      return true;
    case 1:
      return (lo & 0x7_fc00) === 0;
    case 2:
      return (lo & 0x0fff_fc00) === 0;
    case 3:
      return (lo & 0xffff_fc00) === 0 && (hi & 0x1f) === 0;
    default:
      return (lo & 0xffff_fc00) === 0 && (hi & 0x3fff) === 0;
  }
}

/** Do R, W and X of a leaf allow the access? `readable` is R, or X with MXR. */
export function permitted(need: Need, readable: boolean, pte: number): boolean {
  switch (need) {
    case Need.read:
    case Need.cacheBlock:
      return readable;
    case Need.write:
    case Need.rmw:
      return (pte & PTE_W) !== 0;
    default:
      return (pte & PTE_X) !== 0;
  }
}
