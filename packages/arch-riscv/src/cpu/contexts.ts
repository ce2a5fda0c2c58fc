import { AddressSpaces } from "@hypercraft/engine";
import type { RiscvHart } from "./hart.js";
import { ASID_MASK, ASID_SHIFT, ATP_MODE_SHIFT, levelsOf, MODE_BARE, rootPage, VMID_MASK } from "./paging.js";
import { Regime } from "./regime.js";
import { H, M, S, VS } from "./state.js";
import { ENVCFG, HSTATUS, MPP, MPP_SHIFT, MPRV, MPV_HI, MXR, SUM } from "./status-bits.js";
import { WalkRecord } from "./walk-record.js";

// Context keys: address space * 64 + permission state.
const MACHINE = 0;
const BARE = 1;
const FIRST_SPACE = 2;
const PER_SPACE = 64;
const KEY_SUPERVISOR = 1;
const KEY_SUM = 2;
const KEY_MXR = 4;
const KEY_VS_MXR = 8;
const KEY_GLOBAL = 16;
const KEY_FETCH = 32;
/** MODE in the upper half of satp and vsatp. */
const MODE_BITS = 0xf << 28;
/** No table's root has this number: its lower half is the whole one's all ones. */
const NO_ROOT = -1;

/** Regimes and context keys of one mode. */
class Prepared {
  valid = false;
  readonly fetch = new Regime();
  readonly data = new Regime();
  codeKey = 0;
  globalKey = 0;
  /** The data keys while SUM is clear, and while it is set. */
  dataKeys: readonly [clear: number, set: number] = [0, 0];
}

/**
 * Which translation regime loads, stores and fetches are in, as `Regime`s for the walker and as context
 * keys for the engine. Nothing is flushed when the privilege mode, SUM, MXR or an ASID changes: each
 * combination is a context of its own.
 */
export class Contexts {
  /** Loads and stores. */
  data = new Regime();
  /** Instruction fetches. */
  fetch = new Regime();
  /** HLV, HLVX and HSV; current after `refreshHypervisor`. */
  readonly hypervisor = new Regime();
  private readonly hart: RiscvHart;
  private readonly walk: WalkRecord;
  private readonly spaces = new AddressSpaces(FIRST_SPACE);
  private readonly identity = [0, 0, 0, 0];
  /** By privilege mode | V << 2: worked out since the last change of anything else. Traps switch between them all the time. */
  private readonly prepared = Array.from({ length: 8 }, () => new Prepared());
  // Ids of the current address spaces; -1 when a register they consist of was written.
  private space = -1;
  private guestSpace = -1;

  constructor(hart: RiscvHart) {
    this.hart = hart;
    this.walk = new WalkRecord(hart.core, hart.pmp);
  }

  /** satp, vsatp or hgatp was written. */
  spaceChanged(): void {
    this.space = -1;
    this.guestSpace = -1;
    this.refresh();
  }

  /** MPRV, SUM, MXR, ADUE or an address space changed. */
  refresh(): void {
    this.forget();
    this.modeChanged();
  }

  private forget(): void {
    for (const p of this.prepared) p.valid = false;
  }

  /** Privilege or virtualization mode changed, and nothing else but status bits that translation does not depend on. */
  modeChanged(): void {
    const { core, priv, v } = this.hart;
    const p = this.prepared[priv | (v << 2)] as Prepared;
    if (!p.valid) this.prepare(p);
    this.fetch = p.fetch;
    this.data = p.data;
    core.setCodeContext(p.codeKey, p.globalKey);
    const [key, sumKey] = p.dataKeys;
    this.walk.select(key, Math.floor(key / PER_SPACE), p.data);
    core.setDataContexts(p.dataKeys, key !== sumKey && this.sum(p.data) ? 1 : 0);
  }

  private sum({ guest }: Regime): boolean {
    return (this.hart.core.lo(guest ? VS.status : M.status) & SUM) !== 0;
  }

  /** Work everything out for the current mode. */
  private prepare(p: Prepared): void {
    const hart = this.hart;
    const { core, priv, v } = hart;
    const status = core.lo(M.status);
    p.codeKey = this.describe(p.fetch, priv, v, status) + KEY_FETCH;
    p.globalKey = this.globalKey(p.fetch, p.codeKey);
    let dataPriv = priv;
    let dataV = v;
    if ((status & MPRV) !== 0) {
      dataPriv = (status & MPP) >>> MPP_SHIFT;
      dataV = dataPriv < 3 && (core.hi(M.status) & MPV_HI) !== 0 ? 1 : 0;
    }
    const key = this.describe(p.data, dataPriv, dataV, status) + this.permissions(p.data);
    p.dataKeys = [key, p.data.levels !== 0 && !p.data.user ? key + KEY_SUM : key];
    // With MPRV set, MPP and MPV count too: they change with the mode.
    p.valid = (status & MPRV) === 0;
  }

  /** Regime of loads and stores. Guest code switches SUM without telling. */
  currentData(): Regime {
    const { data } = this;
    data.sum = this.sum(data);
    return data;
  }

  /** Fill `hypervisor` from hstatus.SPVP and the VS CSRs. */
  refreshHypervisor(): Regime {
    const { core } = this.hart;
    const spvp = (core.lo(H.status) & HSTATUS.SPVP) !== 0 ? 1 : 0;
    this.describe(this.hypervisor, spvp, 1, core.lo(M.status));
    return this.hypervisor;
  }

  /** Fill a regime and give the key of its address space and privilege. */
  private describe(r: Regime, priv: number, v: number, status: number): number {
    const { core } = this.hart;
    r.machine = priv === 3;
    r.guest = v !== 0;
    r.user = priv === 0;
    r.guestLevels = 0;
    if (r.machine) {
      r.levels = 0;
      return MACHINE * PER_SPACE;
    }
    const supervisor = r.user ? 0 : KEY_SUPERVISOR;
    if (v === 0) {
      const hi = core.hi(S.atp);
      r.levels = levelsOf(hi);
      if (r.levels === 0) return BARE * PER_SPACE;
      r.root = rootPage(core.lo(S.atp), hi);
      r.sum = (status & SUM) !== 0;
      r.mxr = (status & MXR) !== 0;
      r.adue = (core.hi(M.envcfg) & ENVCFG.ADUE_HI) !== 0;
      return this.hostSpace() * PER_SPACE + supervisor;
    }
    const atpHi = core.hi(VS.atp);
    const gatpHi = core.hi(H.gatp);
    const vsstatus = core.lo(VS.status);
    r.levels = levelsOf(atpHi);
    r.root = rootPage(core.lo(VS.atp), atpHi);
    r.sum = (vsstatus & SUM) !== 0;
    r.mxr = ((vsstatus | status) & MXR) !== 0;
    r.adue = (core.hi(H.envcfg) & core.hi(M.envcfg) & ENVCFG.ADUE_HI) !== 0;
    r.guestLevels = levelsOf(gatpHi);
    r.guestRoot = rootPage(core.lo(H.gatp), gatpHi);
    r.guestMxr = (status & MXR) !== 0;
    r.guestAdue = (core.hi(M.envcfg) & ENVCFG.ADUE_HI) !== 0;
    return this.virtualSpace() * PER_SPACE + (r.levels === 0 ? 0 : supervisor);
  }

  /** The part of a data key that MXR makes; it means nothing where nothing is translated. */
  private permissions(r: Regime): number {
    if (r.levels === 0) return r.guestLevels !== 0 && r.guestMxr ? KEY_MXR : 0;
    if (!r.guest) return r.mxr ? KEY_MXR : 0;
    return (r.guestMxr ? KEY_MXR : 0) | (r.mxr && !r.guestMxr ? KEY_VS_MXR : 0);
  }

  /** Key of the pages that all address spaces of the regime have in common: an address space of its own, by mode. */
  private globalKey(r: Regime, codeKey: number): number {
    const { core } = this.hart;
    if (r.levels === 0) return codeKey;
    const mode = (r.guest ? core.hi(VS.atp) : core.hi(S.atp)) & MODE_BITS;
    const [gatpLo, gatpHi] = r.guest ? [core.lo(H.gatp), core.hi(H.gatp)] : [0, 0];
    return (
      this.identify(r.guest, NO_ROOT, mode, gatpLo, gatpHi) * PER_SPACE +
      KEY_GLOBAL +
      (r.user ? 0 : KEY_SUPERVISOR)
    );
  }

  private hostSpace(): number {
    if (this.space < 0) {
      const { core } = this.hart;
      this.makeRoom();
      this.space = this.identify(false, core.lo(S.atp), core.hi(S.atp), 0, 0);
    }
    return this.space;
  }

  private virtualSpace(): number {
    if (this.guestSpace < 0) {
      const { core } = this.hart;
      this.makeRoom();
      const [atpLo, atpHi] = [core.lo(VS.atp), core.hi(VS.atp)];
      this.guestSpace = this.identify(true, atpLo, atpHi, core.lo(H.gatp), core.hi(H.gatp));
    }
    return this.guestSpace;
  }

  /** The space of satp, or of vsatp and hgatp. */
  private identify(guest: boolean, atpLo: number, atpHi: number, gatpLo: number, gatpHi: number): number {
    const { identity } = this;
    identity[0] = atpLo;
    identity[1] = atpHi;
    identity[2] = gatpLo;
    identity[3] = gatpHi;
    return this.spaces.id(
      guest,
      (atpHi >>> ASID_SHIFT) & ASID_MASK,
      (gatpHi >>> ASID_SHIFT) & VMID_MASK,
      identity,
    );
  }

  private makeRoom(): void {
    if (!this.spaces.full) return;
    this.space = -1;
    this.guestSpace = -1;
    this.spaces.clear();
    this.forget();
    this.walk.forget();
    this.hart.core.dropContexts();
  }

  // --- Dropping ------------------------------------------------------------------------------

  /** Forget the address spaces of V=0 with an ASID (-1: all of them). */
  dropHost(asid: number): void {
    this.drop(false, asid, -1);
  }

  /** Forget the address spaces of V=1 with a VMID and an ASID (-1: any). */
  dropGuest(vmid: number, asid: number): void {
    this.drop(true, asid, vmid);
  }

  /** Forget a page of all address spaces. */
  dropPage(lo: number, hi: number): void {
    this.walk.forgetTables();
    this.hart.core.dropPage(lo, hi);
  }

  private drop(guest: boolean, asid: number, vmid: number): void {
    const { core } = this.hart;
    const { spaces } = this;
    this.walk.forgetTables();
    if (asid < 0) core.dropContexts((key) => spaces.matches(Math.floor(key / PER_SPACE), guest, asid, vmid));
    else
      for (const id of spaces.withAsid(asid))
        if (spaces.matches(id, guest, asid, vmid)) core.dropContextRange(id * PER_SPACE, PER_SPACE);
  }

  /** Forget everything: protection of physical memory changed, or the whole state did. */
  dropAll(): void {
    this.walk.forget();
    this.hart.core.dropContexts();
    this.refresh();
  }

  /** After the state was replaced: nothing known about the past holds. */
  reset(): void {
    this.space = -1;
    this.guestSpace = -1;
    this.spaces.clear();
    this.dropAll();
  }
}

/** Is the MODE field of an address-translation register one the hart has? */
export function supportsMode(hi: number, sv: 39 | 48 | 57): boolean {
  const mode = hi >>> ATP_MODE_SHIFT;
  return mode === MODE_BARE || (mode >= 8 && mode <= 8 + (sv - 39) / 9);
}
