import { CPACR_FPEN_SHIFT, CPTR, HCR, SCTLR } from "./control-bits.js";
import { EL1, EL2 } from "./fields.js";
import { floatMode, packMode } from "./mode.js";
import type { ArmPe } from "./pe.js";
import { FPCR, PSTATE } from "./state.js";

/** Where accesses of floating point trap to: nowhere, EL1 or EL2. */
export type FpTrap = 0 | 1 | 2;

/** The code mode, worked out when what it depends on changes. */
export class ModeBits {
  value = 0;
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  /** CPACR_EL1.FPEN for EL1 and EL0, then CPTR_EL2.TFP (Arm ARM, CheckFPAdvSIMDEnabled64). */
  fpTrap(): FpTrap {
    const { core, el } = this.pe;
    if (el < 2) {
      const enable = (core.lo(EL1.cpacr) >>> CPACR_FPEN_SHIFT) & 3;
      if ((enable & 1) === 0 || (enable === 1 && el === 0)) return this.pe.exceptions.target;
    }
    return (core.lo(EL2.cptr) & CPTR.TFP) !== 0 ? 2 : 0;
  }

  private allDevice(sctlr: number): boolean {
    const { core, el } = this.pe;
    const hcr = el === 2 ? 0 : core.lo(EL2.hcr);
    if ((hcr & HCR.DC) !== 0) return false;
    return (sctlr & SCTLR.M) === 0 || (hcr & HCR.TGE) !== 0;
  }

  refresh(): void {
    const { core, el } = this.pe;
    const sctlr = core.lo(el === 2 ? EL2.sctlr : EL1.sctlr);
    this.value = packMode({
      el,
      spSel: core.lo(PSTATE.spSel) !== 0,
      fpTrapped: this.fpTrap() !== 0,
      ...floatMode(core.lo(FPCR)),
      // Without a first stage, data is Device memory, which has to be aligned.
      alignmentChecked: (sctlr & SCTLR.A) !== 0 || this.allDevice(sctlr),
      stackChecked: (sctlr & (el === 0 ? SCTLR.SA0 : SCTLR.SA)) !== 0,
    });
  }
}
