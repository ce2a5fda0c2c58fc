import type { GuestPhysAddr, HostPhysAddr } from "@hypercraft/guest-page-table";
import { HyperError } from "./error.js";

export { type GuestPhysAddr, type HostPhysAddr, PAGE_SIZE } from "@hypercraft/guest-page-table";

declare const space: unique symbol;

/** Where the hypervisor's own code finds a byte of host RAM: its byte offset in host memory, below 2^32. */
export type HostVirtAddr = number & { readonly [space]?: "host-virtual" };

function checked(noun: string, value: number | bigint): number {
  const address = Number(value);
  if (Number.isSafeInteger(address) && address >= 0) return address;
  throw new HyperError("OutOfRange", `${noun} address ${value} is not an integer from 0 to 2^53 - 1`);
}

/** A host-physical address from outside. Throws OutOfRange unless it is an integer from 0 to 2^53 - 1. */
export function hostPhysAddr(value: number | bigint): HostPhysAddr {
  return checked("host-physical", value);
}

/** A guest-physical address from outside. Throws OutOfRange unless it is an integer from 0 to 2^53 - 1. */
export function guestPhysAddr(value: number | bigint): GuestPhysAddr {
  return checked("guest-physical", value);
}
