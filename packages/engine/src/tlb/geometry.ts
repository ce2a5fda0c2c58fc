/**
 * TLB of a vCPU: direct-mapped by a hash of the virtual page. An entry is 32 bytes:
 * i64 read tag | i64 write tag | i32 addend | 12 bytes unused. A tag is the virtual page address with
 * the context id in its low 12 bits, -1 when it matches nothing; host address = virtual + addend.
 */
export const TLB_ENTRIES = 1024;
/**
 * An entry is found by bits 21:12 of the address, exclusive or bits 31:24 of it: what systems align to many megabytes
 * (memory of processors, their own areas) is used all the time and must not share one entry, while neighbouring pages
 * keep entries of their own. Generated code masks the result to the byte offset of an entry.
 */
export const TLB_SHIFT = 7;
export const TLB_FOLD = 12;
export const TLB_MASK = (TLB_ENTRIES - 1) << 5;
/** Byte offset of an address's entry in a bank. */
export const tlbEntry = (lo: number): number => ((lo ^ (lo >>> TLB_FOLD)) >>> TLB_SHIFT) & TLB_MASK;
/** A TLB has so many banks of entries; contexts are spread over them, so that those used in turn (user and kernel) do not evict each other. */
export const TLB_BANKS = 8;
export const TLB_ENTRY_BYTES = 32;
/** Context id 0xfff never exists, so that a tag of -1 cannot match. */
export const MAX_CONTEXT = 0xffe;

/** Jump cache of an engine: i64 virtual address | i32 generation | i32 block. */
export const JUMP_CACHE_ENTRIES = 4096;
export const JUMP_CACHE_ENTRY_BYTES = 16;

/** Fetch TLB of an engine: i64 virtual page address | i32 fetch context | i32 host page number. */
export const FETCH_TLB_ENTRIES = 1024;
/**
 * Block table of an engine: i32 host page number | i32 page offset with the mode bits above it | i32 block | 4 bytes
 * unused. With the fetch TLB it finds a target again after its jump cache entry was lost or its mapping
 * generation ended.
 */
export const BLOCK_TABLE_ENTRIES = 32768;
/** Multiplier that spreads host pages over the block table. */
export const BLOCK_TABLE_SPREAD = 1181;

/** Byte sizes of the tables, and their offsets from the first. */
export const LOOKUP_TABLES = {
  jumpCache: 0,
  fetchTlb: JUMP_CACHE_ENTRIES * 16,
  blocks: (JUMP_CACHE_ENTRIES + FETCH_TLB_ENTRIES) * 16,
  bytes: (JUMP_CACHE_ENTRIES + FETCH_TLB_ENTRIES + BLOCK_TABLE_ENTRIES) * 16,
} as const;
