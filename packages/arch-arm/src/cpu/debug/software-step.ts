import { SPSR } from "../control-bits.js";
import type { ArmPe } from "../pe.js";
import { PSTATE, system } from "../state.js";
import { MDSCR, MDSCR_EL1 } from "./units.js";

/** `core.instructions()` before the instruction that is being stepped; -1: none is. */
const stepping = system("steppingFrom");
/** It is a load-exclusive. */
const exclusive = system("steppingExclusive");
const ISV = 1 << 24;
const EX = 1 << 6;
const TWO_32 = 0x1_0000_0000;

/**
 * Software step (Arm ARM, "Software Step exceptions"). While it is active, the engine asks before each instruction: with
 * PSTATE.SS set one instruction goes by (active-not-pending), then there is the exception (active-pending).
 */
export class SoftwareStep {
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  /** Before an instruction: true if the exception was taken instead. */
  taken(): boolean {
    const { core, el, debug } = this.pe;
    if ((core.lo(MDSCR_EL1) & MDSCR.SS) === 0 || !debug.enabledAt(el, core.lo(PSTATE.daif))) {
      if (core.singleStep) this.end();
      return false;
    }
    core.singleStep = true;
    const from = core.hi(stepping) < 0 ? -1 : core.hi(stepping) * TWO_32 + (core.lo(stepping) >>> 0);
    const now = core.instructions();
    const stepped = from >= 0 && from !== now;
    if (core.lo(PSTATE.ss) !== 0 && !stepped) {
      if (from < 0) this.begin(now);
      return false;
    }
    const syndrome = stepped ? ISV | (core.lo(exclusive) !== 0 ? EX : 0) : 0;
    core.set(PSTATE.ss, 0, 0);
    this.end();
    this.pe.exceptions.softwareStep(syndrome);
    return true;
  }

  private begin(now: number): void {
    const { core } = this.pe;
    core.set(stepping, now | 0, Math.floor(now / TWO_32));
    core.set(exclusive, isLoadExclusive(this.pe.instructionBits()) ? 1 : 0, 0);
  }

  private end(): void {
    const { core } = this.pe;
    core.singleStep = false;
    core.set(stepping, -1, -1);
  }

  /** After a reset. */
  reset(): void {
    this.end();
  }

  /** PSTATE.SS after a return from the current level (DebugExceptionReturnSS). */
  afterReturn(spsr: number, level: number): 0 | 1 {
    const { core, el, debug } = this.pe;
    if ((core.lo(MDSCR_EL1) & MDSCR.SS) === 0 || (spsr & SPSR.SS) === 0) return 0;
    return !debug.enabledAt(el, core.lo(PSTATE.daif)) && debug.enabledAt(level, spsr) ? 1 : 0;
  }
}

/** LDXR, LDAXR, LDXP, LDAXP. */
function isLoadExclusive(instruction: number): boolean {
  // CASP has bits 31 and 21 = 0 and 1 where LDXP has 1 and 1.
  return (instruction & 0x3fc0_0000) === 0x0840_0000 && (instruction & 0x8020_0000) !== 0x0020_0000;
}
