import { definePte, type EntryView, firstDenial } from "./define.js";
import { bits } from "./entry.js";
import { ACCESS_FLAGS, MappingFlags } from "./flags.js";
import type { Access, Denial, GenericPte, PteField } from "./pte.js";

// Intel SDM volume 3A, section "4-Level Paging"; the same in the AMD64 manual volume 2. EFER.NXE is taken as set.
const P = 1 << 0;
const W = 1 << 1;
const U = 1 << 2;
const PWT = 1 << 3;
const PCD = 1 << 4;
/** Page size in an upper level; PAT in the last one. */
const PS = 1 << 7;
/** Bit 63, as a bit of the high half. */
const NX = 1 << 31;

const { READ, WRITE, EXECUTE, USER, DEVICE } = MappingFlags;

const COMMON: readonly PteField[] = bits(0, "P", "R/W", "U/S", "PWT", "PCD", "A");
const UPPER: readonly PteField[] = [
  { name: "address", bit: 12, width: 40 },
  { name: "ignored", bit: 52, width: 11 },
  { name: "XD", bit: 63, width: 1 },
];

function denyUser(entry: EntryView, access: Access): Denial | undefined {
  return access.user && !entry.has(2) ? entry.denial("U/S", 2, "a user access needs U/S = 1") : undefined;
}

function denyKind(entry: EntryView, access: Access): Denial | undefined {
  if (access.kind === "execute") return entry.mustBeZero("XD", 63, 1, "an instruction fetch needs XD = 0");
  if (access.kind === "read" || entry.has(1)) return undefined;
  if (!access.user && access.supervisorWriteProtect === false) return undefined;
  return entry.denial("R/W", 1, "a write needs R/W = 1 (privileged ones while CR0.WP = 1)");
}

/** SMEP and SMAP look at user pages, which are those with U/S = 1 at every level. */
function denySupervisor(path: readonly EntryView[], access: Access): Denial | undefined {
  if (access.user || path.some((entry) => !entry.has(2))) return undefined;
  const leaf = path[path.length - 1]!;
  if (access.kind === "execute") {
    if (access.supervisorUserCode ?? true) return undefined;
    return leaf.denial("U/S", 2, "with CR4.SMEP privileged code must not execute user pages");
  }
  if (access.supervisorUserData ?? true) return undefined;
  return leaf.denial("U/S", 2, "with CR4.SMAP privileged code must not access user pages while AC = 0");
}

const effectiveFlags = (flags: MappingFlags) => (flags & ACCESS_FLAGS ? flags | READ : flags);

/** x86-64 4-level paging. Present implies readable; DEVICE is PCD and PWT (strong uncacheable). */
export const x86_64Pte: GenericPte = definePte({
  name: "x86-64",
  presentMask: P,
  frameShift: 12,
  frameHighMask: 0xf_ffff,
  // Bit 7 is PAT in the last level: with it set, PCD and PWT would select another memory type.
  ownedLow: P | W | U | PWT | PCD | PS,
  ownedHigh: NX,
  tableLow: P | W | U,
  leafLow(flags, isHuge) {
    return (
      (flags & ACCESS_FLAGS ? P : 0) |
      (flags & WRITE ? W : 0) |
      (flags & USER ? U : 0) |
      (flags & DEVICE ? PCD | PWT : 0) |
      (isHuge ? PS : 0)
    );
  },
  leafHigh: (flags) => (flags & EXECUTE ? 0 : NX),
  flagsOf(low, high) {
    if ((low & P) === 0) return 0;
    return (
      READ |
      (low & W ? WRITE : 0) |
      (high & NX ? 0 : EXECUTE) |
      (low & U ? USER : 0) |
      (low & PCD ? DEVICE : 0)
    );
  },
  effectiveFlags,
  isHuge: (low) => (low & PS) !== 0,
  leafFields: [...COMMON, ...bits(6, "D", "PS/PAT", "G"), { name: "AVL", bit: 9, width: 3 }, ...UPPER],
  tableFields: [...COMMON, ...bits(6, "ignored", "PS"), { name: "AVL", bit: 8, width: 4 }, ...UPPER],
  absence: { field: "P", bit: 0, rule: "P = 0: the entry is not present" },
  malformed(entry, kind, pageShift) {
    if (kind === "table") return entry.mustBeZero("PS", 7, 1, "PS is reserved at this level and must be 0");
    // Bit 12 of a large page is PAT.
    if (pageShift === 12) return undefined;
    return entry.mustBeZero("address", 13, pageShift - 13, "a large page must be aligned to its size");
  },
  denies(path, access) {
    const denied = firstDenial(path, (entry) => denyUser(entry, access) ?? denyKind(entry, access));
    if (denied) return denied;
    const denial = denySupervisor(path, access);
    return denial && { ...denial, level: path.length - 1 };
  },
});
