import type { CoreApi, Field, Translation } from "@hypercraft/engine";
import { FaultRecord, Need, needsRead, needsWrite } from "./access.js";
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
  attributeIndex = -1;
  /** SH of the leaf. */
  shareability = 0;
  private readonly core: CoreApi;
  private readonly tables: TableWalk;
  private regime: Regime | undefined;
  private need: Need = Need.read;

  constructor(core: CoreApi) {
    this.core = core;
    this.tables = new TableWalk(core);
    this.stage2 = new Stage2(core, this.fault);
  }

  /** The last translation that worked led to Device memory. */
  get isDevice(): boolean {
    return this.device || (this.regime?.stage2 === true && this.stage2.device);
  }

  /** Attributes of the last translation as a byte of MAIR: Device-nGnRnE, or Normal write-back, without a first stage. */
  attributes(mair: Field): number {
    const { core, attributeIndex: i } = this;
    if (i < 0) return this.device ? 0 : 0xff;
    return ((i < 4 ? core.lo(mair) : core.hi(mair)) >>> (8 * (i & 3))) & 0xff;
  }

  /** Translate `size` bytes that lie in one 4 KiB page; true fills `out`. */
  translate(r: Regime, need: Need, lo: number, hi: number, size: number, out: Translation): boolean {
    const unaligned = need !== Need.fetch && (lo & (size - 1)) !== 0;
    this.regime = r;
    const code = r.stage1
      ? this.firstStage(r, need, lo, hi, unaligned)
      : this.flat(r, need, lo, hi, unaligned);
    if (code === REPORTED) return false;
    if (code !== WALKED) return this.failed(code, need);
    const { stage2 } = this;
    if (!stage2.translate(r, need, this.ipa, false)) return false;
    if (unaligned && stage2.device) {
      this.failed(Fsc.alignment, need);
      this.fault.stage2 = true;
      this.fault.ipa = this.ipa;
      return false;
    }
    out.physical = stage2.physical;
    out.readable = this.readable && stage2.readable;
    out.writable = this.writable && stage2.writable;
    // Device memory faults on what is unaligned, so every access has to be seen; tags are no part of an address.
    out.cacheable = need === Need.fetch ? !this.tagged : !this.device && !stage2.device && !this.tagged;
    out.pageShift = this.shift;
    out.global = this.global;
    return true;
  }

  /** The first stage alone, for AT: true fills `out.physical` with its output. */
  translateFirst(r: Regime, need: Need, lo: number, hi: number, out: Translation): boolean {
    this.regime = r;
    this.stage2.device = false;
    const code = r.stage1 ? this.firstStage(r, need, lo, hi, false) : this.flat(r, need, lo, hi, false);
    if (code === REPORTED) return false;
    if (code !== WALKED) return this.failed(code, need);
    out.physical = this.ipa;
    return true;
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
  private flat(r: Regime, need: Need, lo: number, hi: number, unaligned: boolean): number {
    const range = !r.el2 && (hi & (1 << 23)) !== 0 ? r.high : r.low;
    const top = range.topByteIgnored ? hi & 0xff_ffff : hi >>> 0;
    this.tagged = range.topByteIgnored && hi >>> 24 !== 0;
    this.readable = true;
    this.writable = true;
    this.global = false;
    this.shift = 12;
    this.attributeIndex = -1;
    this.shareability = 2;
    this.device = !r.defaultCacheable && need !== Need.fetch;
    this.ipa = top * 0x1_0000_0000 + (lo >>> 0);
    if (this.ipa >= (POWER[PHYSICAL_BITS] as number)) return Fsc.addressSize;
    return unaligned && this.device ? Fsc.alignment : WALKED;
  }

  private readonly locate = (address: number): number => {
    const { core, stage2, regime, need } = this;
    if (!stage2.translate(regime as Regime, need, address, true)) return REPORTED;
    return core.ramOffset(stage2.physical);
  };

  private firstStage(r: Regime, need: Need, lo: number, hi: number, unaligned: boolean): number {
    const upper = !r.el2 && (hi & (1 << 23)) !== 0;
    const range = upper ? r.high : r.low;
    this.readable = false;
    this.device = false;
    if (!range.enabled || !inRange(range, upper, lo, hi)) return Fsc.translation;
    this.tagged = range.topByteIgnored && hi >>> 24 !== (upper ? 0xff : 0);
    this.need = need;
    const { tables } = this;
    const va = (hi & 0xffff) * 0x1_0000_0000 + (lo >>> 0);
    const input = va % (POWER[range.inputBits] as number);
    const code = tables.walk(range, input, r.outputBits, this.locate);
    if (code !== WALKED) return code;
    this.ipa = tables.output;
    this.shift = tables.leafBits;
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
    if (r.user) {
      this.readable = el0;
      this.writable = userWrites;
      return !never && !(userWrites && r.writeExecuteNever);
    }
    this.readable = !(r.pan && el0);
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
