import type { SecondStage } from "../access.js";
import type { X86Cpu } from "../cpu.js";
import { PHYSICAL_BITS } from "../paging-entry.js";
import { ExitReason, VmExit } from "./vm-exit.js";

// Extended page tables: SDM volume 3, 29.3.

const READ = 1;
const WRITE = 2;
const EXECUTE = 4;
const RIGHTS = READ | WRITE | EXECUTE;
const LARGE = 0x80;
const ACCESSED = 0x100;
const DIRTY = 0x200;
const MEMORY_TYPE = 0x38;
const LEVELS = 4;
const PAGE_SIZE = 4096;
const TABLE_MASK = 0xfff;
/** EPTP: accessed and dirty flags are used. */
const FLAGS_ENABLED = 0x40;
/** Of an exit qualification: there is a linear address; the access was to what it stands for, not to a table. */
const LINEAR_VALID = 0x80;
const FINAL = 0x100;
const BAD_TYPES = [2, 3, 7];

/** Pages that are remembered: devices are not in the engine's TLB, and a guest's own tables are walked often. */
const RECENT = 64;

/** Guest-physical memory of the guest that runs. */
export class Ept implements SecondStage {
  readonly key: number;
  readonly vpid: number;
  private readonly cpu: X86Cpu;
  private readonly root: number;
  private readonly flags: boolean;
  /** Translations found last, by the page's number: its address in the host's memory, and accesses that may go there. */
  private readonly recentPages = new Float64Array(RECENT).fill(-1);
  private readonly recentBases = new Float64Array(RECENT);
  private readonly recentNeeds = new Uint8Array(RECENT);

  constructor(cpu: X86Cpu, eptp: bigint, vpid: number) {
    this.cpu = cpu;
    this.key = Number(eptp);
    this.vpid = vpid;
    this.root = Number(eptp & ~0xfffn);
    this.flags = (Number(eptp & 0xfffn) & FLAGS_ENABLED) !== 0;
  }

  /** The guest was entered anew, or translations were dropped. */
  forget(): void {
    this.recentPages.fill(-1);
  }

  /** Throws the exit of a violation or misconfiguration. `table`: the access is to a paging structure of the guest. */
  translate(physical: number, write: boolean, fetch: boolean, table = false): number {
    const { core, mmu } = this.cpu;
    // With the flags on, accesses to tables are writes.
    const writes = write || (table && this.flags);
    const need = fetch ? EXECUTE : writes ? WRITE : READ;
    const page = Math.floor(physical / PAGE_SIZE);
    const offset = physical - page * PAGE_SIZE;
    const slot = page & (RECENT - 1);
    if (this.recentPages[slot] === page && ((this.recentNeeds[slot] as number) & need) !== 0)
      return (this.recentBases[slot] as number) + offset;
    let rights = RIGHTS;
    let base = this.root;
    for (let level = LEVELS; ; level--) {
      const shift = 12 + 9 * (level - 1);
      const at = core.ramOffset(base + 8 * (Math.floor(physical / 2 ** shift) % 512));
      const lo = at < 0 ? 0 : (core.words[at >>> 2] as number);
      const hi = at < 0 ? 0 : (core.words[(at >>> 2) + 1] as number);
      const leaf = level === 1 || ((lo & LARGE) !== 0 && level < LEVELS);
      rights &= lo;
      if ((lo & RIGHTS) === 0) throw this.violation(physical, table, need | (writes && table ? READ : 0), 0);
      if (isMisconfigured(lo, hi, level, leaf))
        throw new VmExit(ExitReason.eptMisconfiguration, { physical: BigInt(physical) });
      if (leaf && (rights & need) === 0)
        throw this.violation(physical, table, need | (writes && table ? READ : 0), rights);
      const marked = lo | ACCESSED | (leaf && writes ? DIRTY : 0);
      if (this.flags && marked !== lo && !mmu.observing) {
        core.words[at >>> 2] = marked;
        core.ramWritten(at, 8);
      }
      const next = (hi & ((1 << (PHYSICAL_BITS - 32)) - 1)) * 2 ** 32 + ((lo & ~TABLE_MASK) >>> 0);
      if (leaf) {
        const host = next - (next % 2 ** shift) + (physical % 2 ** shift);
        // A page that was not written may have to be marked at its first write.
        const needs = rights & (this.flags && !writes ? ~WRITE : RIGHTS);
        if (!mmu.observing) this.remember(slot, page, host - offset, needs);
        return host;
      }
      base = next;
    }
  }

  private remember(slot: number, page: number, base: number, needs: number): void {
    this.recentPages[slot] = page;
    this.recentBases[slot] = base;
    this.recentNeeds[slot] = needs;
  }

  private violation(physical: number, table: boolean, access: number, rights: number): VmExit {
    const qualification = access | ((rights & RIGHTS) << 3) | LINEAR_VALID | (table ? 0 : FINAL);
    return new VmExit(ExitReason.eptViolation, {
      physical: BigInt(physical),
      qualification: BigInt(qualification),
    });
  }
}

function isMisconfigured(lo: number, hi: number, level: number, leaf: boolean): boolean {
  if ((lo & (READ | WRITE)) === WRITE) return true;
  if ((hi & 0xf_ffff) >>> (PHYSICAL_BITS - 32) !== 0) return true;
  if (!leaf) return (lo & (level === LEVELS ? MEMORY_TYPE | 0x40 | LARGE : MEMORY_TYPE | 0x40)) !== 0;
  if (BAD_TYPES.includes((lo & MEMORY_TYPE) >> 3)) return true;
  return level > 1 && (lo & (2 ** (12 + 9 * (level - 1)) - 1) & ~TABLE_MASK) !== 0;
}
