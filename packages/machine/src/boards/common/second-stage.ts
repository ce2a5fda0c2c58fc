import {
  type GuestMemoryInterface,
  GuestPageTable,
  type GuestPageTableFormat,
  MappingFlags,
} from "@hypercraft/guest-page-table";
import { type HyperCraftHal, HyperError, hostPhysAddr, pagingOf } from "@hypercraft/hypercraft";
import type { RamRegion } from "../../memory/system-bus.js";

/** The second-stage table, in one of the architecture's formats, of a guest that has so much of the host's memory. */
export function mapGuestRam(
  format: GuestPageTableFormat,
  hal: HyperCraftHal,
  ram: readonly RamRegion[],
  vmid: number,
): GuestPageTable {
  const table = new GuestPageTable(format, pagingOf(hal), vmid);
  const rom = MappingFlags.READ | MappingFlags.EXECUTE | MappingFlags.USER;
  for (const { base, size, offset, readOnly } of ram)
    table.mapRegion(base, hal.virtToPhys(offset), size, readOnly ? rom : rom | MappingFlags.WRITE);
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
