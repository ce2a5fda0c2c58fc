import type { Access, MappingFlags } from "@hypercraft/guest-page-table-entry";
import type { GuestPhysAddr, HostPhysAddr } from "./address.js";
import type { Explanation } from "./explain.js";
import type { GuestPageTableFormat } from "./format.js";
import { PageTable64 } from "./page-table.js";
import type { GuestPagingIf } from "./paging.js";

/** The second stage of one virtual machine: which host memory its physical addresses lead to. */
export interface GuestMemoryInterface {
  /** Maps one 4 KiB page. Throws PagingError. */
  map(gpa: GuestPhysAddr, hpa: HostPhysAddr, flags: MappingFlags): void;
  /** Maps a region, with huge pages where both addresses allow them. Throws PagingError, having mapped nothing. */
  mapRegion(gpa: GuestPhysAddr, hpa: HostPhysAddr, size: number, flags: MappingFlags): void;
  /** Removes the page at `gpa`, whatever its size. Throws PagingError NotMapped. */
  unmap(gpa: GuestPhysAddr): void;
  /** Where a guest-physical address leads, or undefined. */
  translate(gpa: GuestPhysAddr): HostPhysAddr | undefined;
  /** The value of hgatp, EPTP or VTTBR_EL2 that makes hardware use this table. */
  readonly token: bigint;
}

/** A `GuestMemoryInterface` over a table of any second-stage format. */
export class GuestPageTable implements GuestMemoryInterface {
  /** The table itself, for what the interface does not offer. */
  readonly table: PageTable64;
  /** The identifier in the token. */
  readonly vmid: number;

  /** Throws PagingError NoMemory. */
  constructor(format: GuestPageTableFormat, paging: GuestPagingIf, vmid = 0) {
    this.table = PageTable64.tryNew(format, paging);
    this.vmid = vmid;
  }

  get token(): bigint {
    return this.table.format.token(this.table.rootPaddr, this.vmid);
  }

  map(gpa: GuestPhysAddr, hpa: HostPhysAddr, flags: MappingFlags): void {
    this.table.map(gpa, hpa, 4096, flags);
  }

  mapRegion(gpa: GuestPhysAddr, hpa: HostPhysAddr, size: number, flags: MappingFlags): void {
    this.table.mapRegion(gpa, hpa, size, flags);
  }

  unmap(gpa: GuestPhysAddr): void {
    this.table.unmap(gpa);
  }

  /** Unmaps a region of whole pages. Throws PagingError, having unmapped nothing. */
  unmapRegion(gpa: GuestPhysAddr, size: number): void {
    this.table.unmapRegion(gpa, size);
  }

  translate(gpa: GuestPhysAddr): HostPhysAddr | undefined {
    return this.table.translate(gpa);
  }

  /** Every step of the walk for `gpa`, and the bit that denies `access`. */
  explain(gpa: GuestPhysAddr, access?: Access): Explanation {
    return this.table.explain(gpa, access);
  }

  /** Gives back all frames of the table. */
  dispose(): void {
    this.table.dispose();
  }
}
