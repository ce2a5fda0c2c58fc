// The words for what a mapping allows come with every call here: who maps pages need not depend on the entry formats.
export { type Access, formatFlags, MappingFlags } from "@hypercraft/guest-page-table-entry";
export { type GuestPhysAddr, type HostPhysAddr, PAGE_SIZE, type VirtAddr } from "./address.js";
export { PagingError, type PagingErrorCode } from "./error.js";
export { type ExplainedLevel, type Explanation, formatExplanation, type WalkResult } from "./explain.js";
export {
  type AddressRule,
  type GuestPageTableFormat,
  type LevelShape,
  type PageTableFormat,
  radixLevels,
} from "./format.js";
export * from "./formats/index.js";
export { FramePool } from "./frame-pool.js";
export { type GuestMemoryInterface, GuestPageTable } from "./guest-memory.js";
export { type Mapping, PageSize, type UnmappedPage } from "./mapping.js";
export { PageTable64 } from "./page-table.js";
export type { GuestPagingIf, PagingIf, TableMemory } from "./paging.js";
export { PageTableReader, type WalkedEntry } from "./reader.js";
