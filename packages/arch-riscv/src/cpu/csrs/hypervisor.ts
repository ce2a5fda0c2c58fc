import { Cause, H_INTERRUPTS, HEDELEG_MASK, VS_INTERRUPTS } from "../causes.js";
import { supportsMode } from "../contexts.js";
import { COUNTEREN_MASK } from "../counters.js";
import type { CsrTable } from "../csr-table.js";
import type { RiscvHart } from "../hart.js";
import { ASID_SHIFT, ATP_MODE_SHIFT, ATP_PPN_HI, VMID_MASK } from "../paging.js";
import { H, M, VS } from "../state.js";
import { ENVCFG, HSTATUS, TVM } from "../status-bits.js";
import { legalCbie } from "./environment.js";
import { TM, timeCompareOff } from "./supervisor.js";
import { legalTvec } from "./vector.js";

/** Hypervisor CSRs (hypervisor chapter, "Hypervisor and Virtual Supervisor CSRs"). */
export function defineHypervisorCsrs(t: CsrTable, hart: RiscvHart): void {
  if (!hart.features.h) return;
  const { core, features, status, interrupts, timers, contexts, mmu } = hart;

  t.define(0x600, "hstatus", {
    read: () => {
      t.lo = core.lo(H.status);
      t.hi = core.hi(H.status);
    },
    write: (lo) => status.writeHstatus(lo),
  });
  t.plain(0x602, "hedeleg", H.edeleg, HEDELEG_MASK, 0);
  t.narrow(
    0x603,
    "hideleg",
    () => core.lo(H.ideleg),
    (lo) => {
      core.set(H.ideleg, lo & VS_INTERRUPTS, 0);
      interrupts.refresh();
    },
  );
  t.narrow(
    0x604,
    "hie",
    () => core.lo(M.ie) & H_INTERRUPTS,
    (lo) => interrupts.mergeMie(lo, H_INTERRUPTS),
  );
  t.define(0x605, "htimedelta", {
    read: () => {
      t.lo = core.lo(H.timedelta);
      t.hi = core.hi(H.timedelta);
    },
    write: (lo, hi) => {
      core.set(H.timedelta, lo, hi);
      timers.update();
    },
  });
  t.plain(0x606, "hcounteren", H.counteren, COUNTEREN_MASK, 0);
  defineGuestExternal(t, hart);
  t.define(0x60a, "henvcfg", {
    // ADUE and STCE are zero while menvcfg's are.
    read: () => {
      t.lo = core.lo(H.envcfg);
      t.hi = core.hi(H.envcfg) & core.hi(M.envcfg);
    },
    write: (lo, hi) => {
      let mask = ENVCFG.FIOM;
      if (features.zicbom) mask |= ENVCFG.CBIE | ENVCFG.CBCFE;
      if (features.zicboz) mask |= ENVCFG.CBZE;
      const maskHi = (ENVCFG.ADUE_HI | ENVCFG.STCE_HI) & core.hi(M.envcfg);
      core.set(H.envcfg, legalCbie(lo & mask), hi & maskHi);
      hart.status.refreshMode();
      contexts.refresh();
      timers.update();
    },
  });
  t.plain(0x643, "htval", H.tval);
  t.narrow(
    0x644,
    "hip",
    () => {
      timers.sampleAndUpdate();
      return interrupts.pending & H_INTERRUPTS;
    },
    (lo) => interrupts.writeHip(lo),
  );
  t.narrow(
    0x645,
    "hvip",
    () => core.lo(H.vip),
    (lo) => interrupts.writeHvip(lo),
  );
  t.plain(0x64a, "htinst", H.tinst);
  t.define(0x680, "hgatp", {
    read: () => {
      t.lo = core.lo(H.gatp) & ~3;
      t.hi = core.hi(H.gatp);
    },
    write: (lo, hi) => {
      // MODE is WARL: it keeps its value when the new one is unsupported. PPN[1:0] reads as zero, since roots
      // are aligned to 16 KiB; one that is not is used where it is, as QEMU does and early hcHyper needs.
      const old = core.hi(H.gatp);
      const mode = (supportsMode(hi, features.sv) ? hi : old) & (0xf << ATP_MODE_SHIFT);
      const rest = hi & ((VMID_MASK << ASID_SHIFT) | ATP_PPN_HI);
      if ((mode | rest) === old && lo === core.lo(H.gatp)) return;
      core.set(H.gatp, lo, mode | rest);
      mmu.gStage.flush();
      contexts.spaceChanged();
    },
    refuse: () => (hart.priv === 1 && (core.lo(M.status) & TVM) !== 0 ? Cause.illegalInstruction : 0),
  });
  defineVirtualSupervisor(t, hart);
}

/** hgeie and hgeip: bits geilen..1. */
function defineGuestExternal(t: CsrTable, { core, features, interrupts }: RiscvHart): void {
  const bits = (1n << BigInt(features.geilen + 1)) - 2n;
  const maskLo = Number(BigInt.asIntN(32, bits));
  const maskHi = Number(BigInt.asIntN(32, bits >> 32n));
  t.define(0x607, "hgeie", {
    read: () => {
      t.lo = core.lo(H.geie);
      t.hi = core.hi(H.geie);
    },
    write: (lo, hi) => {
      core.set(H.geie, lo & maskLo, hi & maskHi);
      interrupts.refresh();
    },
  });
  t.plain(0xe12, "hgeip", H.geip);
}

/** The VS CSRs, and what they stand in for when V=1. */
function defineVirtualSupervisor(t: CsrTable, hart: RiscvHart): void {
  const { core, features, status, interrupts, timers, contexts } = hart;
  t.define(0x200, "vsstatus", {
    read: () => {
      t.lo = core.lo(VS.status);
      t.hi = core.hi(VS.status);
    },
    write: (lo) => status.writeVsstatus(lo),
  });
  t.narrow(
    0x204,
    "vsie",
    () => interrupts.readVsie(),
    (lo) => interrupts.writeVsie(lo),
  );
  t.define(0x205, "vstvec", legalTvec(t, VS.tvec));
  t.plain(0x240, "vsscratch", VS.scratch);
  t.plain(0x241, "vsepc", VS.epc, -2);
  t.plain(0x242, "vscause", VS.cause);
  t.plain(0x243, "vstval", VS.tval);
  t.narrow(
    0x244,
    "vsip",
    () => {
      timers.sampleAndUpdate();
      return interrupts.readVsip();
    },
    (lo) => interrupts.writeVsip(lo),
  );
  t.define(0x280, "vsatp", {
    read: () => {
      t.lo = core.lo(VS.atp);
      t.hi = core.hi(VS.atp);
    },
    write: (lo, hi) => {
      if (!supportsMode(hi, features.sv)) return;
      if (core.lo(VS.atp) === lo && core.hi(VS.atp) === hi) return;
      core.set(VS.atp, lo, hi);
      contexts.spaceChanged();
    },
  });
  for (const number of [0x100, 0x104, 0x105, 0x140, 0x141, 0x142, 0x143, 0x144])
    t.substitute(number, number + 0x100);
  const trapsVm = (): number => ((core.lo(H.status) & HSTATUS.VTVM) !== 0 ? Cause.virtualInstruction : 0);
  t.substitute(0x180, 0x280, trapsVm);
  if (!features.sstc) return;

  t.define(0x24d, "vstimecmp", {
    read: () => {
      t.lo = core.lo(VS.timecmp);
      t.hi = core.hi(VS.timecmp);
    },
    write: (lo, hi) => {
      core.set(VS.timecmp, lo, hi);
      timers.update();
    },
    refuse: () => (hart.priv !== 3 && timeCompareOff(hart) ? Cause.illegalInstruction : 0),
    refuseInHs: () => timeCompareOff(hart),
  });
  t.substitute(0x14d, 0x24d, () => {
    if (timeCompareOff(hart)) return Cause.illegalInstruction;
    const on = (core.hi(H.envcfg) & ENVCFG.STCE_HI) !== 0 && (core.lo(H.counteren) & TM) !== 0;
    return on ? 0 : Cause.virtualInstruction;
  });
}
