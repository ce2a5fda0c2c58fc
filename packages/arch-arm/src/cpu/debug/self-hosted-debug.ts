import { type Access, Status, type Translation } from "@hypercraft/engine";
import { DAIF, HCR, MDCR } from "../control-bits.js";
import { EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { PSTATE, system } from "../state.js";
import { Ec } from "../syndrome.js";
import { Breakpoints } from "./breakpoints.js";
import { SoftwareStep } from "./software-step.js";
import { MDSCR, MDSCR_EL1 } from "./units.js";
import { Watchpoints } from "./watchpoints.js";

const OSLK = system("OSLK");
const OSDLR_EL1 = system("OSDLR_EL1");
const DBGPRCR_EL1 = system("DBGPRCR_EL1");

/**
 * Self-hosted debug (Arm ARM, "AArch64 Self-hosted Debug"). Breakpoints and watchpoints keep their pages out of what
 * the engine remembers, so that fetches and accesses of these pages are asked for and all others cost nothing.
 */
export class SelfHostedDebug {
  readonly breakpoints: Breakpoints;
  readonly watchpoints: Watchpoints;
  readonly step: SoftwareStep;
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
    this.breakpoints = new Breakpoints(pe);
    this.watchpoints = new Watchpoints(pe);
    this.step = new SoftwareStep(pe);
  }

  /** The level that debug exceptions from EL0 and EL1 go to. */
  get target(): 1 | 2 {
    const { core } = this.pe;
    return (core.lo(EL2.mdcr) & MDCR.TDE) !== 0 || (core.lo(EL2.hcr) & HCR.TGE) !== 0 ? 2 : 1;
  }

  /** Are debug exceptions, but for BRK, taken from a level with these masks (AArch64.GenerateDebugExceptionsFrom)? */
  enabledAt(level: number, daif: number): boolean {
    const { core } = this.pe;
    if (core.lo(OSLK) !== 0) return false;
    // The double lock, unless DBGPRCR_EL1.CORENPDRQ overrides it.
    if ((core.lo(OSDLR_EL1) & 1) !== 0 && (core.lo(DBGPRCR_EL1) & 1) === 0) return false;
    const { target } = this;
    if (level !== target) return level < target;
    return (core.lo(MDSCR_EL1) & MDSCR.KDE) !== 0 && (daif & DAIF.D) === 0;
  }

  /** Unmasking debug exceptions may start a step: guest code then has to say that it does. */
  get waitsForMask(): boolean {
    const bits = MDSCR.SS | MDSCR.KDE;
    return (this.pe.core.lo(MDSCR_EL1) & bits) === bits;
  }

  /** A register was written: which pages have to be looked at? */
  changed(): void {
    const { core, interrupts } = this.pe;
    const enabled = (core.lo(MDSCR_EL1) & MDSCR.MDE) !== 0;
    const fetches = this.breakpoints.refresh(enabled);
    const accesses = this.watchpoints.refresh(enabled);
    core.translateAll(accesses);
    // What was remembered of these pages, and of ways into them.
    if (fetches || accesses) core.dropContexts();
    interrupts.refresh();
  }

  /** A fetch that translated: `next`, or what the exception of its breakpoint leads to. */
  fetch(lo: number, hi: number, out: Translation): Status {
    const { breakpoints, pe } = this;
    if (breakpoints.none || !breakpoints.inPage(lo, hi)) return Status.next;
    out.cacheable = false;
    if (!this.enabledAt(pe.el, pe.core.lo(PSTATE.daif)) || !breakpoints.hit(lo, hi)) return Status.next;
    return pe.exceptions.debug(Ec.breakpoint, 0);
  }

  /** An access with the rights of a level that translated: `next`, or what its watchpoint's exception leads to. */
  access(
    access: Access,
    lo: number,
    hi: number,
    size: number,
    level: number,
    out: Translation,
    cache = false,
  ): Status {
    const { watchpoints, pe } = this;
    if (watchpoints.none || !watchpoints.inPage(lo, hi)) return Status.next;
    out.cacheable = false;
    if (!this.enabledAt(pe.el, pe.core.lo(PSTATE.daif))) return Status.next;
    const hit = watchpoints.hit(access, lo, hi, size, level);
    if (hit === undefined) return Status.next;
    return pe.exceptions.watchpoint(hit.lo, hit.hi, hit.write, cache);
  }
}
