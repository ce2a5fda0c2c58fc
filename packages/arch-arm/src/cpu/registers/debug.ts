import { HCR, MDCR } from "../control-bits.js";
import { EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { system } from "../state.js";
import { registerNumber } from "../system-register.js";
import { type Check, Rule } from "../system-registers.js";

/** OSLSR_EL1: an OS lock is there; bit 1 is its state. */
const OSLM = 1 << 3;
const OSLK = 1 << 1;

/** The registers of self-hosted debug and the OS lock: two breakpoints and two watchpoints. */
export function defineDebug(pe: ArmPe): void {
  const { core, registers } = pe;
  const debug = (op1: number, crn: number, crm: number, op2: number): number =>
    registerNumber(2, op1, crn, crm, op2);
  const trapped =
    (bit: number): Check =>
    () =>
      (core.lo(EL2.mdcr) & (bit | MDCR.TDE)) !== 0 || (core.lo(EL2.hcr) & HCR.TGE) !== 0
        ? Rule.trapEl2
        : Rule.allowed;
  const all = trapped(MDCR.TDA);
  const lock = trapped(MDCR.TDOSA);
  registers.storage(debug(0, 0, 2, 2), "MDSCR_EL1", system("MDSCR_EL1"), {
    maskLo: 0xb001,
    maskHi: 0,
    check: all,
    changed: () => pe.modeBits.refresh(),
  });
  registers.storage(debug(0, 0, 2, 0), "MDCCINT_EL1", system("MDCCINT_EL1"), {
    maskLo: 0,
    maskHi: 0,
    check: all,
  });
  registers.constant(debug(3, 0, 1, 0), "MDCCSR_EL0", 0, all);
  for (let n = 0; n < 2; n++) {
    registers.storage(debug(0, 0, n, 4), `DBGBVR${n}_EL1`, system(`DBGBVR${n}_EL1`), {
      maskLo: ~3,
      check: all,
    });
    registers.storage(debug(0, 0, n, 5), `DBGBCR${n}_EL1`, system(`DBGBCR${n}_EL1`), {
      maskLo: 0xffe1e7,
      maskHi: 0,
      check: all,
    });
    registers.storage(debug(0, 0, n, 6), `DBGWVR${n}_EL1`, system(`DBGWVR${n}_EL1`), {
      maskLo: ~3,
      check: all,
    });
    registers.storage(debug(0, 0, n, 7), `DBGWCR${n}_EL1`, system(`DBGWCR${n}_EL1`), {
      maskLo: 0x1f1fffff,
      maskHi: 0,
      check: all,
    });
  }
  registers.constant(debug(0, 1, 0, 0), "MDRAR_EL1", 0, trapped(MDCR.TDRA));
  const locked = system("OSLK");
  registers.define(debug(0, 1, 0, 4), "OSLAR_EL1", {
    read: undefined,
    write: (lo) => core.set(locked, lo & 1, 0),
    check: lock,
  });
  registers.define(debug(0, 1, 1, 4), "OSLSR_EL1", {
    read: () => registers.set(OSLM | (core.lo(locked) !== 0 ? OSLK : 0), 0),
    write: undefined,
    check: lock,
  });
  registers.storage(debug(0, 1, 3, 4), "OSDLR_EL1", system("OSDLR_EL1"), {
    maskLo: 1,
    maskHi: 0,
    check: lock,
  });
  registers.storage(debug(0, 1, 4, 4), "DBGPRCR_EL1", system("DBGPRCR_EL1"), {
    maskLo: 1,
    maskHi: 0,
    check: lock,
  });
  const claims = system("DBGCLAIM");
  registers.define(debug(0, 7, 8, 6), "DBGCLAIMSET_EL1", {
    read: () => registers.set(0xff, 0),
    write: (lo) => core.set(claims, core.lo(claims) | (lo & 0xff), 0),
    check: all,
  });
  registers.define(debug(0, 7, 9, 6), "DBGCLAIMCLR_EL1", {
    read: () => registers.set(core.lo(claims), 0),
    write: (lo) => core.set(claims, core.lo(claims) & ~lo, 0),
    check: all,
  });
  registers.constant(debug(0, 7, 14, 6), "DBGAUTHSTATUS_EL1", 0, all);
}
