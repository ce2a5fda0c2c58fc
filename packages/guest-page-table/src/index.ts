export { type GuestPhysAddr, type HostPhysAddr, PAGE_SIZE, type VirtAddr } from "./address.js";
export type { GuestPagingIf, PagingIf } from "./paging.js";
