import type { CoreApi, Field, Translation } from "@hypercraft/engine";
import { FaultRecord, Need, needsRead, needsWrite, Rights } from "./access.js";
import { combine, effective, type MemoryAttributes, OUTER_SHAREABLE } from "./memory-attributes.js";
import type { Regime, TableRange } from "./regime.js";
import { Stage2 } from "./stage2.js";
import { Fsc } from "./syndrome.js";
import { POWER, REPORTED, TableWalk, WALKED } from "./table-walk.js";

// A leaf of the first stage.
const AP_EL0 = 1 << 6;
const AP_READ_ONLY = 1 << 7;
const NG = 1 << 11;
const UXN_HI = 1 << 22;
const PXN_HI = 1 << 21;
// Table descriptors: limits for all below them.
const APTABLE_READ_ONLY_HI = 1 << 30;
const APTABLE_NO_EL0_HI = 1 << 29;
const UXNTABLE_HI = 1 << 28;
const PXNTABLE_HI = 1 << 27;
/** ID_AA64MMFR0_EL1.PARange of this PE. */
export const PHYSICAL_BITS = 44;
/** Address sizes of IPS, PS and PARange. */
const SIZES = [32, 36, 40, 42, 44, 48] as const;

/** log2 of the output size that a field IPS or PS selects, no more than the PE has. */
export function outputBits(field: number): number {
  return Math.min(SIZES[field & 7] ?? 48, PHYSICAL_BITS);
}

/**
 * Address translation of VMSAv8-64: both stages, over the tables in memory. A failed translation leaves its reasons
 * in `fault`.
 */
export class Mmu {
  readonly fault = new FaultRecord();
  readonly stage2: Stage2;
  // The first stage's result.
  private ipa = 0;
  private readable = false;
  private writable = false;
  private device = false;
  private global = false;
  private tagged = false;
  private shift = 12;
  /** AttrIndx of the leaf, -1 where nothing was translated; for PAR_EL1. */
  private attributeIndex = -1;
  /** SH of the leaf. */
  private shareability = 0;
  /** A block was reached by an address with a tag, under which TLBI of its addresses does not find it. */
  taggedLarge = false;
  private readonly core: CoreApi;
  private readonly tables: TableWalk;
  private regime: Regime | undefined;
  private rights = 0;
  private need: Need = Need.read;

  constructor(core: CoreApi) {
    this.core = core;
    this.tables = new TableWalk(core);
    this.stage2 = new Stage2(core, this.fault);
  }

  /** Attributes of the last translation, of the first stage or of both; `mair` is its regime's. */
  attributes(mair: Field, both: boolean): MemoryAttributes {
    const { core, attributeIndex: i, shareability } = this;
    // Without a first stage: Device-nGnRnE, or write-back.
    const untranslated = this.device ? 0 : 0xff;
    const first = i < 0 ? untranslated : ((i < 4 ? core.lo(mair) : core.hi(mair)) >>> (8 * (i & 3))) & 0xff;
    if (both && this.regime?.stage2) return combine(first, shareability, this.stage2.leaf);
    return effective(first, shareability);
  }

  /** Translate an access, or the part of it on one page; true fills `out`. Device memory takes none that is unaligned. */
  translate(
    r: Regime,
    rights: number,
    need: Need,
    lo: number,
    hi: number,
    unaligned: boolean,
    out: Translation,
  ): boolean {
    const code = this.first(r, rights, need, lo, hi, unaligned);
    if (code === REPORTED) return false;
    if (code !== WALKED) return this.failed(code, need);
    const { stage2 } = this;
    if (!stage2.translate(r, rights, need, this.ipa, false, unaligned)) return false;
    out.physical = stage2.physical;
    out.readable = this.readable && stage2.readable;
    out.writable = this.writable && stage2.writable;
    // Device memory faults on what is unaligned, so every access has to be seen; but without a first stage code has
    // the alignment of all of its accesses checked.
    out.cacheable = need === Need.fetch || ((!this.device || !r.stage1) && !stage2.device);
    if (this.tagged && this.shift > 12) this.taggedLarge = true;
    out.pageShift = this.shift;
    out.global = this.global;
    return true;
  }

  /** The first stage alone, for AT: true fills `out.physical` with its output. */
  translateFirst(r: Regime, rights: number, need: Need, lo: number, hi: number, out: Translation): boolean {
    const code = this.first(r, rights, need, lo, hi, false);
    if (code === REPORTED) return false;
    if (code !== WALKED) return this.failed(code, need);
    out.physical = this.ipa;
    return true;
  }

  private first(r: Regime, rights: number, need: Need, lo: number, hi: number, unaligned: boolean): number {
    this.regime = r;
    this.rights = rights;
    this.need = need;
    return r.stage1 ? this.firstStage(r, lo, hi, unaligned) : this.flat(r, lo, hi, unaligned);
  }

  private failed(code: number, need: Need): false {
    const { fault } = this;
    fault.code = code;
    fault.stage2 = false;
    fault.s1ptw = false;
    fault.ipa = 0;
    const permission = (code & 0x3c) === Fsc.permission;
    // A read that would fault alike makes an atomic a read.
    fault.write = need === Need.write || (need === Need.rmw && permission && this.readable);
    return false;
  }

  /** The first stage is off: addresses are physical (or intermediate physical) ones. */
  private flat(r: Regime, lo: number, hi: number, unaligned: boolean): number {
    const { topByteIgnored } = r.range(hi);
    const top = topByteIgnored ? hi & 0xff_ffff : hi >>> 0;
    this.tagged = topByteIgnored && hi >>> 24 !== 0;
    this.readable = true;
    this.writable = true;
    this.global = false;
    this.shift = 12;
    this.attributeIndex = -1;
    this.device = !r.defaultCacheable && this.need !== Need.fetch;
    this.shareability = this.device ? OUTER_SHAREABLE : 0;
    this.ipa = top * 0x1_0000_0000 + (lo >>> 0);
    if (this.ipa >= (POWER[PHYSICAL_BITS] as number)) return Fsc.addressSize;
    return unaligned && this.device ? Fsc.alignment : WALKED;
  }

  private readonly locate = (address: number): number => {
    const { core, stage2, regime, rights, need } = this;
    if (!stage2.translate(regime as Regime, rights, need, address, true, false)) return REPORTED;
    return core.ramOffset(stage2.physical);
  };

  private firstStage(r: Regime, lo: number, hi: number, unaligned: boolean): number {
    const upper = r.isUpper(hi);
    const range = r.range(hi);
    this.readable = false;
    this.device = false;
    if (!range.enabled || !inRange(range, upper, lo, hi)) return Fsc.translation;
    this.tagged = range.topByteIgnored && hi >>> 24 !== (upper ? 0xff : 0);
    const { tables, need } = this;
    const va = (hi & 0xffff) * 0x1_0000_0000 + (lo >>> 0);
    const input = va % (POWER[range.inputBits] as number);
    const code = tables.walk(range, input, r.outputBits, this.locate);
    if (code !== WALKED) return code;
    this.ipa = tables.output;
    // TLBI by address forgets a page whatever the granule, but not a block.
    this.shift = tables.level === 3 ? 12 : tables.leafBits;
    this.global = upper && (tables.lo & NG) === 0;
    this.attributeIndex = (tables.lo >>> 2) & 7;
    this.shareability = (tables.lo >>> 8) & 3;
    this.device = (r.deviceAttributes & (1 << this.attributeIndex)) !== 0;
    const executable = this.permissions(r);
    if (unaligned && this.device) return Fsc.alignment;
    const allowed =
      need === Need.fetch
        ? executable
        : (this.readable || !needsRead(need)) && (this.writable || !needsWrite(need));
    return allowed ? WALKED : Fsc.permission | tables.level;
  }

  /** Set `readable` and `writable` from the leaf found; true if it may be executed. */
  private permissions(r: Regime): boolean {
    const { lo, hi, hierarchy } = this.tables;
    const mayWrite = (lo & AP_READ_ONLY) === 0 && (hierarchy & APTABLE_READ_ONLY_HI) === 0;
    const never = (hi & UXN_HI) !== 0 || (hierarchy & UXNTABLE_HI) !== 0;
    if (r.el2) {
      this.readable = true;
      this.writable = mayWrite;
      return !never && !(mayWrite && r.writeExecuteNever);
    }
    const el0 = (lo & AP_EL0) !== 0 && (hierarchy & APTABLE_NO_EL0_HI) === 0;
    const userWrites = el0 && mayWrite;
    if ((this.rights & Rights.user) !== 0) {
      this.readable = el0;
      this.writable = userWrites;
      return !never && !(userWrites && r.writeExecuteNever);
    }
    this.readable = !((this.rights & Rights.pan) !== 0 && el0);
    this.writable = mayWrite && this.readable;
    const privilegedNever = (hi & PXN_HI) !== 0 || (hierarchy & PXNTABLE_HI) !== 0 || userWrites;
    return !privilegedNever && !(mayWrite && r.writeExecuteNever);
  }
}

/** Are the bits above the input size what they have to be: zeros for TTBR0, ones for TTBR1? */
function inRange(range: TableRange, upper: boolean, lo: number, hi: number): boolean {
  const { inputBits } = range;
  if (inputBits === 0) return false;
  const seen = range.topByteIgnored ? (hi << 8) >> 8 : hi;
  const wanted = upper ? -1 : 0;
  if (inputBits >= 32) return seen >> (inputBits - 32) === wanted;
  return seen === wanted && lo >> inputBits === wanted;
}
