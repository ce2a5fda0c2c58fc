import {
  type GuestMemoryInterface,
  GuestPageTable,
  type GuestPageTableFormat,
  MappingFlags,
} from "@hypercraft/guest-page-table";
import { type HyperCraftHal, HyperError, hostPhysAddr, pagingOf } from "@hypercraft/hypercraft";
import type { RamPiece } from "./memory.js";

/** The second-stage table, in one of the architecture's formats, of a guest whose memory is the run of host frames at `hpa`. */
export function mapGuestRam(
  format: GuestPageTableFormat,
  hal: HyperCraftHal,
  ram: readonly RamPiece[],
  hpa: number,
  vmid: number,
): GuestPageTable {
  const table = new GuestPageTable(format, pagingOf(hal), vmid);
  const flags = MappingFlags.READ | MappingFlags.WRITE | MappingFlags.EXECUTE | MappingFlags.USER;
  for (const { base, size, offset } of ram) table.mapRegion(base, hpa + offset, size, flags);
  return table;
}

/** What a machine without a hypervisor has for a second stage: none. */
export const noSecondStage: GuestMemoryInterface = {
  map: refuse,
  mapRegion: refuse,
  unmap: refuse,
  translate: (gpa) => hostPhysAddr(gpa),
  token: 0n,
};

function refuse(): never {
  throw new HyperError("NotSupported", "a machine in bare mode has no second stage");
}
