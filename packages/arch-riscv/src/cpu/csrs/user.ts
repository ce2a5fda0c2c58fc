import { Cause } from "../causes.js";
import type { CsrTable } from "../csr-table.js";
import type { RiscvHart } from "../hart.js";
import { frm, H, M, riscvLayout, S } from "../state.js";

const fpFlags = riscvLayout.fpFlags;
const FLAGS = 0x1f;

/** Floating-point CSRs and the user-level views of counters and time. */
export function defineUserCsrs(t: CsrTable, hart: RiscvHart): void {
  if (hart.features.fd) defineFloatingPoint(t, hart);
  defineCounterViews(t, hart);
}

function defineFloatingPoint(t: CsrTable, { core, status }: RiscvHart): void {
  // Off in either status register is an illegal instruction, never a virtual one.
  const refuse = (): number => (status.fpOn ? 0 : Cause.illegalInstruction);
  const setFlags = (value: number): void => core.set(fpFlags, value & FLAGS, 0);
  const setRounding = (value: number): void => core.set(frm, value & 7, 0);
  const writes = (store: (value: number) => void) => (lo: number) => {
    store(lo);
    status.markFpDirty();
  };
  const flags = (): number => core.lo(fpFlags) & FLAGS;
  const rounding = (): number => core.lo(frm) & 7;
  t.define(0x001, "fflags", { ...t.ofNarrow(flags, writes(setFlags)), refuse });
  t.define(0x002, "frm", { ...t.ofNarrow(rounding, writes(setRounding)), refuse });
  const both = writes((value) => {
    setFlags(value);
    setRounding(value >>> 5);
  });
  t.define(0x003, "fcsr", { ...t.ofNarrow(() => (rounding() << 5) | flags(), both), refuse });
}

function defineCounterViews(t: CsrTable, hart: RiscvHart): void {
  const { counters, timers } = hart;
  const view = (number: number, name: string, read: () => void): void => {
    const bit = 1 << (number & 31);
    t.define(number, name, { read, write: () => {}, refuse: () => counterRefused(hart, bit) });
  };
  view(0xc00, "cycle", () => {
    counters.readCycle();
    t.lo = counters.lo;
    t.hi = counters.hi;
  });
  view(0xc01, "time", () => {
    timers.sampleAndUpdate();
    if (hart.v !== 0) timers.addGuestOffset();
    t.lo = timers.lo;
    t.hi = timers.hi;
  });
  view(0xc02, "instret", () => {
    counters.readInstret();
    t.lo = counters.lo;
    t.hi = counters.hi;
  });
}

/** mcounteren, hcounteren and scounteren, in that order: what is denied below M, when V=1, and in U-mode. */
function counterRefused({ core, priv, v }: RiscvHart, bit: number): number {
  if (priv === 3) return 0;
  if ((core.lo(M.counteren) & bit) === 0) return Cause.illegalInstruction;
  if (v !== 0 && (core.lo(H.counteren) & bit) === 0) return Cause.virtualInstruction;
  if (priv !== 0 || (core.lo(S.counteren) & bit) !== 0) return 0;
  return v !== 0 ? Cause.virtualInstruction : Cause.illegalInstruction;
}
