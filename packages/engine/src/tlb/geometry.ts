/**
 * TLB of a vCPU: direct-mapped by virtual page. An entry is 32 bytes:
 * i64 read tag | i64 write tag | i32 addend | 12 bytes unused. A tag is the virtual page address with
 * the context id in its low 12 bits, -1 when it matches nothing; host address = virtual + addend.
 */
export const TLB_ENTRIES = 1024;
/** A TLB has so many banks of entries; contexts are spread over them, so that those used in turn (user and kernel) do not evict each other. */
export const TLB_BANKS = 8;
export const TLB_ENTRY_BYTES = 32;
/** Context id 0xfff never exists, so that a tag of -1 cannot match. */
export const MAX_CONTEXT = 0xffe;

/** Jump cache of an engine: i64 virtual address | i32 generation | i32 block. */
export const JUMP_CACHE_ENTRIES = 4096;
export const JUMP_CACHE_ENTRY_BYTES = 16;
