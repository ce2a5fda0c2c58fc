declare const space: unique symbol;

/**
 * A physical address of the host: a byte address on the host's physical bus, a non-negative integer below
 * 2^56. Numbers hold it exactly up to 2^53, and every page-aligned one beyond. No bit operators on it: they
 * cut to 32 bits.
 *
 * The two address types accept plain numbers but not each other, so a literal needs no cast and a guest
 * address handed to the host is an error of the type check.
 */
export type HostPhysAddr = number & { readonly [space]?: "host-physical" };

/** A physical address as a guest sees it (intermediate physical address on Arm). Ranges as {@link HostPhysAddr}. */
export type GuestPhysAddr = number & { readonly [space]?: "guest-physical" };

/** An address that goes into a first-stage table: unsigned 64 bits, or a number below 2^53. */
export type VirtAddr = bigint | number;

/** Bytes in the smallest page of every format here. */
export const PAGE_SIZE = 4096;
