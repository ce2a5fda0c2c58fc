import { StateLayout } from "@hypercraft/engine";

// Architectural state of one hart. CSRs that other CSRs are views of (sstatus of mstatus, sie of mie,
// vsip of hvip ...) have no field of their own.

const layout = new StateLayout();

/** The hart's state layout. */
export const riscvLayout = layout;

export const X = layout.array("x", "i64", 32);
export const F = layout.array("f", "i64", 32);

/** Privilege mode: 0 U, 1 S, 3 M; and the virtualization mode V. */
export const privilege = layout.i32("priv");
export const virtualization = layout.i32("v");

const csr = (name: string) => layout.i64(name);

/** fcsr.frm; fcsr.fflags is the layout's `fpFlags` (the engine's numbering is RISC-V's). */
export const frm = layout.i32("frm");

export const M = {
  status: csr("mstatus"),
  edeleg: csr("medeleg"),
  ideleg: csr("mideleg"),
  ie: csr("mie"),
  ip: csr("mip"),
  tvec: csr("mtvec"),
  counteren: csr("mcounteren"),
  countinhibit: csr("mcountinhibit"),
  scratch: csr("mscratch"),
  epc: csr("mepc"),
  cause: csr("mcause"),
  tval: csr("mtval"),
  tval2: csr("mtval2"),
  tinst: csr("mtinst"),
  envcfg: csr("menvcfg"),
  seccfg: csr("mseccfg"),
  /** Offsets that make mcycle and minstret writable: counter = retired + offset. */
  cycleOffset: csr("mcycleoffset"),
  instretOffset: csr("minstretoffset"),
} as const;

export const S = {
  tvec: csr("stvec"),
  counteren: csr("scounteren"),
  scratch: csr("sscratch"),
  epc: csr("sepc"),
  cause: csr("scause"),
  tval: csr("stval"),
  atp: csr("satp"),
  envcfg: csr("senvcfg"),
  timecmp: csr("stimecmp"),
} as const;

export const H = {
  status: csr("hstatus"),
  edeleg: csr("hedeleg"),
  ideleg: csr("hideleg"),
  vip: csr("hvip"),
  geie: csr("hgeie"),
  geip: csr("hgeip"),
  counteren: csr("hcounteren"),
  envcfg: csr("henvcfg"),
  tval: csr("htval"),
  tinst: csr("htinst"),
  gatp: csr("hgatp"),
  timedelta: csr("htimedelta"),
} as const;

export const VS = {
  status: csr("vsstatus"),
  tvec: csr("vstvec"),
  scratch: csr("vsscratch"),
  epc: csr("vsepc"),
  cause: csr("vscause"),
  tval: csr("vstval"),
  atp: csr("vsatp"),
  timecmp: csr("vstimecmp"),
} as const;

export const pmpcfg = layout.array("pmpcfg", "i64", 2);
export const pmpaddr = layout.array("pmpaddr", "i64", 16);

/** 1 while an interrupt is pending and enabled in mie, whether its target mode lets it in or not: derived from the rest. */
export const interruptsWaiting = layout.i32("interruptsWaiting");

/** Level-sensitive interrupt inputs of the hart, as bits of mip: MSIP, MTIP, MEIP, and the SEIP line that is or-ed with mip.SEIP. */
export const interruptLines = layout.i32("interruptLines");
