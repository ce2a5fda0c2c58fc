import type { RiscvHart } from "./hart.js";
import { frm, H, M, VS } from "./state.js";
import {
  FS,
  GVA_HI,
  HSTATUS,
  MIE,
  MPP,
  MPP_SHIFT,
  MPRV,
  MPV_HI,
  MSTATUS_MASK,
  MXR,
  SD_HI,
  SIE,
  SSTATUS_MASK,
  SUM,
  SXL_64_HI,
  UXL_64_HI,
} from "./status-bits.js";

const TRANSLATION = MPRV | SUM | MXR;
const INTERRUPTS = MIE | SIE;
const MODE_FP_ON = 8;
const MODE_CBO_ZERO = 256;
const MODE_FP_DIRTY = 16;

/**
 * mstatus, sstatus (a view of it), vsstatus and hstatus. The fields hold the values as they read, with SD,
 * UXL and SXL in place; what else depends on a bit is told when it changes.
 */
export class StatusRegisters {
  private readonly hart: RiscvHart;
  private mode = 0;

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  /** The code mode (see mode.ts) of the current state. */
  codeMode(): number {
    return this.mode | ((this.hart.core.lo(frm) & 7) << 5);
  }

  /** Privilege, virtualization, an FS field or an environment register changed. */
  refreshMode(): void {
    const { priv, v } = this.hart;
    const known = priv !== 1;
    const on = known && this.fpOn;
    const dirty = known && this.fpDirty;
    const zero = this.hart.cacheBlocks.mayZero ? MODE_CBO_ZERO : 0;
    this.mode = priv | (v << 2) | (on ? MODE_FP_ON : 0) | (dirty ? MODE_FP_DIRTY : 0) | zero;
  }

  /** Is a floating-point instruction or CSR legal? */
  get fpOn(): boolean {
    const { core, v } = this.hart;
    return (core.lo(M.status) & FS) !== 0 && (v === 0 || (core.lo(VS.status) & FS) !== 0);
  }

  /** Is FS Dirty wherever it is in effect? */
  private get fpDirty(): boolean {
    const { core, v } = this.hart;
    return (core.lo(M.status) & (v === 0 ? FS : core.lo(VS.status)) & FS) === FS;
  }

  /** Floating-point state is modified: FS becomes Dirty wherever it is in effect. */
  markFpDirty(): void {
    if (this.fpDirty) return;
    const { core, v } = this.hart;
    core.set(M.status, core.lo(M.status) | FS, core.hi(M.status) | SD_HI);
    if (v !== 0) core.set(VS.status, core.lo(VS.status) | FS, core.hi(VS.status) | SD_HI);
    this.refreshMode();
  }

  writeMstatus(lo: number, hi: number): void {
    const { core, features } = this.hart;
    const old = core.lo(M.status);
    let value = lo & MSTATUS_MASK;
    // MPP = 2 is no mode: keep the old one.
    if ((value & MPP) >>> MPP_SHIFT === 2) value = (value & ~MPP) | (old & MPP);
    this.setMstatus(value, features.h ? hi & (MPV_HI | GVA_HI) : 0);
  }

  private setMstatus(lo: number, hi: number): void {
    const { core } = this.hart;
    const changed = lo ^ core.lo(M.status);
    const changedHi = hi ^ core.hi(M.status);
    this.storeMstatus(lo, hi);
    this.changed(changed, (changedHi & MPV_HI) !== 0);
  }

  /** Store legal values of mstatus without telling anybody: `RiscvHart.setMode` has to follow. */
  storeMstatus(lo: number, hi: number): void {
    this.hart.core.set(M.status, lo, (hi & (MPV_HI | GVA_HI)) | UXL_64_HI | SXL_64_HI | dirtySummary(lo));
  }

  writeSstatus(lo: number): void {
    const { core } = this.hart;
    this.setMstatus((core.lo(M.status) & ~SSTATUS_MASK) | (lo & SSTATUS_MASK), core.hi(M.status));
  }

  writeVsstatus(lo: number): void {
    const changed = (lo ^ this.hart.core.lo(VS.status)) & SSTATUS_MASK;
    this.storeVsstatus(lo & SSTATUS_MASK);
    this.changed(changed, false);
  }

  /** As `storeMstatus`. */
  storeVsstatus(lo: number): void {
    this.hart.core.set(VS.status, lo, UXL_64_HI | dirtySummary(lo));
  }

  writeHstatus(lo: number): void {
    const { core, features, interrupts } = this.hart;
    const flags =
      HSTATUS.GVA | HSTATUS.SPV | HSTATUS.SPVP | HSTATUS.HU | HSTATUS.VTVM | HSTATUS.VTW | HSTATUS.VTSR;
    const old = core.lo(H.status);
    let vgein = lo & HSTATUS.VGEIN;
    if (vgein >>> HSTATUS.VGEIN_SHIFT > features.geilen) vgein = old & HSTATUS.VGEIN;
    core.set(H.status, (lo & flags) | vgein, HSTATUS.VSXL_64_HI);
    if (((old ^ lo) & HSTATUS.VGEIN) !== 0) interrupts.refresh();
  }

  private changed(lo: number, mpv: boolean): void {
    const { core, interrupts, contexts } = this.hart;
    if ((lo & INTERRUPTS) !== 0) interrupts.refresh();
    // MPP and MPV count for loads and stores while MPRV is set.
    const modified = (lo & MPP) !== 0 || mpv ? core.lo(M.status) & MPRV : 0;
    if ((lo & TRANSLATION) !== 0 || modified !== 0) contexts.refresh();
    if ((lo & FS) !== 0) this.refreshMode();
  }
}

function dirtySummary(lo: number): number {
  return (lo & FS) === FS ? SD_HI : 0;
}
