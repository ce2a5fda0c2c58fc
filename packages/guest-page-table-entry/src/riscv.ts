import { definePte, type EntryView, firstDenial } from "./define.js";
import { bits } from "./entry.js";
import { ACCESS_FLAGS, MappingFlags } from "./flags.js";
import type { Access, Denial, GenericPte, PteField, PteKind } from "./pte.js";

// RISC-V privileged architecture, chapters "Supervisor-Level ISA" (Sv39 to Sv57) and "Hypervisor Extension"
// (Sv39x4 to Sv57x4): one entry format for all of them.
const V = 1 << 0;
const R = 1 << 1;
const W = 1 << 2;
const X = 1 << 3;
const U = 1 << 4;
const A = 1 << 6;
const D = 1 << 7;
/** PBMT = 2 (IO: non-cacheable, strongly ordered), as bits of the high half. */
const PBMT_IO = 2 << 29;
const PBMT_MASK = 3 << 29;

const { READ, WRITE, EXECUTE, USER, DEVICE } = MappingFlags;

const FIELDS: readonly PteField[] = [
  ...bits(0, "V", "R", "W", "X", "U", "G", "A", "D"),
  { name: "RSW", bit: 8, width: 2 },
  { name: "PPN", bit: 10, width: 44 },
  { name: "reserved", bit: 54, width: 7 },
  { name: "PBMT", bit: 61, width: 2, values: ["PMA", "NC", "IO", "reserved"] },
  { name: "N", bit: 63, width: 1 },
];

/** What differs between the RISC-V entry formats. */
export interface RiscvPteOptions {
  /** Second stage (hgatp): hardware treats every access as a user access, so every leaf carries U. */
  readonly gStage?: boolean;
  /** The hart has Svpbmt: DEVICE becomes PBMT = IO. Without it those bits are reserved and DEVICE is dropped. */
  readonly svpbmt?: boolean;
}

function malformed(entry: EntryView, kind: PteKind, pageShift: number, svpbmt: boolean): Denial | undefined {
  const readable = entry.has(1);
  if (!readable && entry.has(2)) return entry.denial("W", 2, "R = 0 with W = 1 is reserved");
  const reserved =
    entry.mustBeZero("reserved", 54, 7, "bits 54 to 60 are reserved and must be 0") ??
    entry.mustBeZero("N", 63, 1, "N needs the Svnapot extension and must be 0 without it");
  if (reserved) return reserved;
  if (!svpbmt || kind === "table") {
    const rule = svpbmt ? "PBMT must be 0 in a pointer" : "PBMT needs the Svpbmt extension and must be 0";
    const set = entry.mustBeZero("PBMT", 61, 2, rule);
    if (set) return set;
  } else if (entry.field(61, 2) === 3) {
    return entry.denial("PBMT", 61, "PBMT = 3 is reserved", 2);
  }
  if (kind === "table") {
    return (
      entry.mustBeZero("U", 4, 1, "U is reserved in a pointer and must be 0") ??
      entry.mustBeZero("A", 6, 1, "A is reserved in a pointer and must be 0") ??
      entry.mustBeZero("D", 7, 1, "D is reserved in a pointer and must be 0")
    );
  }
  if (!readable && !entry.has(3)) {
    return entry.denial("R", 1, "R = W = X = 0 is a pointer, which the last level must not hold");
  }
  if (pageShift === 12) return undefined;
  return entry.mustBeZero("PPN", 10, pageShift - 12, "a large page must be aligned to its size");
}

function denyPrivilege(leaf: EntryView, access: Access, gStage: boolean): Denial | undefined {
  const userPage = leaf.has(4);
  if (gStage) {
    if (userPage) return undefined;
    return leaf.denial("U", 4, "every access is a user access in the G-stage and needs U = 1");
  }
  if (access.user) return userPage ? undefined : leaf.denial("U", 4, "a user access needs U = 1");
  if (!userPage) return undefined;
  if (access.kind === "execute") return leaf.denial("U", 4, "privileged code must not execute user pages");
  if (access.supervisorUserData) return undefined;
  return leaf.denial("U", 4, "privileged access to a user page needs SUM = 1");
}

function denyKind(leaf: EntryView, access: Access): Denial | undefined {
  if (access.kind === "write") return leaf.has(2) ? undefined : leaf.denial("W", 2, "a write needs W = 1");
  if (access.kind === "execute") {
    return leaf.has(3) ? undefined : leaf.denial("X", 3, "an instruction fetch needs X = 1");
  }
  if (leaf.has(1) || (access.executableIsReadable && leaf.has(3))) return undefined;
  return leaf.denial("R", 1, "a read needs R = 1 (or X = 1 while MXR = 1)");
}

function denyAccessedDirty(leaf: EntryView, access: Access): Denial | undefined {
  if (access.hardwareAccessedDirty) return undefined;
  if (!leaf.has(6)) return leaf.denial("A", 6, "without Svadu an access to a page with A = 0 faults");
  if (access.kind !== "write" || leaf.has(7)) return undefined;
  return leaf.denial("D", 7, "without Svadu a write to a page with D = 0 faults");
}

/** A RISC-V entry format for a hart with the given features. Leaves are made with A and D set. */
export function riscvPte(options: RiscvPteOptions = {}): GenericPte {
  const { gStage = false, svpbmt = false } = options;
  const always = gStage ? A | D | U : A | D;
  const sayable = READ | WRITE | EXECUTE | (gStage ? 0 : USER) | (svpbmt ? DEVICE : 0);
  const effectiveFlags = (flags: MappingFlags) => (flags & sayable) | (flags & WRITE ? READ : 0);

  return definePte({
    name: `${gStage ? "riscv-g-stage" : "riscv"}${svpbmt ? "-svpbmt" : ""}`,
    presentMask: V,
    frameShift: 10,
    frameHighMask: 0x3f_ffff,
    ownedLow: V | R | W | X | U,
    ownedHigh: svpbmt ? PBMT_MASK : 0,
    tableLow: V,
    leafLow(flags) {
      const effective = effectiveFlags(flags);
      if ((effective & ACCESS_FLAGS) === 0) return always;
      return (
        always |
        V |
        (effective & READ ? R : 0) |
        (effective & WRITE ? W : 0) |
        (effective & EXECUTE ? X : 0) |
        (effective & USER ? U : 0)
      );
    },
    leafHigh: (flags) => (svpbmt && flags & DEVICE ? PBMT_IO : 0),
    flagsOf(low, high) {
      return (
        (low & R ? READ : 0) |
        (low & W ? WRITE : 0) |
        (low & X ? EXECUTE : 0) |
        (low & U && !gStage ? USER : 0) |
        (svpbmt && (high & PBMT_MASK) === PBMT_IO ? DEVICE : 0)
      );
    },
    effectiveFlags,
    isHuge: (low) => (low & (R | W | X)) !== 0,
    leafFields: FIELDS,
    tableFields: FIELDS,
    absence: { field: "V", bit: 0, rule: "V = 0: the entry is not valid" },
    malformed: (entry, kind, pageShift) => malformed(entry, kind, pageShift, svpbmt),
    denies(path, access) {
      return firstDenial(path, (entry, level) => {
        if (level < path.length - 1) return undefined;
        return (
          denyPrivilege(entry, access, gStage) ?? denyKind(entry, access) ?? denyAccessedDirty(entry, access)
        );
      });
    },
  });
}

/** First-stage entries of Sv39, Sv48 and Sv57. */
export const riscvStage1Pte: GenericPte = riscvPte();

/** G-stage entries of Sv39x4, Sv48x4 and Sv57x4: as the first stage's, with U in every leaf. */
export const riscvGStagePte: GenericPte = riscvPte({ gStage: true });
