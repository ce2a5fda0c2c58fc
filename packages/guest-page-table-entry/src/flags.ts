/**
 * What a mapping allows, independent of any architecture: a set of the bits below, combined with `|`.
 *
 * - `READ`, `WRITE`, `EXECUTE`: the accesses allowed; a mapping has at least one of them.
 * - `USER`: unprivileged code may use the mapping. Second-stage formats know no privilege and drop it.
 * - `DEVICE`: registers of a device, not memory: neither cached nor reordered.
 */
export type MappingFlags = number;

export const MappingFlags = {
  READ: 1,
  WRITE: 2,
  EXECUTE: 4,
  USER: 8,
  DEVICE: 16,
} as const;

/** `READ | WRITE | EXECUTE`: the bits of which a mapping needs at least one. */
export const ACCESS_FLAGS = 7;

/** All flags. */
export const ALL_FLAGS = 31;

/** The flags in letters, `-` for those not set: `rwxud`. */
export function formatFlags(flags: MappingFlags): string {
  return Array.from("rwxud", (letter, bit) => (flags & (1 << bit) ? letter : "-")).join("");
}
