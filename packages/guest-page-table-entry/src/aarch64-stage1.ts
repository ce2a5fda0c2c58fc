import { malformedDescriptor, SHAREABILITY } from "./aarch64.js";
import { definePte, type EntryView, firstDenial } from "./define.js";
import { bits } from "./entry.js";
import { ACCESS_FLAGS, MappingFlags } from "./flags.js";
import type { Access, Denial, GenericPte, PteField } from "./pte.js";

// Arm ARM (DDI 0487), chapter D8 "The AArch64 Virtual Memory System Architecture": VMSAv8-64, 4 KiB granule, 48-bit
// output addresses, EL1&0 translation regime.
const VALID = 1 << 0;
/** A table (upper levels) or a page (last level); clear: a block. */
const NON_BLOCK = 1 << 1;
const ATTR_INDEX_MASK = 7 << 2;
const ATTR_DEVICE = 0 << 2;
const ATTR_NORMAL = 1 << 2;
const AP_EL0 = 1 << 6;
const AP_READ_ONLY = 1 << 7;
const SH_MASK = 3 << 8;
const SH_INNER = 3 << 8;
const AF = 1 << 10;
/** Bits 53 and 54, as bits of the high half. */
const PXN = 1 << 21;
const UXN = 1 << 22;

const { READ, WRITE, EXECUTE, USER, DEVICE } = MappingFlags;

const LEAF_FIELDS: readonly PteField[] = [
  ...bits(0, "VALID", "NON_BLOCK"),
  { name: "AttrIndx", bit: 2, width: 3, values: ["device", "normal"] },
  ...bits(5, "NS", "AP[1]", "AP[2]"),
  { name: "SH", bit: 8, width: 2, values: SHAREABILITY },
  ...bits(10, "AF", "nG"),
  { name: "address", bit: 12, width: 36 },
  ...bits(50, "GP", "DBM", "contiguous", "PXN", "UXN"),
  { name: "software", bit: 55, width: 4 },
];
const TABLE_FIELDS: readonly PteField[] = [
  ...bits(0, "VALID", "NON_BLOCK"),
  { name: "address", bit: 12, width: 36 },
  ...bits(59, "PXNTable", "UXNTable", "APTable[0]", "APTable[1]", "NSTable"),
];

function denyTable(entry: EntryView, access: Access): Denial | undefined {
  if (access.kind === "execute") {
    const [name, bit] = access.user ? ["UXNTable", 60] : ["PXNTable", 59];
    return entry.mustBeZero(name as string, bit as number, 1, "the table forbids execution below it");
  }
  if (access.user && entry.has(61))
    return entry.denial("APTable[0]", 61, "the table forbids EL0 access below it");
  if (access.kind === "read" || !entry.has(62)) return undefined;
  return entry.denial("APTable[1]", 62, "the table forbids writes below it");
}

function denyExecute(leaf: EntryView, user: boolean): Denial | undefined {
  if (user) return leaf.mustBeZero("UXN", 54, 1, "execution at EL0 needs UXN = 0");
  if (leaf.has(53)) return leaf.denial("PXN", 53, "execution at EL1 needs PXN = 0");
  if (leaf.has(6) && !leaf.has(7)) return leaf.denial("AP[1]", 6, "what EL0 may write, EL1 never executes");
  return undefined;
}

function denyLeaf(leaf: EntryView, access: Access): Denial | undefined {
  if (!leaf.has(10) && !access.hardwareAccessedDirty) {
    return leaf.denial("AF", 10, "AF = 0: the first access faults (access flag fault)");
  }
  if (access.kind === "execute") return denyExecute(leaf, access.user ?? false);
  const userPage = leaf.has(6);
  if (access.user && !userPage) return leaf.denial("AP[1]", 6, "access from EL0 needs AP[1] = 1");
  if (!access.user && userPage && access.supervisorUserData === false) {
    return leaf.denial("AP[1]", 6, "while PAN = 1, EL1 must not access what EL0 may");
  }
  if (access.kind === "read" || !leaf.has(7)) return undefined;
  // With hardware dirty state a clean writable page is one with DBM set, and the write clears AP[2].
  if (access.hardwareAccessedDirty && leaf.has(51)) return undefined;
  return leaf.denial("AP[2]", 7, "a write needs AP[2] = 0");
}

/**
 * AArch64 stage 1, 4 KiB granule. The attribute indices expect MAIR = 0xFF04: 0 is Device-nGnRE, 1 is normal
 * write-back memory. Valid implies readable. A user page is never executable at EL1, a kernel page never at EL0.
 */
export const aarch64Stage1Pte: GenericPte = definePte({
  name: "aarch64-stage1",
  presentMask: VALID,
  frameShift: 12,
  frameHighMask: 0xffff,
  ownedLow: VALID | NON_BLOCK | ATTR_INDEX_MASK | AP_EL0 | AP_READ_ONLY | SH_MASK,
  ownedHigh: PXN | UXN,
  tableLow: VALID | NON_BLOCK,
  leafLow(flags, isHuge) {
    return (
      AF |
      (flags & ACCESS_FLAGS ? VALID : 0) |
      (isHuge ? 0 : NON_BLOCK) |
      (flags & WRITE ? 0 : AP_READ_ONLY) |
      (flags & USER ? AP_EL0 : 0) |
      (flags & DEVICE ? ATTR_DEVICE : ATTR_NORMAL | SH_INNER)
    );
  },
  leafHigh(flags) {
    const never = flags & USER ? PXN : UXN;
    return flags & EXECUTE ? never : PXN | UXN;
  },
  flagsOf(low, high) {
    if ((low & VALID) === 0) return 0;
    const user = (low & AP_EL0) !== 0;
    return (
      READ |
      (low & AP_READ_ONLY ? 0 : WRITE) |
      (high & (user ? UXN : PXN) ? 0 : EXECUTE) |
      (user ? USER : 0) |
      ((low & ATTR_INDEX_MASK) === ATTR_DEVICE ? DEVICE : 0)
    );
  },
  effectiveFlags: (flags) => (flags & ACCESS_FLAGS ? flags | READ : flags),
  isHuge: (low) => (low & NON_BLOCK) === 0,
  leafFields: LEAF_FIELDS,
  tableFields: TABLE_FIELDS,
  absence: { field: "VALID", bit: 0, rule: "VALID = 0: the descriptor is not valid" },
  malformed: malformedDescriptor,
  denies(path, access) {
    return firstDenial(path, (entry, level) =>
      level < path.length - 1 ? denyTable(entry, access) : denyLeaf(entry, access),
    );
  },
});
