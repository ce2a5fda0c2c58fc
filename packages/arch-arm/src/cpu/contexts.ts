import { AddressSpaces } from "@hypercraft/engine";
import { Rights } from "./access.js";
import { HCR, SCTLR, TCR } from "./control-bits.js";
import { EL1, EL2 } from "./fields.js";
import { outputBits, PHYSICAL_BITS } from "./mmu.js";
import type { ArmPe } from "./pe.js";
import { Regime, type TableRange } from "./regime.js";
import { PSTATE } from "./state.js";
import { POWER } from "./table-walk.js";
import { WalkRecord } from "./walk-record.js";

// Context keys: address space * 16 + permission state.
const PER_SPACE = 16;
const KEY_PRIVILEGED = 1;
const KEY_PAN = 2;
const KEY_FETCH = 4;
const KEY_GLOBAL = 8;
/** Data contexts of EL1: privileged, privileged with PAN, and this one. */
const UNPRIVILEGED = 2;
/** No ASID: what all address spaces of a regime have in common. */
const NO_ASID = -1;
/** TG0 and TG1 by value: log2 of the granule, 0 reserved. */
const TG0 = [12, 16, 14, 0] as const;
const TG1 = [0, 14, 12, 16] as const;
/** Bits of HCR_EL2 that translation depends on. */
const HCR_TRANSLATION = HCR.VM | HCR.PTW | HCR.DC | HCR.TGE;
/** Tables of the second stage translate no less. */
const MIN_INPUT_BITS = 25;

/** A regime with the numbers of its address spaces: the current one, and what it shares with all others. */
class Prepared {
  valid = false;
  /** All but table bases is. */
  controlsValid = false;
  readonly regime: Regime;
  /** The registers that it depends on, as they tell address spaces apart: the first ones are those without bases. */
  readonly words: number[] = [];
  controls = 0;
  space = 0;
  common = 0;

  constructor(el2: boolean) {
    this.regime = new Regime(el2);
  }
}

/**
 * Which translation regime accesses are in, as `Regime`s for the walker and as context keys for the engine. All registers
 * that translation depends on tell address spaces apart, so nothing is flushed when one of them changes, nor when the
 * exception level or PAN does.
 */
export class Contexts {
  private readonly pe: ArmPe;
  private readonly walk: WalkRecord;
  private readonly spaces = new AddressSpaces(0);
  private readonly guest = new Prepared(false);
  private readonly hypervisor = new Prepared(true);
  private current = this.hypervisor;
  /** Keys of the data contexts by exception level. */
  private readonly keys: readonly [number[], number[], number[]] = [[0], [0, 0, 0], [0]];
  /** VTTBR_EL2 and VTCR_EL2 for which the second stage's translations are remembered. */
  private readonly stage2Words = [0, 0, 0];
  /** log2 of the largest granule that a first stage had. */
  private largestGrain = 12;

  constructor(pe: ArmPe) {
    this.pe = pe;
    this.walk = new WalkRecord(pe.core);
  }

  /** Registers that translation depends on changed. */
  refresh(): void {
    this.guest.controlsValid = false;
    this.guest.valid = false;
    this.hypervisor.controlsValid = false;
    this.hypervisor.valid = false;
    this.modeChanged();
  }

  /** A register of the regime of EL2, or of EL1 and EL0, changed; perhaps a table base alone. */
  changed(el2: boolean, base: boolean): void {
    const p = el2 ? this.hypervisor : this.guest;
    p.valid = false;
    if (!base) p.controlsValid = false;
    if (el2 === (this.pe.el === 2)) this.modeChanged();
  }

  /** The exception level or PAN changed, and nothing else. */
  modeChanged(): void {
    const { core, el } = this.pe;
    if (this.spaces.full) this.clear();
    const p = el === 2 ? this.hypervisor : this.guest;
    if (!p.valid) this.prepare(p);
    this.current = p;
    const first = p.space * PER_SPACE;
    const common = p.common * PER_SPACE;
    const keys = this.keys[el as 0 | 1 | 2];
    const privilege = el === 0 ? 0 : KEY_PRIVILEGED;
    keys[0] = first + privilege;
    if (el === 1) {
      keys[1] = first + KEY_PRIVILEGED + KEY_PAN;
      keys[UNPRIVILEGED] = first;
    }
    const code = first + KEY_FETCH + privilege;
    core.setCodeContext(code, p.common === p.space ? code : common + KEY_GLOBAL + privilege);
    this.walk.select(el, p.space, p.regime);
    core.setDataContexts(keys, el === 1 && core.lo(PSTATE.pan) !== 0 ? 1 : 0);
  }

  /** The regime of the current exception level. */
  get regime(): Regime {
    return this.current.regime;
  }

  /** Whose rights instruction fetches have. */
  get fetchRights(): number {
    return this.pe.el === 0 ? Rights.user : 0;
  }

  /** Whose rights loads and stores of the current instruction have. Guest code changes PAN without telling. */
  get dataRights(): number {
    const { core, el } = this.pe;
    if (el === 2) return 0;
    if (el === 0 || core.selectedContext === UNPRIVILEGED) return Rights.user;
    return core.lo(PSTATE.pan) !== 0 ? Rights.pan : 0;
  }

  /** The regime of another level than the current one, perhaps. */
  regimeOf(el: number): Regime {
    const p = el === 2 ? this.hypervisor : this.guest;
    if (!p.valid) this.prepare(p);
    return p.regime;
  }

  /** Upper half of a branch target: a tag is replaced by what it stands for (AArch64.BranchAddr). */
  branchTop(hi: number): number {
    const { regime } = this;
    if (!regime.range(hi).topByteIgnored) return hi;
    return regime.isUpper(hi) ? hi | (0xff << 24) : hi & 0xff_ffff;
  }

  private prepare(p: Prepared): void {
    if (!p.controlsValid) {
      p.words.length = 0;
      if (p === this.hypervisor) this.describeEl2(p);
      else this.describeEl1(p);
      const { stage1, low, high } = p.regime;
      if (stage1) this.largestGrain = Math.max(this.largestGrain, low.grain, high.grain);
      p.controls = p.words.length;
      p.controlsValid = true;
    }
    p.words.length = p.controls;
    if (p === this.hypervisor) this.basesOfEl2(p);
    else this.basesOfEl1(p);
    p.valid = true;
  }

  private describeEl2(p: Prepared): void {
    const { core } = this.pe;
    const r = p.regime;
    const tcr = core.lo(EL2.tcr);
    const sctlr = core.lo(EL2.sctlr) & (SCTLR.M | SCTLR.WXN);
    const [mairLo, mairHi] = [core.lo(EL2.mair), core.hi(EL2.mair)];
    r.stage1 = (sctlr & SCTLR.M) !== 0;
    r.writeExecuteNever = (sctlr & SCTLR.WXN) !== 0;
    r.outputBits = outputBits((tcr >>> 16) & 7);
    r.deviceAttributes = deviceAttributes(mairLo, mairHi);
    r.low.enabled = true;
    r.low.topByteIgnored = (tcr & (1 << 20)) !== 0;
    stage1Range(r.low, tcr & 63, TG0[(tcr >>> 14) & 3] as number);
    p.words.push(sctlr, tcr, mairLo, mairHi);
  }

  private basesOfEl2(p: Prepared): void {
    const { core } = this.pe;
    const [lo, hi] = [core.lo(EL2.ttbr0), core.hi(EL2.ttbr0)];
    setBase(p.regime.low, lo, hi, p.regime.outputBits);
    p.words.push(lo, hi);
    p.space = this.spaces.id(false, 0, 0, p.words);
    p.common = p.space;
  }

  private describeEl1(p: Prepared): void {
    const { core } = this.pe;
    const r = p.regime;
    const [tcr, tcrHi] = [core.lo(EL1.tcr), core.hi(EL1.tcr)];
    const hcr = core.lo(EL2.hcr) & HCR_TRANSLATION;
    const sctlr = core.lo(EL1.sctlr) & (SCTLR.M | SCTLR.WXN);
    const [mairLo, mairHi] = [core.lo(EL1.mair), core.hi(EL1.mair)];
    r.stage1 = (sctlr & SCTLR.M) !== 0 && (hcr & (HCR.TGE | HCR.DC)) === 0;
    r.stage2 = (hcr & (HCR.VM | HCR.DC)) !== 0;
    r.defaultCacheable = (hcr & HCR.DC) !== 0;
    r.protectedWalk = (hcr & HCR.PTW) !== 0;
    r.writeExecuteNever = (sctlr & SCTLR.WXN) !== 0;
    r.outputBits = outputBits(tcrHi & 7);
    r.deviceAttributes = deviceAttributes(mairLo, mairHi);
    r.low.enabled = (tcr & TCR.EPD0) === 0;
    r.high.enabled = (tcr & TCR.EPD1) === 0;
    r.low.topByteIgnored = (tcrHi & TCR.TBI0_HI) !== 0;
    r.high.topByteIgnored = (tcrHi & TCR.TBI1_HI) !== 0;
    stage1Range(r.low, tcr & 63, TG0[(tcr >>> 14) & 3] as number);
    stage1Range(r.high, (tcr >>> 16) & 63, TG1[tcr >>> 30] as number);
    p.words.push(sctlr, hcr, tcr, tcrHi, mairLo, mairHi);
    if (r.stage2) this.describeStage2(p);
  }

  private basesOfEl1(p: Prepared): void {
    const { core } = this.pe;
    const r = p.regime;
    const { vmid } = this;
    if (!r.stage1) {
      p.space = this.spaces.id(true, 0, vmid, p.words);
      p.common = p.space;
      return;
    }
    const [lo0, hi0] = [core.lo(EL1.ttbr0), core.hi(EL1.ttbr0)];
    const [lo1, hi1] = [core.lo(EL1.ttbr1), core.hi(EL1.ttbr1)];
    setBase(r.low, lo0, hi0, r.outputBits);
    setBase(r.high, lo1, hi1, r.outputBits);
    p.words.push(lo1, hi1 & 0xffff);
    p.common = this.spaces.id(true, NO_ASID, vmid, p.words);
    p.words.push(hi1, lo0, hi0);
    p.space = this.spaces.id(true, this.asid, vmid, p.words);
  }

  private describeStage2(p: Prepared): void {
    const { core, mmu } = this.pe;
    const r = p.regime;
    const vtcr = core.lo(EL2.vtcr);
    const [lo, hi] = [core.lo(EL2.vttbr), core.hi(EL2.vttbr)];
    const range = r.guest;
    const grain = TG0[(vtcr >>> 14) & 3] as number;
    const sl0 = (vtcr >>> 6) & 3;
    const inputBits = 64 - (vtcr & 63);
    r.guestOutputBits = outputBits((vtcr >>> 16) & 7);
    range.grain = grain;
    range.inputBits = inputBits;
    range.startLevel = (grain === 12 ? 2 : 3) - sl0;
    const covered = coverage(range);
    // Up to 16 tables may be concatenated at the first level; level 0 and the largest ones need 44 bits.
    range.enabled =
      grain !== 0 &&
      sl0 < 3 &&
      inputBits >= MIN_INPUT_BITS &&
      inputBits <= PHYSICAL_BITS &&
      inputBits > covered &&
      inputBits <= covered + grain + 1;
    range.bytes = 2 ** (3 + inputBits - covered);
    setBase(range, lo, hi, r.guestOutputBits);
    p.words.push(vtcr, lo, hi);
    const { stage2Words } = this;
    if (stage2Words[0] === vtcr && stage2Words[1] === lo && stage2Words[2] === hi) return;
    stage2Words[0] = vtcr;
    stage2Words[1] = lo;
    stage2Words[2] = hi;
    mmu.stage2.flush();
  }

  /** The current ASID: 16 bits, or with TCR_EL1.AS clear 8. */
  get asid(): number {
    const { core } = this.pe;
    const which = (core.lo(EL1.tcr) & TCR.A1) !== 0 ? EL1.ttbr1 : EL1.ttbr0;
    return this.asidOf(core.hi(which));
  }

  /** The ASID in the upper half of a register or of an operand of TLBI. */
  asidOf(hi: number): number {
    return (hi >>> 16) & ((this.pe.core.hi(EL1.tcr) & TCR.AS_HI) !== 0 ? 0xffff : 0xff);
  }

  get vmid(): number {
    return (this.pe.core.hi(EL2.vttbr) >>> 16) & 0xff;
  }

  // --- Dropping ------------------------------------------------------------------------------

  /** Forget what EL1 and EL0 of a VMID (-1: all) have with an ASID (-1: all, global pages too). */
  dropGuest(vmid: number, asid: number): void {
    const { core } = this.pe;
    const { spaces } = this;
    this.walk.forgetTables();
    if (asid < 0)
      return core.dropContexts((key) => spaces.matches(Math.floor(key / PER_SPACE), true, -1, vmid));
    for (const id of spaces.withAsid(asid))
      if (spaces.matches(id, true, asid, vmid)) core.dropContextRange(id * PER_SPACE, PER_SPACE);
  }

  /** Forget the second stage of a VMID (-1: all), and with it all that was translated by it. */
  dropStage2(vmid: number): void {
    this.pe.mmu.stage2.flush();
    this.dropGuest(vmid, -1);
  }

  /** Forget EL2's regime. */
  dropEl2(): void {
    this.walk.forgetTables();
    this.pe.core.dropContexts((key) => this.spaces.matches(Math.floor(key / PER_SPACE), false, -1, -1));
  }

  /** Forget a page of all address spaces. `last`: tables on the way to it are as they were. */
  dropPage(lo: number, hi: number, last: boolean): void {
    const { core, mmu } = this.pe;
    if (!last) this.walk.forgetTables();
    if (mmu.taggedLarge) {
      mmu.taggedLarge = false;
      return core.dropContexts();
    }
    // The page may be one of 16 or 64 KiB.
    const size = 1 << this.largestGrain;
    const start = lo & -size;
    for (let at = 0; at < size; at += 4096) core.dropPage(start + at, hi);
  }

  private clear(): void {
    this.spaces.clear();
    this.guest.valid = false;
    this.hypervisor.valid = false;
    this.walk.forget();
    this.pe.core.dropContexts();
  }

  /** After the state was replaced: nothing known about the past holds. */
  reset(): void {
    this.clear();
    this.pe.mmu.stage2.flush();
    this.refresh();
  }
}

function stage1Range(range: TableRange, size: number, grain: number): void {
  range.grain = grain === 0 ? 12 : grain;
  range.inputBits = size >= 16 && size <= 39 && grain !== 0 ? 64 - size : 0;
  range.startLevel = 4 - Math.ceil((range.inputBits - range.grain) / (range.grain - 3));
  range.bytes = 2 ** (3 + range.inputBits - coverage(range));
}

/** log2 of what one descriptor of the first level maps. */
function coverage({ grain, startLevel }: TableRange): number {
  return (3 - startLevel) * (grain - 3) + grain;
}

function setBase(range: TableRange, lo: number, hi: number, output: number): void {
  range.base = (hi & 0xffff) * 0x1_0000_0000 + ((lo & -range.bytes) >>> 0);
  range.baseTooLarge = range.base >= (POWER[output] as number);
}

/** Bit n: attribute n of a MAIR is Device memory. */
function deviceAttributes(lo: number, hi: number): number {
  let bits = 0;
  for (let i = 0; i < 8; i++) if ((((i < 4 ? lo : hi) >>> (8 * (i & 3))) & 0xf0) === 0) bits |= 1 << i;
  return bits;
}
