import type { EntryView } from "./define.js";
import type { Denial, PteKind } from "./pte.js";

/** Meanings of SH[1:0]. */
export const SHAREABILITY: readonly string[] = [
  "non-shareable",
  "reserved",
  "outer shareable",
  "inner shareable",
];

/**
 * Arm ARM D8.3: bit 1 tells a table or page from a block. The last level holds no blocks, and where `kind` is a table
 * although bit 1 is clear, the level allows none.
 */
export function malformedDescriptor(entry: EntryView, kind: PteKind, pageShift: number): Denial | undefined {
  if (entry.has(1) || (kind === "leaf" && pageShift > 12)) return undefined;
  const level = kind === "leaf" ? "the last level" : "this level";
  return entry.denial("NON_BLOCK", 1, `a block is reserved at ${level}`);
}
