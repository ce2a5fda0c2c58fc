import { HCR, MDCR } from "../control-bits.js";
import {
  BREAKPOINTS,
  breakpointUnits,
  CONTEXT_AWARE,
  MDSCR,
  MDSCR_EL1,
  watchpointUnits,
} from "../debug/units.js";
import { EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { system } from "../state.js";
import { registerNumber } from "../system-register.js";
import { type Check, Rule } from "../system-registers.js";

/** RX and TX. */
const MDCCINT_MASK = 3 << 29;
/** OSLSR_EL1: an OS lock is there; bit 1 is its state. */
const OSLM = 1 << 3;
const OSLK = 1 << 1;
const locked = system("OSLK");
/** MDE, KDE, TDCC and SS; the rest is for external debug. */
const MDSCR_MASK = 0xb001;
/** BT, LBN, SSC, HMC, BAS, PMC and E. BAS is fixed, as all instructions have four bytes. */
const DBGBCR_MASK = 0xff_e007;
const DBGBCR_BAS = 0x1e0;
/** MASK, WT, LBN, SSC, HMC, BAS, LSC, PAC and E. */
const DBGWCR_MASK = 0x1f1f_ffff;

/** The registers of self-hosted debug and the OS lock. */
export function defineDebug(pe: ArmPe): void {
  const { core, registers } = pe;
  const number = (op1: number, crn: number, crm: number, op2: number): number =>
    registerNumber(2, op1, crn, crm, op2);
  const trapped =
    (bit: number): Check =>
    () =>
      (core.lo(EL2.mdcr) & (bit | MDCR.TDE)) !== 0 || (core.lo(EL2.hcr) & HCR.TGE) !== 0
        ? Rule.trapEl2
        : Rule.allowed;
  const all = trapped(MDCR.TDA);
  const lock = trapped(MDCR.TDOSA);
  const changed = (): void => pe.debug.changed();
  registers.storage(number(0, 0, 2, 2), "MDSCR_EL1", MDSCR_EL1, {
    maskLo: MDSCR_MASK,
    maskHi: 0,
    check: all,
    changed,
  });
  for (const [n, { value, control }] of breakpointUnits.entries()) {
    registers.storage(number(0, 0, n, 4), `DBGBVR${n}_EL1`, value, {
      // A context has 32 bits, an address ends in two zeros.
      maskLo: n < BREAKPOINTS - CONTEXT_AWARE ? ~3 : -1,
      check: all,
      changed,
    });
    registers.storage(number(0, 0, n, 5), `DBGBCR${n}_EL1`, control, {
      maskLo: DBGBCR_MASK,
      maskHi: 0,
      ones: DBGBCR_BAS,
      check: all,
      changed,
    });
  }
  for (const [n, { value, control }] of watchpointUnits.entries()) {
    registers.storage(number(0, 0, n, 6), `DBGWVR${n}_EL1`, value, { maskLo: ~3, check: all, changed });
    registers.storage(number(0, 0, n, 7), `DBGWCR${n}_EL1`, control, {
      maskLo: DBGWCR_MASK,
      maskHi: 0,
      check: all,
      changed,
    });
  }
  registers.constant(number(0, 1, 0, 0), "MDRAR_EL1", 0, trapped(MDCR.TDRA));
  registers.define(number(0, 1, 0, 4), "OSLAR_EL1", {
    read: undefined,
    write: (lo) => core.set(locked, lo & 1, 0),
    check: lock,
  });
  registers.define(number(0, 1, 1, 4), "OSLSR_EL1", {
    read: () => registers.set(OSLM | (core.lo(locked) !== 0 ? OSLK : 0), 0),
    write: undefined,
    check: lock,
  });
  registers.storage(number(0, 1, 3, 4), "OSDLR_EL1", system("OSDLR_EL1"), {
    maskLo: 1,
    maskHi: 0,
    check: lock,
  });
  registers.storage(number(0, 1, 4, 4), "DBGPRCR_EL1", system("DBGPRCR_EL1"), {
    maskLo: 1,
    maskHi: 0,
    check: lock,
  });
  defineClaimTags(pe, all, number);
  defineCommunications(pe, all, number);
}

type Numbering = (op1: number, crn: number, crm: number, op2: number) => number;

function defineClaimTags({ core, registers }: ArmPe, check: Check, number: Numbering): void {
  const claims = system("DBGCLAIM");
  registers.define(number(0, 7, 8, 6), "DBGCLAIMSET_EL1", {
    read: () => registers.set(0xff, 0),
    write: (lo) => core.set(claims, core.lo(claims) | (lo & 0xff), 0),
    check,
  });
  registers.define(number(0, 7, 9, 6), "DBGCLAIMCLR_EL1", {
    read: () => registers.set(core.lo(claims), 0),
    write: (lo) => core.set(claims, core.lo(claims) & ~lo, 0),
    check,
  });
  registers.constant(number(0, 7, 14, 6), "DBGAUTHSTATUS_EL1", 0, check);
}

/** The debug communications channel. Nobody is on its other side: nothing arrives, and what is sent is taken at once. */
function defineCommunications(pe: ArmPe, all: Check, number: Numbering): void {
  const { core, registers } = pe;
  const transfer: Check = (read) => {
    if (pe.el === 0 && (core.lo(MDSCR_EL1) & MDSCR.TDCC) !== 0) return Rule.trapEl1;
    return all(read);
  };
  registers.storage(number(0, 0, 2, 0), "MDCCINT_EL1", system("MDCCINT_EL1"), {
    maskLo: MDCCINT_MASK,
    maskHi: 0,
    check: all,
  });
  registers.constant(number(3, 0, 1, 0), "MDCCSR_EL0", 0, transfer);
  const nothing = { read: () => registers.set(0, 0), write: () => {} };
  registers.define(number(3, 0, 4, 0), "DBGDTR_EL0", { ...nothing, check: transfer });
  registers.define(number(3, 0, 5, 0), "DBGDTRRX_EL0", { ...nothing, check: transfer });
  const unlocked = [
    [number(0, 0, 0, 2), "OSDTRRX_EL1"],
    [number(0, 0, 3, 2), "OSDTRTX_EL1"],
    [number(0, 0, 6, 2), "OSECCR_EL1"],
  ] as const;
  for (const [register, name] of unlocked) registers.define(register, name, { ...nothing, check: all });
}

/** Their values after reset: the OS lock is locked. */
export function resetDebug({ core, debug }: ArmPe): void {
  core.set(locked, 1, 0);
  for (const { control } of breakpointUnits) core.set(control, DBGBCR_BAS, 0);
  debug.step.reset();
}
