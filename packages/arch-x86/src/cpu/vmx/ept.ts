import type { SecondStage } from "../access.js";
import type { X86Cpu } from "../cpu.js";
import { PHYSICAL_BITS } from "../paging-entry.js";
import { GUEST_PAGE } from "./guest-pages.js";
import { logModification } from "./page-modification-log.js";
import { ExitReason, VmExit } from "./vm-exit.js";

// Extended page tables: SDM volume 3, 29.3.

/** Bits of entries. */
export const EPT_ENTRY = {
  read: 1,
  write: 2,
  execute: 4,
  large: 0x80,
  accessed: 0x100,
  dirty: 0x200,
  /** Mode-based execute control: code at addresses of users, the other bit being for those of supervisors. */
  executeUser: 0x400,
  memoryType: 0x38,
} as const;
const { read: READ, write: WRITE, execute: EXECUTE, large: LARGE, executeUser: EXECUTE_USER } = EPT_ENTRY;
const RIGHTS = READ | WRITE | EXECUTE;
const LEVELS = 4;
const TABLE_MASK = 0xfff;
/** EPTP: accessed and dirty flags are used. */
const FLAGS_ENABLED = 0x40;
const MODE_BASED_KEY = 0x800;
/** Of an exit qualification: there is a linear address; the access was to what it stands for, not to a table. */
const USER_EXECUTABLE = 0x40;
const LINEAR_VALID = 0x80;
const FINAL = 0x100;
const BAD_TYPES = [2, 3, 7];

/** Guest-physical memory of the guest that runs. */
export class Ept implements SecondStage {
  readonly key: number;
  readonly root: number;
  readonly flags: boolean;
  /** The exit that the last attempt ended with, if it did. */
  refusal: VmExit | undefined;
  private readonly cpu: X86Cpu;
  private readonly modeBased: boolean;
  /** Bits of entries that make them present. */
  private readonly present: number;

  /** `modeBased`: the mode-based execute control is on. */
  constructor(cpu: X86Cpu, eptp: number, modeBased: boolean) {
    this.cpu = cpu;
    this.key = Ept.keyOf(eptp, modeBased);
    this.modeBased = modeBased;
    this.present = modeBased ? RIGHTS | EXECUTE_USER : RIGHTS;
    this.root = eptp - (eptp % 4096);
    this.flags = ((eptp % 4096) & FLAGS_ENABLED) !== 0;
  }

  static keyOf(eptp: number, modeBased: boolean): number {
    // A reserved bit.
    return eptp + (modeBased ? MODE_BASED_KEY : 0);
  }

  /** Throws the exit of a violation or misconfiguration. `table`: the access is to a paging structure of the guest. */
  translate(physical: number, write: boolean, fetch: boolean, table = false): number {
    const found = this.attempt(physical, write, fetch, table);
    if (found < 0) throw this.refusal;
    return found;
  }

  /** As `translate`; -1 where `refusal` is the exit. `user`: the linear address is one of users. */
  attempt(physical: number, write: boolean, fetch: boolean, table = false, user = false): number {
    const { guestPages } = this.cpu.vmx;
    // With the flags on, accesses to tables are writes.
    const writes = write || (table && this.flags);
    const execute = user && this.modeBased ? GUEST_PAGE.executeUser : EXECUTE;
    const need = fetch ? execute : writes ? WRITE | GUEST_PAGE.dirty : READ;
    if (guestPages.find(physical) && (guestPages.rights & need) === need) return guestPages.host;
    return this.walk(physical, writes, fetch ? execute : 0, table);
  }

  private refuse(exit: VmExit): -1 {
    this.refusal = exit;
    return -1;
  }

  /** Rights as `GUEST_PAGE` has them. */
  private rightsOf(entry: number): number {
    if (!this.modeBased) return (entry & RIGHTS) | GUEST_PAGE.executeUser;
    return (entry & RIGHTS) | ((entry & EXECUTE_USER) !== 0 ? GUEST_PAGE.executeUser : 0);
  }

  /** `execute`: the right that a fetch needs, 0 for loads and stores. */
  private walk(physical: number, writes: boolean, execute: number, table: boolean): number {
    const { core, mmu, vmx } = this.cpu;
    const need = execute !== 0 ? execute : writes ? WRITE : READ;
    const access = (execute !== 0 ? EXECUTE : need) | (writes && table ? READ : 0);
    const [low, high] = [physical | 0, Math.floor(physical / 0x1_0000_0000)];
    let rights = RIGHTS | GUEST_PAGE.executeUser;
    let base = this.root;
    for (let level = LEVELS; ; level--) {
      const at = core.ramOffset(base + 8 * indexOf(level, low, high));
      const lo = at < 0 ? 0 : (core.words[at >>> 2] as number);
      const hi = at < 0 ? 0 : (core.words[(at >>> 2) + 1] as number);
      const leaf = level === 1 || ((lo & LARGE) !== 0 && level < LEVELS);
      rights &= this.rightsOf(lo);
      if ((lo & this.present) === 0) return this.refuse(this.violation(physical, table, access, 0));
      if (isMisconfigured(lo, hi, level, leaf))
        return this.refuse(new VmExit(ExitReason.eptMisconfiguration, { physical: BigInt(physical) }));
      if (leaf && (rights & need) === 0) return this.refuse(this.violation(physical, table, access, rights));
      const marked = lo | EPT_ENTRY.accessed | (leaf && writes ? EPT_ENTRY.dirty : 0);
      if (this.flags && marked !== lo && !mmu.observing) {
        if (((marked ^ lo) & EPT_ENTRY.dirty) !== 0 && !logModification(this.cpu, physical))
          return this.refuse(new VmExit(ExitReason.pageModificationLogFull, { qualification: 0n }));
        core.words[at >>> 2] = marked;
        core.ramWritten(at, 8);
      }
      const next = (hi & ((1 << (PHYSICAL_BITS - 32)) - 1)) * 2 ** 32 + ((lo & ~TABLE_MASK) >>> 0);
      if (!leaf) {
        base = next;
        continue;
      }
      const size = 2 ** (12 + 9 * (level - 1));
      const found = next - (next % size) + (physical % size);
      const dirty = !this.flags || (marked & EPT_ENTRY.dirty) !== 0 ? GUEST_PAGE.dirty : 0;
      if (!mmu.observing) vmx.guestPages.remember(physical, found, rights | dirty);
      return found;
    }
  }

  private violation(physical: number, table: boolean, access: number, rights: number): VmExit {
    const user = this.modeBased && (rights & GUEST_PAGE.executeUser) !== 0 ? USER_EXECUTABLE : 0;
    const qualification = access | ((rights & RIGHTS) << 3) | user | LINEAR_VALID | (table ? 0 : FINAL);
    return new VmExit(ExitReason.eptViolation, {
      physical: BigInt(physical),
      qualification: BigInt(qualification),
    });
  }
}

/** Index in a table of the entry for a guest-physical address, given by halves. */
function indexOf(level: number, low: number, high: number): number {
  switch (level) {
    case 1:
      return (low >>> 12) & 0x1ff;
    case 2:
      return (low >>> 21) & 0x1ff;
    case 3:
      return ((low >>> 30) | (high << 2)) & 0x1ff;
    default:
      return (high >>> 7) & 0x1ff;
  }
}

function isMisconfigured(lo: number, hi: number, level: number, leaf: boolean): boolean {
  if ((lo & (READ | WRITE)) === WRITE) return true;
  if ((hi & 0xf_ffff) >>> (PHYSICAL_BITS - 32) !== 0) return true;
  const { memoryType } = EPT_ENTRY;
  if (!leaf) return (lo & (level === LEVELS ? memoryType | 0x40 | LARGE : memoryType | 0x40)) !== 0;
  if (BAD_TYPES.includes((lo & memoryType) >> 3)) return true;
  return level > 1 && (lo & (2 ** (12 + 9 * (level - 1)) - 1) & ~TABLE_MASK) !== 0;
}
