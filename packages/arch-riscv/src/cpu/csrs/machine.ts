import { H_INTERRUPTS, MEDELEG_H_MASK, MEDELEG_MASK, S_INTERRUPTS } from "../causes.js";
import { COUNTEREN_MASK } from "../counters.js";
import type { CsrTable } from "../csr-table.js";
import { misaLow } from "../features.js";
import type { RiscvHart } from "../hart.js";
import { PMP_ENTRIES } from "../pmp.js";
import { M, pmpaddr, pmpcfg } from "../state.js";
import { ENVCFG } from "../status-bits.js";
import { legalCbie } from "./environment.js";
import { legalTvec } from "./vector.js";

/** MXL = 2: 64 bits. */
const MXL_64_HI = 2 << 30;

/** Machine-level CSRs (machine chapter). */
export function defineMachineCsrs(t: CsrTable, hart: RiscvHart): void {
  const { core, features, status, interrupts, timers, counters, contexts } = hart;

  t.constant(0xf11, "mvendorid");
  t.constant(0xf12, "marchid");
  t.constant(0xf13, "mimpid");
  t.constant(0xf14, "mhartid", hart.hartId);
  t.constant(0xf15, "mconfigptr");

  t.define(0x300, "mstatus", {
    read: () => {
      t.lo = core.lo(M.status);
      t.hi = core.hi(M.status);
    },
    write: (lo, hi) => status.writeMstatus(lo, hi),
  });
  t.constant(0x301, "misa", misaLow(features), MXL_64_HI);
  const medeleg = MEDELEG_MASK | (features.h ? MEDELEG_H_MASK : 0);
  t.plain(0x302, "medeleg", M.edeleg, medeleg, 0);
  // VS-level and guest external interrupts are always delegated past M-mode.
  const alwaysDelegated = features.h ? H_INTERRUPTS : 0;
  t.narrow(
    0x303,
    "mideleg",
    () => core.lo(M.ideleg),
    (lo) => {
      core.set(M.ideleg, (lo & S_INTERRUPTS) | alwaysDelegated, 0);
      interrupts.refresh();
    },
  );
  t.narrow(
    0x304,
    "mie",
    () => core.lo(M.ie),
    (lo) => interrupts.writeMie(lo),
  );
  t.define(0x305, "mtvec", legalTvec(t, M.tvec));
  t.plain(0x306, "mcounteren", M.counteren, COUNTEREN_MASK, 0);
  t.define(0x30a, "menvcfg", {
    read: () => {
      t.lo = core.lo(M.envcfg);
      t.hi = core.hi(M.envcfg);
    },
    write: (lo, hi) => {
      let mask = ENVCFG.FIOM;
      if (features.zicbom) mask |= ENVCFG.CBIE | ENVCFG.CBCFE;
      if (features.zicboz) mask |= ENVCFG.CBZE;
      const maskHi = (features.svadu ? ENVCFG.ADUE_HI : 0) | (features.sstc ? ENVCFG.STCE_HI : 0);
      core.set(M.envcfg, legalCbie(lo & mask), hi & maskHi);
      hart.status.refreshMode();
      contexts.refresh();
      timers.update();
    },
  });
  t.narrow(
    0x320,
    "mcountinhibit",
    () => core.lo(M.countinhibit),
    (lo) => counters.writeInhibit(lo),
  );

  t.plain(0x340, "mscratch", M.scratch);
  t.plain(0x341, "mepc", M.epc, -2);
  t.plain(0x342, "mcause", M.cause);
  t.plain(0x343, "mtval", M.tval);
  t.define(0x344, "mip", {
    ...t.ofNarrow(
      () => {
        timers.sampleAndUpdate();
        return interrupts.pending;
      },
      (lo) => interrupts.writeMip(lo),
    ),
    readForModify: () => {
      t.lo = interrupts.pendingForModify;
      t.hi = 0;
    },
  });
  if (features.h) {
    t.plain(0x34a, "mtinst", M.tinst);
    t.plain(0x34b, "mtval2", M.tval2);
  }

  defineCounters(t, hart);
  definePmp(t, hart);
  defineTriggers(t);
}

/** mcycle, minstret, and the event counters, of which there are none. */
function defineCounters(t: CsrTable, { counters }: RiscvHart): void {
  t.define(0xb00, "mcycle", {
    read: () => {
      counters.readCycle();
      t.lo = counters.lo;
      t.hi = counters.hi;
    },
    write: (lo, hi) => counters.writeCycle(lo, hi),
  });
  t.define(0xb02, "minstret", {
    read: () => {
      counters.readInstret();
      t.lo = counters.lo;
      t.hi = counters.hi;
    },
    write: (lo, hi) => counters.writeInstret(lo, hi),
  });
  for (let i = 3; i < 32; i++) {
    t.constant(0xb00 + i, `mhpmcounter${i}`);
    t.constant(0x320 + i, `mhpmevent${i}`);
  }
}

function definePmp(t: CsrTable, { core, pmp, protectionChanged }: RiscvHart): void {
  for (const [index, field] of pmpcfg.entries()) {
    t.define(0x3a0 + index * 2, `pmpcfg${index * 2}`, {
      read: () => {
        t.lo = core.lo(field);
        t.hi = core.hi(field);
      },
      write: (lo, hi) => {
        if (pmp.writeConfig(index, lo, hi)) protectionChanged();
      },
    });
  }
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    const field = pmpaddr[entry]!;
    t.define(0x3b0 + entry, `pmpaddr${entry}`, {
      read: () => {
        t.lo = core.lo(field);
        t.hi = core.hi(field);
      },
      write: (lo, hi) => {
        if (pmp.writeAddress(entry, lo, hi)) protectionChanged();
      },
    });
  }
}

/** Debug triggers: there are none, and tdata1's type 0 says so. */
function defineTriggers(t: CsrTable): void {
  t.constant(0x7a0, "tselect");
  t.constant(0x7a1, "tdata1");
  t.constant(0x7a2, "tdata2");
  t.constant(0x7a3, "tdata3");
  // Bit 0: no trigger of any type.
  t.constant(0x7a4, "tinfo", 1);
}
