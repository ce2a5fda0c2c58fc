import { definePte, firstDenial } from "./define.js";
import { bits } from "./entry.js";
import { MappingFlags } from "./flags.js";
import type { GenericPte, PteField } from "./pte.js";

// Intel SDM volume 3C, section "The Extended Page Table Mechanism (EPT)".
const R = 1 << 0;
const W = 1 << 1;
const X = 1 << 2;
const MEMORY_TYPE_MASK = 7 << 3;
const UNCACHEABLE = 0 << 3;
const WRITE_BACK = 6 << 3;
const LARGE = 1 << 7;

const { READ, WRITE, EXECUTE, USER, DEVICE } = MappingFlags;

const MEMORY_TYPES = ["UC", "WC", "reserved", "reserved", "WT", "WP", "WB", "reserved"];
const ADDRESS: readonly PteField[] = [{ name: "address", bit: 12, width: 40 }];
const ACCESS_BIT = { read: 0, write: 1, execute: 2 } as const;

const effectiveFlags = (flags: MappingFlags) => (flags & ~USER) | (flags & WRITE ? READ : 0);

/**
 * Extended page tables (VMX second stage). Memory is write-back, DEVICE uncacheable. Write without read would be
 * a misconfiguration, so WRITE implies READ; execute-only is kept (IA32_VMX_EPT_VPID_CAP bit 0 says whether a
 * processor takes it).
 */
export const eptPte: GenericPte = definePte({
  name: "ept",
  presentMask: R | W | X,
  frameShift: 12,
  frameHighMask: 0xf_ffff,
  ownedLow: R | W | X | MEMORY_TYPE_MASK | LARGE,
  ownedHigh: 0,
  // The memory type bits are reserved in a pointer.
  tableLow: R | W | X,
  leafLow(flags, isHuge) {
    const effective = effectiveFlags(flags);
    return (
      (effective & READ ? R : 0) |
      (effective & WRITE ? W : 0) |
      (effective & EXECUTE ? X : 0) |
      (effective & DEVICE ? UNCACHEABLE : WRITE_BACK) |
      (isHuge ? LARGE : 0)
    );
  },
  leafHigh: () => 0,
  flagsOf(low) {
    if ((low & (R | W | X)) === 0) return 0;
    return (
      (low & R ? READ : 0) |
      (low & W ? WRITE : 0) |
      (low & X ? EXECUTE : 0) |
      ((low & MEMORY_TYPE_MASK) === UNCACHEABLE ? DEVICE : 0)
    );
  },
  effectiveFlags,
  isHuge: (low) => (low & LARGE) !== 0,
  leafFields: [
    ...bits(0, "R", "W", "X"),
    { name: "memory type", bit: 3, width: 3, values: MEMORY_TYPES },
    ...bits(6, "ignore PAT", "large", "A", "D", "user X"),
    ...ADDRESS,
    { name: "suppress #VE", bit: 63, width: 1 },
  ],
  tableFields: [
    ...bits(0, "R", "W", "X"),
    { name: "reserved", bit: 3, width: 5 },
    ...bits(8, "A"),
    ...ADDRESS,
  ],
  absence: { field: "R/W/X", bit: 0, rule: "R = W = X = 0: the entry is not present" },
  malformed(entry, kind, pageShift) {
    if (entry.has(1) && !entry.has(0)) return entry.denial("W", 1, "R = 0 with W = 1 is a misconfiguration");
    if (kind === "table") {
      return entry.mustBeZero("reserved", 3, 5, "bits 3 to 7 are reserved in a pointer and must be 0");
    }
    if (MEMORY_TYPES[entry.field(3, 3)] === "reserved") {
      return entry.denial("memory type", 3, "memory types 2, 3 and 7 are reserved", 3);
    }
    if (pageShift === 12) return undefined;
    return entry.mustBeZero("address", 12, pageShift - 12, "a large page must be aligned to its size");
  },
  denies(path, access) {
    const bit = ACCESS_BIT[access.kind];
    const field = "RWX"[bit]!;
    return firstDenial(path, (entry) =>
      entry.has(bit) ? undefined : entry.denial(field, bit, `access needs ${field} = 1 at every level`),
    );
  },
});
