import { type CoreApi, type PageCache, WalkCaches } from "@hypercraft/engine";
import { type FaultRecord, Need, needsRead, needsWrite, Rights } from "./access.js";
import type { Regime } from "./regime.js";
import { Fsc } from "./syndrome.js";
import { POWER, TableWalk, WALKED } from "./table-walk.js";

const PAGE = 4096;
// A leaf: S2AP, MemAttr, SH; XN is bit 54, and stands at bit 12 of what is kept.
const S2AP_READ = 1 << 6;
const S2AP_WRITE = 1 << 7;
const MEM_ATTR_NORMAL = 3 << 4;
const KEPT_LO = 0xffc;
const XN_HI = 1 << 22;
const XN = 1 << 12;

/**
 * The second stage of translation (VTTBR_EL2, VTCR_EL2): intermediate physical to physical addresses. Successful
 * translations are kept by page, as hardware does: `flush` is due wherever TLBI of the second stage is, and where
 * VTTBR_EL2 or VTCR_EL2 change.
 */
export class Stage2 {
  // The result.
  physical = 0;
  readable = false;
  writable = false;
  device = false;
  /** Bits 11..2 of the leaf, and XN as bit 12. */
  leaf = 0;
  private readonly core: CoreApi;
  private readonly tables: TableWalk;
  private readonly fault: FaultRecord;
  /** Value: page number * 65536 + `leaf`. Walks in WebAssembly share it. */
  private readonly cache: PageCache;

  constructor(core: CoreApi, fault: FaultRecord) {
    this.core = core;
    this.tables = new TableWalk(core);
    this.fault = fault;
    this.cache = WalkCaches.guestPages(core.walkWords);
  }

  flush(): void {
    this.cache.flush();
  }

  private readonly locate = (address: number): number => this.core.ramOffset(address);

  /**
   * Translate for an access, or for the read of a table of the first stage (`onWalk`) that the access needs.
   * `unaligned`: Device memory faults. False: the fault is recorded.
   */
  translate(
    r: Regime,
    rights: number,
    need: Need,
    ipa: number,
    onWalk: boolean,
    unaligned: boolean,
  ): boolean {
    if (!r.stage2) {
      this.physical = ipa;
      this.readable = true;
      this.writable = true;
      this.device = false;
      return true;
    }
    const { cache } = this;
    const offset = ipa % PAGE;
    if (cache.find((ipa - offset) / PAGE)) {
      this.take(cache.lo & 0xffff);
      if (!(unaligned && this.device) && this.permits(r, rights, need, onWalk)) {
        this.physical = (cache.hi * 0x1_0000 + (cache.lo >>> 16)) * PAGE + offset;
        return true;
      }
    }
    return this.walk(r, rights, need, ipa, onWalk, unaligned);
  }

  private walk(
    r: Regime,
    rights: number,
    need: Need,
    ipa: number,
    onWalk: boolean,
    unaligned: boolean,
  ): boolean {
    const { tables, fault } = this;
    const range = r.guest;
    if (!range.enabled || ipa >= (POWER[range.inputBits] as number))
      return this.failed(Fsc.translation, need, ipa, onWalk);
    const code = tables.walk(range, ipa, r.guestOutputBits, this.locate);
    if (code !== WALKED) return this.failed(code, need, ipa, onWalk);
    const { lo, hi, output } = tables;
    this.take((lo & KEPT_LO) | ((hi & XN_HI) !== 0 ? XN : 0));
    const page = Math.floor(output / PAGE);
    this.cache.remember(Math.floor(ipa / PAGE), (page << 16) | this.leaf, Math.floor(page / 0x1_0000));
    this.physical = output;
    if (unaligned && this.device) return this.failed(Fsc.alignment, need, ipa, onWalk);
    if (this.permits(r, rights, need, onWalk)) return true;
    this.failed(Fsc.permission | tables.level, need, ipa, onWalk);
    // WnR tells which of its rights the access lacked.
    if (!onWalk && need === Need.rmw) fault.write = this.readable;
    return false;
  }

  private take(leaf: number): void {
    this.leaf = leaf;
    this.readable = (leaf & S2AP_READ) !== 0;
    this.writable = (leaf & S2AP_WRITE) !== 0;
    this.device = (leaf & MEM_ATTR_NORMAL) === 0;
  }

  private permits(r: Regime, rights: number, need: Need, onWalk: boolean): boolean {
    if (onWalk) return this.readable && !(r.protectedWalk && this.device);
    if (need === Need.fetch) return this.readable && (this.leaf & XN) === 0;
    if (need === Need.maintenance && (rights & Rights.user) === 0) return true;
    return (this.readable || !needsRead(need)) && (this.writable || !needsWrite(need));
  }

  private failed(code: number, need: Need, ipa: number, onWalk: boolean): false {
    const { fault } = this;
    fault.code = code;
    fault.stage2 = true;
    fault.s1ptw = onWalk;
    fault.ipa = ipa;
    fault.write = need === Need.write;
    return false;
  }
}
