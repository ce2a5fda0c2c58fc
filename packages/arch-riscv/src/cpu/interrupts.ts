import { H_INTERRUPTS, Irq, M_INTERRUPTS, S_INTERRUPTS, VS_INTERRUPTS } from "./causes.js";
import type { RiscvHart } from "./hart.js";
import { H, interruptLines, interruptsWaiting, M, VS } from "./state.js";
import { HSTATUS, MIE, SIE } from "./status-bits.js";

const bit = (irq: number): number => 1 << irq;
const MIP_SOFTWARE = bit(Irq.ssi) | bit(Irq.sti) | bit(Irq.sei);
/** Decreasing priority (hypervisor chapter: the VS-level ones come after those of the supervisor level). */
const PRIORITY = [
  Irq.mei,
  Irq.msi,
  Irq.mti,
  Irq.sei,
  Irq.ssi,
  Irq.sti,
  Irq.sgei,
  Irq.vsei,
  Irq.vssi,
  Irq.vsti,
];

/**
 * Interrupts: what is pending, which of it can be taken now and where. All of it is worked out when
 * something changes, so that asking at every dispatch costs a comparison.
 */
export class Interrupts {
  /** mip as it reads. */
  pending = 0;
  /** Interrupts that could be taken at the last `refresh`, all of one target mode. */
  deliverable = 0;
  private readonly hart: RiscvHart;

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  /** Anything that decides about interrupts changed: pending, enables, delegation, mode. */
  refresh(): void {
    const pending = this.collect();
    this.pending = pending;
    const { core } = this.hart;
    const enabled = pending & core.lo(M.ie);
    core.set(interruptsWaiting, enabled === 0 ? 0 : 1, 0);
    this.deliverable = enabled === 0 ? 0 : this.choose(enabled);
    if (this.deliverable !== 0) core.requestDispatch();
  }

  /** The mode changed, or what lets interrupts in: nothing else becomes pending by that. */
  modeChanged(): void {
    if (this.hart.core.lo(interruptsWaiting) !== 0) this.refresh();
    else this.deliverable = 0;
  }

  /**
   * Can one be taken now? Guest code sets and clears sstatus.SIE without telling, so whatever waits is looked at
   * again.
   */
  arrived(): boolean {
    if (this.hart.core.lo(interruptsWaiting) === 0) return false;
    this.refresh();
    return this.deliverable !== 0;
  }

  private collect(): number {
    const { core, timers, features } = this.hart;
    const lines = core.lo(interruptLines);
    let software = core.lo(M.ip);
    if (timers.supervisorOn)
      software = (software & ~bit(Irq.sti)) | (timers.supervisorPending ? bit(Irq.sti) : 0);
    let pending = software | lines;
    if (!features.h) return pending;
    pending |= core.lo(H.vip);
    if (timers.guestPending) pending |= bit(Irq.vsti);
    return features.geilen === 0 ? pending : pending | this.guestExternal();
  }

  /** hip.SGEIP, and the hgeip bit that hstatus.VGEIN selects as VSEIP. */
  private guestExternal(): number {
    const { core } = this.hart;
    const ipLo = core.lo(H.geip);
    const ipHi = core.hi(H.geip);
    const any = ((ipLo & core.lo(H.geie)) | (ipHi & core.hi(H.geie))) !== 0;
    const vgein = (core.lo(H.status) & HSTATUS.VGEIN) >>> HSTATUS.VGEIN_SHIFT;
    const selected = ((vgein < 32 ? ipLo : ipHi) >>> (vgein & 31)) & 1;
    return (any ? bit(Irq.sgei) : 0) | (selected !== 0 ? bit(Irq.vsei) : 0);
  }

  private choose(enabled: number): number {
    const { core, priv, v } = this.hart;
    const mideleg = core.lo(M.ideleg);
    const machine = enabled & ~mideleg;
    const status = core.lo(M.status);
    if (machine !== 0 && (priv < 3 || (status & MIE) !== 0)) return machine;
    if (priv === 3) return 0;
    const hideleg = core.lo(H.ideleg);
    const host = enabled & mideleg & ~hideleg;
    if (host !== 0 && (v !== 0 || priv === 0 || (status & SIE) !== 0)) return host;
    const guest = enabled & mideleg & hideleg;
    if (v !== 0 && (priv === 0 || (core.lo(VS.status) & SIE) !== 0)) return guest;
    return 0;
  }

  /** The deliverable interrupt of the highest priority, 0 if there is none. */
  highest(): number {
    for (const irq of PRIORITY) if ((this.deliverable & bit(irq)) !== 0) return irq;
    return 0;
  }

  /** WFI goes on: an interrupt is pending and enabled in mie, whatever the global enables and delegation say. */
  get wakeUp(): boolean {
    return (this.pending & this.hart.core.lo(M.ie)) !== 0;
  }

  /** Drive an input of the hart: MSIP, MTIP, MEIP or SEIP by its bit number in mip. */
  setLine(irq: number, level: boolean): void {
    const { core } = this.hart;
    const old = core.lo(interruptLines);
    const lines = level ? old | bit(irq) : old & ~bit(irq);
    if (lines === old) return;
    core.set(interruptLines, lines, 0);
    this.refresh();
  }

  /** Drive a guest external interrupt input, 1..geilen. */
  setGuestLine(number: number, level: boolean): void {
    const { core } = this.hart;
    const mask = 1 << (number & 31);
    const lo = core.lo(H.geip);
    const hi = core.hi(H.geip);
    if (number < 32) core.set(H.geip, level ? lo | mask : lo & ~mask, hi);
    else core.set(H.geip, lo, level ? hi | mask : hi & ~mask);
    this.refresh();
  }

  // --- CSRs ----------------------------------------------------------------------------------

  /** mip for the read-modify-write of csrrs and csrrc: of SEIP only the software bit takes part. */
  get pendingForModify(): number {
    return (this.pending & ~bit(Irq.sei)) | (this.hart.core.lo(M.ip) & bit(Irq.sei));
  }

  writeMip(value: number): void {
    const { core, timers, features } = this.hart;
    const writable = timers.supervisorOn ? MIP_SOFTWARE & ~bit(Irq.sti) : MIP_SOFTWARE;
    core.set(M.ip, (core.lo(M.ip) & ~writable) | (value & writable), 0);
    if (features.h) this.mergeHvip(value, bit(Irq.vssi));
    this.refresh();
  }

  writeMie(value: number): void {
    const all = this.hart.features.h ? H_INTERRUPTS : 0;
    this.mergeMie(value, M_INTERRUPTS | S_INTERRUPTS | all);
  }

  /** Write those bits of mie that are in `mask`: the other enable registers are views of it. */
  mergeMie(value: number, mask: number): void {
    const { core } = this.hart;
    core.set(M.ie, (core.lo(M.ie) & ~mask) | (value & mask), 0);
    this.refresh();
  }

  readSip(): number {
    return this.pending & this.hart.core.lo(M.ideleg) & S_INTERRUPTS;
  }

  writeSip(value: number): void {
    const { core } = this.hart;
    const mask = core.lo(M.ideleg) & bit(Irq.ssi);
    core.set(M.ip, (core.lo(M.ip) & ~mask) | (value & mask), 0);
    this.refresh();
  }

  readSie(): number {
    const { core } = this.hart;
    return core.lo(M.ie) & core.lo(M.ideleg) & S_INTERRUPTS;
  }

  writeSie(value: number): void {
    this.mergeMie(value, this.hart.core.lo(M.ideleg) & S_INTERRUPTS);
  }

  writeHvip(value: number): void {
    this.mergeHvip(value, VS_INTERRUPTS);
    this.refresh();
  }

  /** hip: only VSSIP can be written, as an alias of hvip's. */
  writeHip(value: number): void {
    this.mergeHvip(value, bit(Irq.vssi));
    this.refresh();
  }

  private mergeHvip(value: number, mask: number): void {
    const { core } = this.hart;
    core.set(H.vip, (core.lo(H.vip) & ~mask) | (value & mask), 0);
  }

  /** vsip: the delegated bits of hip, one position lower. */
  readVsip(): number {
    return (this.pending & this.hart.core.lo(H.ideleg) & VS_INTERRUPTS) >>> 1;
  }

  writeVsip(value: number): void {
    this.mergeHvip(value << 1, this.hart.core.lo(H.ideleg) & bit(Irq.vssi));
    this.refresh();
  }

  readVsie(): number {
    const { core } = this.hart;
    return (core.lo(M.ie) & core.lo(H.ideleg) & VS_INTERRUPTS) >>> 1;
  }

  writeVsie(value: number): void {
    this.mergeMie(value << 1, this.hart.core.lo(H.ideleg) & VS_INTERRUPTS);
  }
}
