import { Status } from "@hypercraft/engine";
import type { RiscvHart } from "./hart.js";

/** Operations of csrExchange, as the lifter passes them. */
const SET_BITS = 2;
const CLEAR_BITS = 3;

/** The Zicsr instructions. */
export class CsrAccess {
  private readonly hart: RiscvHart;

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  read(number: number): Status {
    const { csrs, traps, core } = this.hart;
    const refused = csrs.refused(number, false);
    if (refused !== 0) return traps.refuse(refused);
    csrs.find(number)!.read();
    core.setResult(csrs.lo, csrs.hi);
    return Status.next;
  }

  write(number: number, lo: number, hi: number): Status {
    const { csrs, traps } = this.hart;
    const refused = csrs.refused(number, true);
    if (refused !== 0) return traps.refuse(refused);
    csrs.find(number)!.write(lo, hi);
    return Status.next;
  }

  /** csrrw, csrrs and csrrc that both read and write. */
  exchange(number: number, operation: number, lo: number, hi: number): Status {
    const { csrs, traps, core } = this.hart;
    const refused = csrs.refused(number, true);
    if (refused !== 0) return traps.refuse(refused);
    const csr = csrs.find(number)!;
    csr.read();
    const oldLo = csrs.lo;
    const oldHi = csrs.hi;
    csr.readForModify?.();
    if (operation === SET_BITS) csr.write(csrs.lo | lo, csrs.hi | hi);
    else if (operation === CLEAR_BITS) csr.write(csrs.lo & ~lo, csrs.hi & ~hi);
    else csr.write(lo, hi);
    core.setResult(oldLo, oldHi);
    return Status.next;
  }
}
