import { Status } from "@hypercraft/engine";
import type { GicSystemRegisters } from "../interrupts/gicv3-system-registers.js";
import type { ArmPe } from "./pe.js";
import { op1Of } from "./system-register.js";

/** Accesses of system registers that the PE does not have itself: the interrupt controller's, or UNDEFINED. */
export class InterruptControllerAccess {
  /** Undefined: no GICv3 system registers. */
  gic: GicSystemRegisters | undefined;
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  read(number: number): Status {
    const { pe, gic } = this;
    if (gic === undefined || !this.allowed(gic, number)) return pe.exceptions.undefined();
    if (pe.el === 1 && gic.trapsToEl2(number)) return pe.exceptions.systemAccess(2, number, true);
    const value = gic.read(number);
    pe.core.setResult(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
    return Status.next;
  }

  write(number: number, lo: number, hi: number): Status {
    const { pe, gic } = this;
    if (gic === undefined || !this.allowed(gic, number)) return pe.exceptions.undefined();
    if (pe.el === 1 && gic.trapsToEl2(number)) return pe.exceptions.systemAccess(2, number, false);
    gic.write(number, (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0));
    return Status.next;
  }

  private allowed(gic: GicSystemRegisters, number: number): boolean {
    if (number >>> 14 !== 3 || !gic.implemented(number)) return false;
    const op1 = op1Of(number);
    return op1 === 0 ? this.pe.el >= 1 : op1 === 4 && this.pe.el === 2;
  }
}
