import { HCR } from "./control-bits.js";
import { EL2 } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { crmOf, op1Of, op2Of } from "./system-register.js";

const INNER_SHAREABLE = 3;

/** TLBI (Arm ARM, "TLB maintenance instructions"): what this PE forgets, and the others with the IS forms. */
export class TlbMaintenance {
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  /** Is it a TLBI operation that there is (without EL3 and without VHE)? */
  static exists(number: number): boolean {
    const [crm, op2] = [crmOf(number), op2Of(number)];
    if (op1Of(number) === 0) return (crm === 3 || crm === 7) && op2 !== 4 && op2 !== 6;
    if (op1Of(number) !== 4) return false;
    if (crm === 0 || crm === 4) return op2 === 1 || op2 === 5;
    return (crm === 3 || crm === 7) && op2 !== 2 && op2 !== 3 && op2 !== 7;
  }

  execute(number: number, lo: number, hi: number): void {
    const { pe } = this;
    const { vmid } = pe.contexts;
    const crm = crmOf(number);
    const forced = pe.el === 1 && (pe.core.lo(EL2.hcr) & HCR.FB) !== 0;
    const everywhere = crm === INNER_SHAREABLE || crm === 0 || forced;
    if (!everywhere) return this.apply(number, lo, hi, vmid);
    for (const other of pe.domain) other.tlb.apply(number, lo, hi, vmid);
  }

  /** Forget on this PE what the operation names; `vmid` is that of the PE that executed it. */
  private apply(number: number, lo: number, hi: number, vmid: number): void {
    const { contexts } = this.pe;
    const op2 = op2Of(number);
    if (op1Of(number) === 0) {
      if (op2 === 0) return contexts.dropGuest(vmid, -1);
      if (op2 === 2) return contexts.dropGuest(vmid, contexts.asidOf(hi));
      // VALE1 and VAALE1 are for the last level.
      return this.page(lo, hi, false, op2 >= 5);
    }
    // IPAS2E1 and IPAS2LE1: pages are not found by intermediate physical address.
    if (crmOf(number) === 0 || crmOf(number) === 4) return contexts.dropStage2(vmid);
    if (op2 === 0) return contexts.dropEl2();
    if (op2 === 4) return contexts.dropStage2(-1);
    if (op2 === 6) return contexts.dropStage2(vmid);
    this.page(lo, hi, true, op2 === 5);
  }

  /** VA[55:12] is in bits 43..0; bit 55 stands for those above. */
  private page(lo: number, hi: number, el2: boolean, last: boolean): void {
    const top = ((hi << 12) | (lo >>> 20)) & 0xff_ffff;
    const upper = !el2 && (top & (1 << 23)) !== 0 ? top | (0xff << 24) : top;
    this.pe.contexts.dropPage(lo << 12, upper, last);
  }

  /** Forget all that a guest of a hypervisor in TypeScript has: its second stage changed. */
  dropGuest(vmid: number): void {
    this.pe.contexts.dropStage2(vmid);
  }
}
