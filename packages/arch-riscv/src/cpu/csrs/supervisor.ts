import { Cause } from "../causes.js";
import { supportsMode } from "../contexts.js";
import { COUNTEREN_MASK } from "../counters.js";
import type { CsrTable } from "../csr-table.js";
import type { RiscvHart } from "../hart.js";
import { M, S } from "../state.js";
import { ENVCFG, SD_HI, SSTATUS_MASK, TVM, UXL_64_HI } from "../status-bits.js";
import { legalCbie } from "./environment.js";
import { legalTvec } from "./vector.js";

/** TM of mcounteren and hcounteren. */
export const TM = 2;

/** Supervisor CSRs (supervisor chapter) as HS-mode and M-mode see them. */
export function defineSupervisorCsrs(t: CsrTable, hart: RiscvHart): void {
  const { core, features, status, interrupts, timers, contexts } = hart;

  t.define(0x100, "sstatus", {
    read: () => {
      t.lo = core.lo(M.status) & SSTATUS_MASK;
      t.hi = core.hi(M.status) & (SD_HI | UXL_64_HI);
    },
    write: (lo) => status.writeSstatus(lo),
  });
  t.narrow(
    0x104,
    "sie",
    () => interrupts.readSie(),
    (lo) => interrupts.writeSie(lo),
  );
  t.define(0x105, "stvec", legalTvec(t, S.tvec));
  t.plain(0x106, "scounteren", S.counteren, COUNTEREN_MASK, 0);
  t.narrow(
    0x10a,
    "senvcfg",
    () => core.lo(S.envcfg),
    (lo) => {
      let mask = ENVCFG.FIOM;
      if (features.zicbom) mask |= ENVCFG.CBIE | ENVCFG.CBCFE;
      if (features.zicboz) mask |= ENVCFG.CBZE;
      core.set(S.envcfg, legalCbie(lo & mask), 0);
      hart.status.refreshMode();
    },
  );
  t.plain(0x140, "sscratch", S.scratch);
  t.plain(0x141, "sepc", S.epc, -2);
  t.plain(0x142, "scause", S.cause);
  t.plain(0x143, "stval", S.tval);
  t.narrow(
    0x144,
    "sip",
    () => {
      timers.sampleAndUpdate();
      return interrupts.readSip();
    },
    (lo) => interrupts.writeSip(lo),
  );
  t.define(0x180, "satp", {
    read: () => {
      t.lo = core.lo(S.atp);
      t.hi = core.hi(S.atp);
    },
    write: (lo, hi) => {
      // A write with an unsupported MODE has no effect at all.
      if (!supportsMode(hi, features.sv)) return;
      if (core.lo(S.atp) === lo && core.hi(S.atp) === hi) return;
      core.set(S.atp, lo, hi);
      contexts.spaceChanged();
    },
    refuse: () => (hart.priv === 1 && (core.lo(M.status) & TVM) !== 0 ? Cause.illegalInstruction : 0),
  });
  if (features.sstc) {
    t.define(0x14d, "stimecmp", {
      read: () => {
        t.lo = core.lo(S.timecmp);
        t.hi = core.hi(S.timecmp);
      },
      write: (lo, hi) => {
        core.set(S.timecmp, lo, hi);
        timers.update();
      },
      refuse: () => (hart.priv !== 3 && timeCompareOff(hart) ? Cause.illegalInstruction : 0),
      refuseInHs: () => timeCompareOff(hart),
    });
  }
}

/** Are stimecmp and vstimecmp out of reach of HS-mode? */
export function timeCompareOff({ core }: RiscvHart): boolean {
  return (core.hi(M.envcfg) & ENVCFG.STCE_HI) === 0 || (core.lo(M.counteren) & TM) === 0;
}
