import type { ArmPe } from "../pe.js";
import {
  BT,
  breakpointType,
  holdsContext,
  isAddressType,
  isContextType,
  linkedContextMatches,
  linkedTo,
} from "./contexts.js";
import { addressTop, asksForLevel, breakpointUnits, ENABLED } from "./units.js";

/** Hardware breakpoints (Arm ARM, "Breakpoint exceptions"). Code is looked at only in pages that have one. */
export class Breakpoints {
  /** Enabled breakpoints that stop by themselves; those that others are linked to do not. */
  private active: readonly number[] = [];
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  get none(): boolean {
    return this.active.length === 0;
  }

  /** Registers changed. Gives true if fetches may now stop that could not before. */
  refresh(enabled: boolean): boolean {
    const { core } = this.pe;
    this.active = [...breakpointUnits.keys()].filter((n) => {
      const control = core.lo(breakpointUnits[n]!.control);
      const type = breakpointType(control);
      if (!enabled || (control & ENABLED) === 0) return false;
      return isAddressType(type) || (isContextType(type) && (type & BT.linked) === 0);
    });
    return !this.none;
  }

  /** Does a page have an address that a breakpoint may stop at? */
  inPage(lo: number, hi: number): boolean {
    const { core } = this.pe;
    return this.active.some((n) => {
      const { value, control } = breakpointUnits[n]!;
      if (!isAddressType(breakpointType(core.lo(control)))) return true;
      return ((core.lo(value) ^ lo) & ~0xfff) === 0 && addressTop(core.hi(value)) === hi;
    });
  }

  /** Is there a breakpoint for the instruction at an address, at this exception level and in this context? */
  hit(lo: number, hi: number): boolean {
    return this.active.some((n) => this.matches(n, lo, hi));
  }

  private matches(n: number, lo: number, hi: number): boolean {
    const { pe } = this;
    const { core } = pe;
    const unit = breakpointUnits[n]!;
    const control = core.lo(unit.control);
    if (!asksForLevel(control, pe.el)) return false;
    const type = breakpointType(control);
    if (!isAddressType(type)) return holdsContext(pe, n);
    if ((core.lo(unit.value) & ~3) !== lo || addressTop(core.hi(unit.value)) !== hi) return false;
    return (type & BT.linked) === 0 || linkedContextMatches(pe, linkedTo(control));
  }
}
