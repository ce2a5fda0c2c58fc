import { Status } from "@hypercraft/engine";
import type { RiscvHart } from "./hart.js";
import { ASID_MASK, ASID_SHIFT, VMID_MASK } from "./paging.js";
import { H, M } from "./state.js";
import { HSTATUS, TVM } from "./status-bits.js";

/** Bits of the constant the lifter passes: which operands are not x0. */
const HAS_ADDRESS = 1;
const HAS_ID = 2;

/**
 * SFENCE.VMA, HFENCE.VVMA, HFENCE.GVMA and their SINVAL/HINVAL forms, which do the same at once. A fence for
 * an address drops that page in every context, one for an ASID or a VMID the contexts that have it.
 */
export class Fences {
  private readonly hart: RiscvHart;

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  sfenceVma(operands: number, lo: number, hi: number, asid: number): Status {
    const { core, priv, v, traps, contexts } = this.hart;
    if (v !== 0) {
      if (priv === 0 || (core.lo(H.status) & HSTATUS.VTVM) !== 0) return traps.virtualInstruction();
      this.guestVirtual(operands, lo, hi, asid);
      return Status.next;
    }
    if (priv === 0 || (priv === 1 && (core.lo(M.status) & TVM) !== 0)) return traps.illegal();
    if ((operands & HAS_ADDRESS) !== 0) contexts.dropPage(lo, hi);
    else contexts.dropHost((operands & HAS_ID) !== 0 ? asid & ASID_MASK : -1);
    return Status.next;
  }

  hfenceVvma(operands: number, lo: number, hi: number, asid: number): Status {
    const { priv, v, traps } = this.hart;
    if (v !== 0) return traps.virtualInstruction();
    if (priv === 0) return traps.illegal();
    this.guestVirtual(operands, lo, hi, asid);
    return Status.next;
  }

  hfenceGvma(operands: number, vmid: number): Status {
    const { core, priv, v, traps } = this.hart;
    if (v !== 0) return traps.virtualInstruction();
    if (priv === 0 || (priv === 1 && (core.lo(M.status) & TVM) !== 0)) return traps.illegal();
    this.guestPhysical((operands & HAS_ID) !== 0 ? vmid & VMID_MASK : -1);
    return Status.next;
  }

  /**
   * Fence the first stage of the current virtual machine. A fence of everything also forgets what is known of the
   * second stage, as on harts that cache both stages as one.
   */
  guestVirtual(operands: number, lo: number, hi: number, asid: number): void {
    const { core, contexts, mmu } = this.hart;
    if ((operands & HAS_ADDRESS) !== 0) return contexts.dropPage(lo, hi);
    const vmid = (core.hi(H.gatp) >>> ASID_SHIFT) & VMID_MASK;
    if ((operands & HAS_ID) === 0) mmu.gStage.flush();
    contexts.dropGuest(vmid, (operands & HAS_ID) !== 0 ? asid & ASID_MASK : -1);
  }

  /** Fence the second stage of a virtual machine, -1 for all: its pages are not found by guest-physical address. */
  guestPhysical(vmid: number): void {
    this.hart.mmu.gStage.flush();
    this.hart.contexts.dropGuest(vmid, -1);
  }
}
