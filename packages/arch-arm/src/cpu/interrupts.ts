import { DAIF, HCR } from "./control-bits.js";
import type { VectorKind } from "./exit.js";
import { EL2, inputLines } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { interruptsWaiting, PSTATE } from "./state.js";

export const Line = { irq: 1, fiq: 2, virtualIrq: 4, virtualFiq: 8 } as const;

/** An interrupt that can be taken now. */
export interface Arrival {
  readonly target: 1 | 2;
  readonly kind: VectorKind;
  /** HCR_EL2.VSE is cleared by taking it. */
  readonly virtualError?: true;
}

const IRQ1: Arrival = { target: 1, kind: "irq" };
const IRQ2: Arrival = { target: 2, kind: "irq" };
const FIQ1: Arrival = { target: 1, kind: "fiq" };
const FIQ2: Arrival = { target: 2, kind: "fiq" };
const VIRTUAL_ERROR: Arrival = { target: 1, kind: "serror", virtualError: true };

/**
 * Interrupts (Arm ARM, "Asynchronous exception types, routing, masking and priorities"): what is pending, and which
 * of it can be taken where. Guest code changes PSTATE.DAIF by itself, so masks are looked at when something waits.
 */
export class Interrupts {
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  setLine(line: number, level: boolean): void {
    const { core } = this.pe;
    const old = core.lo(inputLines);
    const lines = level ? old | line : old & ~line;
    if (lines === old) return;
    core.set(inputLines, lines, 0);
    this.refresh();
  }

  /** An input or HCR_EL2 changed, or the exception level. */
  refresh(): void {
    const { core } = this.pe;
    const waiting = this.physical !== 0 || this.virtual !== 0 || this.pe.debug.waitsForMask;
    core.set(interruptsWaiting, waiting ? 1 : 0, 0);
    if (waiting && this.arrived() !== undefined) core.requestDispatch();
  }

  private get physical(): number {
    return this.pe.core.lo(inputLines) & (Line.irq | Line.fiq);
  }

  /** HCR_EL2.VI, VF and VSE as pending now: inputs count, and without xMO, or with TGE, there are none. */
  get virtual(): number {
    const { core } = this.pe;
    const hcr = core.lo(EL2.hcr);
    if ((hcr & HCR.TGE) !== 0) return 0;
    const lines = core.lo(inputLines);
    let pending = 0;
    if ((hcr & HCR.IMO) !== 0 && ((hcr & HCR.VI) !== 0 || (lines & Line.virtualIrq) !== 0)) pending |= HCR.VI;
    if ((hcr & HCR.FMO) !== 0 && ((hcr & HCR.VF) !== 0 || (lines & Line.virtualFiq) !== 0)) pending |= HCR.VF;
    if ((hcr & HCR.AMO) !== 0 && (hcr & HCR.VSE) !== 0) pending |= HCR.VSE;
    return pending;
  }

  /** ISR_EL1: at EL1 the virtual ones take the place of the physical ones that are routed to EL2. */
  get status(): number {
    const { core, el } = this.pe;
    const hcr = core.lo(EL2.hcr);
    const { physical, virtual } = this;
    const irq = el === 1 && (hcr & HCR.IMO) !== 0 ? virtual & HCR.VI : physical & Line.irq;
    const fiq = el === 1 && (hcr & HCR.FMO) !== 0 ? virtual & HCR.VF : physical & Line.fiq;
    const error = el === 1 && (virtual & HCR.VSE) !== 0;
    return (irq !== 0 ? DAIF.I : 0) | (fiq !== 0 ? DAIF.F : 0) | (error ? DAIF.A : 0);
  }

  /** WFI goes on: something is pending, masked or not. */
  get wakeUp(): boolean {
    return this.physical !== 0 || (this.pe.el < 2 && this.virtual !== 0);
  }

  /** The interrupt to take now. */
  arrived(): Arrival | undefined {
    const { core, el } = this.pe;
    if (core.lo(interruptsWaiting) === 0) return undefined;
    const lines = this.physical;
    const hcr = core.lo(EL2.hcr);
    const daif = core.lo(PSTATE.daif);
    if ((lines & Line.fiq) !== 0) {
      const target = (hcr & (HCR.FMO | HCR.TGE)) !== 0 ? 2 : 1;
      if (open(el, target, daif & DAIF.F)) return target === 2 ? FIQ2 : FIQ1;
    }
    if ((lines & Line.irq) !== 0) {
      const target = (hcr & (HCR.IMO | HCR.TGE)) !== 0 ? 2 : 1;
      if (open(el, target, daif & DAIF.I)) return target === 2 ? IRQ2 : IRQ1;
    }
    if (el === 2) return undefined;
    const { virtual } = this;
    if ((virtual & HCR.VSE) !== 0 && (daif & DAIF.A) === 0) return VIRTUAL_ERROR;
    if ((virtual & HCR.VF) !== 0 && (daif & DAIF.F) === 0) return FIQ1;
    if ((virtual & HCR.VI) !== 0 && (daif & DAIF.I) === 0) return IRQ1;
    return undefined;
  }
}

/** From below, interrupts for EL2 cannot be masked; those for a lower level wait. */
function open(el: number, target: number, masked: number): boolean {
  if (el > target) return false;
  return masked === 0 || (target === 2 && el < 2);
}
