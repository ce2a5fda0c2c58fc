import { type Field, Status } from "@hypercraft/engine";
import type { Csr } from "./csr-table.js";
import type { RiscvHart } from "./hart.js";
import { X } from "./state.js";

/** Operations of csrExchange, as the lifter passes them. */
const SET_BITS = 2;
const CLEAR_BITS = 3;

const SSTATUS = 0x100;

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
    core.setResult(csrs.lo, csrs.hi);
    this.modify(csr, operation, lo, hi);
    return Status.next;
  }

  /** The same for sstatus in a mode that may access it, with the old value to x[rd]; goes on behind the instruction. */
  exchangeStatus(operation: number, rd: number, lo: number, hi: number): Status {
    const { csrs, core } = this.hart;
    const csr = csrs.find(SSTATUS)!;
    csr.read();
    const [oldLo, oldHi] = [csrs.lo, csrs.hi];
    this.modify(csr, operation, lo, hi);
    if (rd !== 0) core.set(X[rd] as Field, oldLo, oldHi);
    const next = core.pcLo() + 4;
    core.setPc(next | 0, core.pcHi() + (next === 0 ? 1 : 0));
    return Status.redispatch;
  }

  private modify(csr: Csr, operation: number, lo: number, hi: number): void {
    const { csrs } = this.hart;
    csr.readForModify?.();
    if (operation === SET_BITS) csr.write(csrs.lo | lo, csrs.hi | hi);
    else if (operation === CLEAR_BITS) csr.write(csrs.lo & ~lo, csrs.hi & ~hi);
    else csr.write(lo, hi);
  }
}
