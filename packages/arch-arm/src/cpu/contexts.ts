import { AddressSpaces } from "@hypercraft/engine";
import { HCR, SCTLR, TCR } from "./control-bits.js";
import { EL1, EL2 } from "./fields.js";
import { outputBits, PHYSICAL_BITS } from "./mmu.js";
import type { ArmPe } from "./pe.js";
import { Regime, type TableRange } from "./regime.js";
import { PSTATE } from "./state.js";
import { isUnprivileged } from "./syndrome.js";

// Context keys: address space * 32 + permission state.
const PER_SPACE = 32;
const KEY_PRIVILEGED = 1;
const KEY_PAN = 2;
const KEY_FETCH = 8;
const KEY_GLOBAL = 16;
/** No ASID: what all address spaces of a regime have in common. */
const NO_ASID = -1;
/** TG0 and TG1 by value: log2 of the granule, 0 reserved. */
const TG0 = [12, 16, 14, 0] as const;
const TG1 = [0, 14, 12, 16] as const;

/** Regimes and context keys of one exception level. */
class Prepared {
  valid = false;
  readonly fetch = new Regime();
  readonly data = new Regime();
  codeKey = 0;
  globalKey = 0;
  /** Data contexts: privileged, privileged with PAN, unprivileged. */
  readonly keys = [0, 0, 0];
}

/**
 * Which translation regime accesses are in, as `Regime`s for the walker and as context keys for the engine: nothing
 * is flushed when the exception level, PAN, an ASID or a VMID changes.
 */
export class Contexts {
  private readonly pe: ArmPe;
  private readonly spaces = new AddressSpaces(0);
  private readonly prepared = [new Prepared(), new Prepared(), new Prepared()] as const;
  private current: Prepared = this.prepared[2];
  /** EL0's accesses from EL1: LDTR, AT S1E0*. */
  private readonly unprivileged = new Regime();
  private readonly other = new Regime();

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  /** A table base changed. */
  refresh(): void {
    for (const p of this.prepared) p.valid = false;
    this.modeChanged();
  }

  /** The exception level changed, and nothing else. */
  modeChanged(): void {
    const { core, el } = this.pe;
    if (this.spaces.full) this.clear();
    const p = this.prepared[el as 0 | 1 | 2];
    if (!p.valid) this.prepare(p, el);
    this.current = p;
    core.setCodeContext(p.codeKey, p.globalKey);
    core.setDataContexts(p.keys, el === 1 && core.lo(PSTATE.pan) !== 0 ? 1 : 0);
  }

  /** Instruction fetches. */
  get fetch(): Regime {
    return this.current.fetch;
  }

  /** Loads and stores of the current instruction. Guest code changes PAN without telling. */
  currentData(): Regime {
    const { core, el } = this.pe;
    const { data } = this.current;
    if (el !== 1) return data;
    if (isUnprivileged(this.pe.instructionBits())) return this.describeAs(this.unprivileged, 0);
    data.pan = core.lo(PSTATE.pan) !== 0;
    return data;
  }

  /** The regime of a level as AT sees it: PAN does not count. */
  ofLevel(el: number): Regime {
    return this.describeAs(this.other, el);
  }

  private describeAs(r: Regime, el: number): Regime {
    this.describe(r, el);
    return r;
  }

  /** Upper half of a branch target: a tag is replaced by what it stands for (AArch64.BranchAddr). */
  branchTop(hi: number): number {
    const { low, high } = this.current.fetch;
    const upper = this.pe.el !== 2 && (hi & (1 << 23)) !== 0;
    if (!(upper ? high : low).topByteIgnored) return hi;
    return upper ? hi | (0xff << 24) : hi & 0xff_ffff;
  }

  private prepare(p: Prepared, el: number): void {
    const id = this.describe(p.data, el);
    this.describe(p.fetch, el);
    const space = id * PER_SPACE;
    const privilege = el === 0 ? 0 : KEY_PRIVILEGED;
    p.codeKey = space + KEY_FETCH + privilege;
    p.globalKey = el < 2 && p.fetch.stage1 ? this.commonSpace(el) : p.codeKey;
    const both = el === 1;
    p.keys[0] = space + privilege;
    p.keys[1] = space + privilege + (both ? KEY_PAN : 0);
    p.keys[2] = space + (both ? 0 : privilege);
    p.valid = true;
  }

  /** Fill a regime and give the number of its address space. */
  private describe(r: Regime, el: number): number {
    r.el2 = el === 2;
    r.user = el === 0;
    r.pan = false;
    return el === 2 ? this.describeEl2(r) : this.describeEl1(r);
  }

  private describeEl2(r: Regime): number {
    const { core } = this.pe;
    const tcr = core.lo(EL2.tcr);
    r.stage1 = (core.lo(EL2.sctlr) & SCTLR.M) !== 0;
    r.stage2 = false;
    r.defaultCacheable = false;
    r.writeExecuteNever = (core.lo(EL2.sctlr) & SCTLR.WXN) !== 0;
    r.outputBits = outputBits((tcr >>> 16) & 7);
    r.deviceAttributes = deviceAttributes(core.lo(EL2.mair), core.hi(EL2.mair));
    r.low.enabled = true;
    r.low.topByteIgnored = (tcr & (1 << 20)) !== 0;
    const [lo, hi] = [core.lo(EL2.ttbr0), core.hi(EL2.ttbr0)];
    stage1Range(r.low, tcr & 63, TG0[(tcr >>> 14) & 3] as number, lo, hi, r.outputBits);
    return this.spaces.id(false, 0, 0, [r.stage1 ? 1 : 0, lo, hi]);
  }

  private describeEl1(r: Regime): number {
    const { core } = this.pe;
    const [tcr, tcrHi] = [core.lo(EL1.tcr), core.hi(EL1.tcr)];
    const hcr = core.lo(EL2.hcr);
    const sctlr = core.lo(EL1.sctlr);
    const [lo0, hi0, lo1, hi1] = [
      core.lo(EL1.ttbr0),
      core.hi(EL1.ttbr0),
      core.lo(EL1.ttbr1),
      core.hi(EL1.ttbr1),
    ];
    r.stage1 = (sctlr & SCTLR.M) !== 0 && (hcr & (HCR.TGE | HCR.DC)) === 0;
    r.stage2 = (hcr & (HCR.VM | HCR.DC)) !== 0;
    r.defaultCacheable = (hcr & HCR.DC) !== 0;
    r.protectedWalk = (hcr & HCR.PTW) !== 0;
    r.writeExecuteNever = (sctlr & SCTLR.WXN) !== 0;
    r.outputBits = outputBits(tcrHi & 7);
    r.deviceAttributes = deviceAttributes(core.lo(EL1.mair), core.hi(EL1.mair));
    r.low.enabled = (tcr & TCR.EPD0) === 0;
    r.high.enabled = (tcr & TCR.EPD1) === 0;
    r.low.topByteIgnored = (tcrHi & (1 << 5)) !== 0;
    r.high.topByteIgnored = (tcrHi & (1 << 6)) !== 0;
    stage1Range(r.low, tcr & 63, TG0[(tcr >>> 14) & 3] as number, lo0, hi0, r.outputBits);
    stage1Range(r.high, (tcr >>> 16) & 63, TG1[tcr >>> 30] as number, lo1, hi1, r.outputBits);
    const vttbrLo = core.lo(EL2.vttbr);
    const vttbrHi = core.hi(EL2.vttbr);
    if (r.stage2) this.describeStage2(r, vttbrLo, vttbrHi);
    const vmid = (vttbrHi >>> 16) & 0xff;
    const flags = (r.stage1 ? 1 : 0) | (r.stage2 ? 2 : 0) | (r.defaultCacheable ? 4 : 0);
    const [baseLo, baseHi] = r.stage2 ? [vttbrLo, vttbrHi] : [0, 0];
    if (!r.stage1) return this.spaces.id(true, 0, vmid, [flags, baseLo, baseHi]);
    return this.spaces.id(true, this.asid, vmid, [flags, baseLo, baseHi, lo0, hi0, lo1, hi1]);
  }

  private describeStage2(r: Regime, lo: number, hi: number): void {
    const vtcr = this.pe.core.lo(EL2.vtcr);
    const range = r.guest;
    const grain = TG0[(vtcr >>> 14) & 3] as number;
    const sl0 = (vtcr >>> 6) & 3;
    const inputBits = 64 - (vtcr & 63);
    r.guestOutputBits = outputBits((vtcr >>> 16) & 7);
    range.grain = grain;
    range.inputBits = inputBits;
    range.startLevel = (grain === 12 ? 2 : 3) - sl0;
    const covered = (3 - range.startLevel) * (grain - 3) + grain;
    // Up to 16 tables may be concatenated at the first level; level 0 and the largest ones need 44 bits.
    range.enabled =
      grain !== 0 &&
      sl0 < 3 &&
      inputBits <= PHYSICAL_BITS &&
      inputBits > covered &&
      inputBits <= covered + grain + 1;
    setBase(range, covered, lo, hi, r.guestOutputBits);
  }

  /** Key of the pages of TTBR1_EL1's half that are global: an address space of its own. */
  private commonSpace(el: number): number {
    const { core } = this.pe;
    const vttbrHi = core.hi(EL2.vttbr);
    const id = this.spaces.id(true, NO_ASID, (vttbrHi >>> 16) & 0xff, [
      core.lo(EL2.hcr) & (HCR.VM | HCR.DC),
      core.lo(EL2.vttbr),
      vttbrHi,
      core.lo(EL1.ttbr1),
      core.hi(EL1.ttbr1) & 0xffff,
    ]);
    return id * PER_SPACE + KEY_GLOBAL + (el === 0 ? 0 : KEY_PRIVILEGED);
  }

  /** The current ASID. */
  get asid(): number {
    const { core } = this.pe;
    const which = (core.lo(EL1.tcr) & TCR.A1) !== 0 ? EL1.ttbr1 : EL1.ttbr0;
    return core.hi(which) >>> 16;
  }

  get vmid(): number {
    return (this.pe.core.hi(EL2.vttbr) >>> 16) & 0xff;
  }

  // --- Dropping ------------------------------------------------------------------------------

  /** Forget what EL1 and EL0 of a VMID (-1: all) have with an ASID (-1: all, global pages too). */
  dropGuest(vmid: number, asid: number): void {
    const { core } = this.pe;
    const { spaces } = this;
    if (asid < 0)
      return core.dropContexts((key) => spaces.matches(Math.floor(key / PER_SPACE), true, -1, vmid));
    for (const id of spaces.withAsid(asid))
      if (spaces.matches(id, true, asid, vmid)) core.dropContextRange(id * PER_SPACE, PER_SPACE);
  }

  /** Forget EL2's regime. */
  dropEl2(): void {
    this.pe.core.dropContexts((key) => this.spaces.matches(Math.floor(key / PER_SPACE), false, -1, -1));
  }

  /** Forget a page of all address spaces. */
  dropPage(lo: number, hi: number): void {
    this.pe.core.dropPage(lo, hi);
  }

  /** Something changed that all translations depend on. */
  dropAll(): void {
    this.pe.core.dropContexts();
    this.refresh();
  }

  private clear(): void {
    this.spaces.clear();
    for (const p of this.prepared) p.valid = false;
    this.pe.core.dropContexts();
  }

  /** After the state was replaced. */
  reset(): void {
    this.clear();
    this.refresh();
  }
}

function stage1Range(
  range: TableRange,
  size: number,
  grain: number,
  lo: number,
  hi: number,
  output: number,
): void {
  range.grain = grain === 0 ? 12 : grain;
  range.inputBits = size >= 16 && size <= 39 && grain !== 0 ? 64 - size : 0;
  const stride = range.grain - 3;
  range.startLevel = 4 - Math.ceil((range.inputBits - range.grain) / stride);
  setBase(range, (3 - range.startLevel) * stride + range.grain, lo, hi, output);
}

/** The table's address; `covered`: log2 of what one descriptor of the first level maps. */
function setBase(range: TableRange, covered: number, lo: number, hi: number, output: number): void {
  const base = (hi & 0xffff) * 0x1_0000_0000 + ((lo & ~1) >>> 0);
  const size = 2 ** (3 + range.inputBits - covered);
  range.base = base - (base % size);
  range.baseTooLarge = range.base >= 2 ** output;
}

/** Bit n: attribute n of a MAIR is Device memory. */
function deviceAttributes(lo: number, hi: number): number {
  let bits = 0;
  for (let i = 0; i < 8; i++) if ((((i < 4 ? lo : hi) >>> (8 * (i & 3))) & 0xf0) === 0) bits |= 1 << i;
  return bits;
}
