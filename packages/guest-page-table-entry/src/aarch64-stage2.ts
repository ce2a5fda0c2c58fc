import { malformedDescriptor, SHAREABILITY } from "./aarch64.js";
import { definePte, type EntryView, firstDenial } from "./define.js";
import { bits } from "./entry.js";
import { ACCESS_FLAGS, MappingFlags } from "./flags.js";
import type { Access, Denial, GenericPte, PteField } from "./pte.js";

// Arm ARM (DDI 0487), chapter D8: stage 2 descriptors of VMSAv8-64, 4 KiB granule, 48-bit output addresses, without
// FEAT_XNX (bit 53 is then reserved, bit 54 alone forbids execution) and FEAT_S2FWB.
const VALID = 1 << 0;
const NON_BLOCK = 1 << 1;
const MEMATTR_MASK = 15 << 2;
/** Device-nGnRE: what MAIR index 0 says in stage 1. */
const MEMATTR_DEVICE = 1 << 2;
/** Normal memory, outer and inner write-back. */
const MEMATTR_NORMAL = 15 << 2;
const S2AP_READ = 1 << 6;
const S2AP_WRITE = 1 << 7;
const SH_MASK = 3 << 8;
const SH_INNER = 3 << 8;
const AF = 1 << 10;
/** XN[1], bit 54, as a bit of the high half. */
const XN = 1 << 22;

const { READ, WRITE, EXECUTE, USER, DEVICE } = MappingFlags;

const MEMORY_ATTRIBUTES: readonly string[] = [
  ...["device-nGnRnE", "device-nGnRE", "device-nGRE", "device-GRE"],
  ...["reserved", "normal, outer NC, inner NC", "normal, outer NC, inner WT", "normal, outer NC, inner WB"],
  ...["reserved", "normal, outer WT, inner NC", "normal, outer WT, inner WT", "normal, outer WT, inner WB"],
  ...["reserved", "normal, outer WB, inner NC", "normal, outer WB, inner WT", "normal, outer WB, inner WB"],
];
const LEAF_FIELDS: readonly PteField[] = [
  ...bits(0, "VALID", "NON_BLOCK"),
  { name: "MemAttr", bit: 2, width: 4, values: MEMORY_ATTRIBUTES },
  ...bits(6, "S2AP[0]", "S2AP[1]"),
  { name: "SH", bit: 8, width: 2, values: SHAREABILITY },
  ...bits(10, "AF"),
  { name: "address", bit: 12, width: 36 },
  ...bits(51, "DBM", "contiguous", "XN[0]", "XN[1]"),
  { name: "software", bit: 55, width: 4 },
];
const TABLE_FIELDS: readonly PteField[] = [
  ...bits(0, "VALID", "NON_BLOCK"),
  { name: "address", bit: 12, width: 36 },
];

function denyLeaf(leaf: EntryView, access: Access): Denial | undefined {
  if (!leaf.has(10) && !access.hardwareAccessedDirty) {
    return leaf.denial("AF", 10, "AF = 0: the first access faults (access flag fault)");
  }
  if (access.kind === "execute") return leaf.mustBeZero("XN[1]", 54, 1, "execution needs XN[1] = 0");
  if (access.kind === "read")
    return leaf.has(6) ? undefined : leaf.denial("S2AP[0]", 6, "a read needs S2AP[0] = 1");
  if (leaf.has(7) || (access.hardwareAccessedDirty && leaf.has(51))) return undefined;
  return leaf.denial("S2AP[1]", 7, "a write needs S2AP[1] = 1");
}

/** AArch64 stage 2, 4 KiB granule. Reading, writing and executing are independent of each other. */
export const aarch64Stage2Pte: GenericPte = definePte({
  name: "aarch64-stage2",
  presentMask: VALID,
  frameShift: 12,
  frameHighMask: 0xffff,
  ownedLow: VALID | NON_BLOCK | MEMATTR_MASK | S2AP_READ | S2AP_WRITE | SH_MASK,
  ownedHigh: XN,
  tableLow: VALID | NON_BLOCK,
  leafLow(flags, isHuge) {
    return (
      AF |
      (flags & ACCESS_FLAGS ? VALID : 0) |
      (isHuge ? 0 : NON_BLOCK) |
      (flags & READ ? S2AP_READ : 0) |
      (flags & WRITE ? S2AP_WRITE : 0) |
      (flags & DEVICE ? MEMATTR_DEVICE : MEMATTR_NORMAL | SH_INNER)
    );
  },
  leafHigh: (flags) => (flags & EXECUTE ? 0 : XN),
  flagsOf(low, high) {
    if ((low & VALID) === 0) return 0;
    // MemAttr 0 to 3 are the device types.
    const device = (low & MEMATTR_MASK) <= 3 << 2;
    return (
      (low & S2AP_READ ? READ : 0) |
      (low & S2AP_WRITE ? WRITE : 0) |
      (high & XN ? 0 : EXECUTE) |
      (device ? DEVICE : 0)
    );
  },
  effectiveFlags: (flags) => flags & ~USER,
  isHuge: (low) => (low & NON_BLOCK) === 0,
  leafFields: LEAF_FIELDS,
  tableFields: TABLE_FIELDS,
  absence: { field: "VALID", bit: 0, rule: "VALID = 0: the descriptor is not valid" },
  malformed: malformedDescriptor,
  denies(path, access) {
    return firstDenial(path, (entry, level) =>
      level < path.length - 1 ? undefined : denyLeaf(entry, access),
    );
  },
});
