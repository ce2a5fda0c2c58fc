// Entries of paging structures: SDM volume 3, 4.3 to 4.5.

/** Bits that entries of all modes have in common. */
export const ENTRY = { P: 1, RW: 2, US: 4, A: 0x20, D: 0x40, PS: 0x80, G: 0x100 } as const;

/** Physical addresses have so many bits. */
export const PHYSICAL_BITS = 40;
/** Of the upper half of an entry of eight bytes: those beyond physical addresses, without execute-disable. */
export const RESERVED_HIGH = ((1 << 20) - 1) & ~((1 << (PHYSICAL_BITS - 32)) - 1);
export const NX_HIGH = 1 << 31;
/** Below the address of a large page, from bit 13 on: PAT is bit 12. Pages of 1 GiB have more of them. */
export const LARGE_RESERVED = 0x1f_e000;
export const LARGE_RESERVED_GIB = 0x3fff_e000;
/** With PSE-36, bits 20:13 of a 4 MiB page's entry are bits 39:32 of the address. */
export const PSE_RESERVED = 1 << 21;
