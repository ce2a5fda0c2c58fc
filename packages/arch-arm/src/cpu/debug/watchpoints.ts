import { Access } from "@hypercraft/engine";
import type { ArmPe } from "../pe.js";
import { isStoreExclusive } from "../syndrome.js";
import { linkedContextMatches, linkedTo } from "./contexts.js";
import { addressTop, asksForLevel, ENABLED, watchpointUnits } from "./units.js";

const LINKED = 1 << 20;
/** LSC: bits of the field. */
const LOADS = 1;
const STORES = 2;

/** A watchpoint that is enabled, as ranges of addresses: bytes of a doubleword, or an aligned block. */
interface Range {
  readonly control: number;
  readonly loads: boolean;
  readonly stores: boolean;
  /** First byte and the one behind the last, of an address without its tag. */
  readonly first: bigint;
  readonly end: bigint;
  /** Which bytes from `first` on, bit by bit; undefined: all. */
  readonly bytes: number | undefined;
}

/** What an access hit. */
export interface Hit {
  readonly lo: number;
  readonly hi: number;
  /** WnR. */
  readonly write: boolean;
}

/** Watchpoints (Arm ARM, "Watchpoint exceptions"). Accesses are looked at only in pages that have one. */
export class Watchpoints {
  private active: readonly Range[] = [];
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  get none(): boolean {
    return this.active.length === 0;
  }

  /** Registers changed. Gives true if accesses may now stop that could not before. */
  refresh(enabled: boolean): boolean {
    const { core } = this.pe;
    this.active = watchpointUnits.flatMap(({ value, control }) => {
      const range = rangeOf(core.lo(control), core.lo(value), core.hi(value));
      return enabled && range !== undefined ? [range] : [];
    });
    return !this.none;
  }

  /** Does a page have a byte that is watched, by whatever kind of access? */
  inPage(lo: number, hi: number): boolean {
    const page = wide(lo & ~0xfff, hi);
    return this.active.some(({ first, end }) => first < page + 4096n && end > page);
  }

  /** The first watched byte of an access with the rights of an exception level. */
  hit(access: Access, lo: number, hi: number, size: number, level: number): Hit | undefined {
    const { pe } = this;
    const start = wide(lo, hi);
    const storeOnly =
      access === Access.write || (access === Access.rmw && isStoreExclusive(pe.instructionBits()));
    for (const range of this.active) {
      const { control } = range;
      const write = storeOnly || (access === Access.rmw && !range.loads);
      if (write ? !range.stores : !range.loads) continue;
      const at = firstByte(range, start, size);
      if (at < 0n || !asksForLevel(control, level)) continue;
      if ((control & LINKED) !== 0 && !linkedContextMatches(pe, linkedTo(control))) continue;
      const address = at - start + BigInt(lo >>> 0);
      const top = address >> 32n === 0n ? hi : (hi + 1) | 0;
      return { lo: Number(BigInt.asIntN(32, address)), hi: top, write };
    }
    return undefined;
  }
}

/** An address without a tag, as a number from which ranges are counted. */
const wide = (lo: number, hi: number): bigint =>
  BigInt.asUintN(49, (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0));

/** The first watched byte of an access, negative: none. */
function firstByte({ first, end, bytes }: Range, start: bigint, size: number): bigint {
  const last = start + BigInt(size);
  for (let at = start > first ? start : first; at < end && at < last; at++) {
    if (bytes === undefined || ((bytes >> Number(at - first)) & 1) !== 0) return at;
  }
  return -1n;
}

/** The bytes that a watchpoint's registers name; undefined if it is off or they make no sense. */
function rangeOf(control: number, lo: number, hi: number): Range | undefined {
  const lsc = (control >>> 3) & 3;
  const bas = (control >>> 5) & 0xff;
  const mask = (control >>> 24) & 31;
  if ((control & ENABLED) === 0 || lsc === 0) return undefined;
  // 1 and 2 are reserved.
  if (mask === 1 || mask === 2) return undefined;
  const named = wide(lo & ~3, addressTop(hi));
  const kind = { control, loads: (lsc & LOADS) !== 0, stores: (lsc & STORES) !== 0 };
  if (mask > 2) {
    const first = (named >> BigInt(mask)) << BigInt(mask);
    return { ...kind, first, end: first + (1n << BigInt(mask)), bytes: undefined };
  }
  // An address of a word has four bytes to select.
  const bytes = (lo & 4) !== 0 ? bas & 15 : bas;
  if (bytes === 0) return undefined;
  return { ...kind, first: named, end: named + 8n, bytes };
}
