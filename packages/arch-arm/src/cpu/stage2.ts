import type { CoreApi } from "@hypercraft/engine";
import { type FaultRecord, Need, needsRead, needsWrite } from "./access.js";
import type { Regime } from "./regime.js";
import { Fsc } from "./syndrome.js";
import { POWER, TableWalk, WALKED } from "./table-walk.js";

const S2AP_READ = 1 << 6;
const S2AP_WRITE = 1 << 7;
const XN_HI = 1 << 22;
const MEM_ATTR_NORMAL = 3 << 4;

/** The second stage of translation (VTTBR_EL2, VTCR_EL2): intermediate physical to physical addresses. */
export class Stage2 {
  // The result.
  physical = 0;
  readable = false;
  writable = false;
  device = false;
  private readonly core: CoreApi;
  private readonly tables: TableWalk;
  private readonly fault: FaultRecord;

  constructor(core: CoreApi, fault: FaultRecord) {
    this.core = core;
    this.tables = new TableWalk(core);
    this.fault = fault;
  }

  private readonly locate = (address: number): number => this.core.ramOffset(address);

  /**
   * Translate for an access, or for the read of a table of the first stage (`onWalk`) that the access needs. False:
   * the fault is recorded.
   */
  translate(r: Regime, need: Need, ipa: number, onWalk: boolean): boolean {
    if (!r.stage2) {
      this.physical = ipa;
      this.readable = true;
      this.writable = true;
      this.device = false;
      return true;
    }
    const { tables, fault } = this;
    const range = r.guest;
    if (!range.enabled || ipa >= (POWER[range.inputBits] as number))
      return this.failed(Fsc.translation, need, ipa, onWalk);
    const code = tables.walk(range, ipa, r.guestOutputBits, this.locate);
    if (code !== WALKED) return this.failed(code, need, ipa, onWalk);
    const { lo, hi } = tables;
    this.physical = tables.output;
    this.readable = (lo & S2AP_READ) !== 0;
    this.writable = (lo & S2AP_WRITE) !== 0;
    this.device = (lo & MEM_ATTR_NORMAL) === 0;
    if (this.permits(r, need, onWalk, (hi & XN_HI) === 0)) return true;
    this.failed(Fsc.permission | tables.level, need, ipa, onWalk);
    // WnR tells which of its rights the access lacked.
    fault.write = !onWalk && needsWrite(need) && (need !== Need.rmw || this.readable);
    return false;
  }

  private permits(r: Regime, need: Need, onWalk: boolean, executable: boolean): boolean {
    if (onWalk) return this.readable && !(r.protectedWalk && this.device);
    if (need === Need.fetch) return this.readable && executable;
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
