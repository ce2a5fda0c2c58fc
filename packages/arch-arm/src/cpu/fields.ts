import { system } from "./state.js";

// The system registers that decide how the PE works, as fields of the state.

export const EL1 = {
  sctlr: system("SCTLR_EL1"),
  cpacr: system("CPACR_EL1"),
  ttbr0: system("TTBR0_EL1"),
  ttbr1: system("TTBR1_EL1"),
  tcr: system("TCR_EL1"),
  mair: system("MAIR_EL1"),
  vbar: system("VBAR_EL1"),
  esr: system("ESR_EL1"),
  far: system("FAR_EL1"),
  elr: system("ELR_EL1"),
  spsr: system("SPSR_EL1"),
  par: system("PAR_EL1"),
  cntkctl: system("CNTKCTL_EL1"),
} as const;

export const EL2 = {
  sctlr: system("SCTLR_EL2"),
  hcr: system("HCR_EL2"),
  cptr: system("CPTR_EL2"),
  mdcr: system("MDCR_EL2"),
  ttbr0: system("TTBR0_EL2"),
  tcr: system("TCR_EL2"),
  vttbr: system("VTTBR_EL2"),
  vtcr: system("VTCR_EL2"),
  mair: system("MAIR_EL2"),
  vbar: system("VBAR_EL2"),
  esr: system("ESR_EL2"),
  far: system("FAR_EL2"),
  hpfar: system("HPFAR_EL2"),
  elr: system("ELR_EL2"),
  spsr: system("SPSR_EL2"),
  vpidr: system("VPIDR_EL2"),
  vmpidr: system("VMPIDR_EL2"),
  cnthctl: system("CNTHCTL_EL2"),
  cntvoff: system("CNTVOFF_EL2"),
} as const;

/** CNTP, CNTV and CNTHP: CTL has ENABLE and IMASK only. */
export const TIMER = {
  frequency: system("CNTFRQ_EL0"),
  physical: { ctl: system("CNTP_CTL_EL0"), cval: system("CNTP_CVAL_EL0") },
  virtual: { ctl: system("CNTV_CTL_EL0"), cval: system("CNTV_CVAL_EL0") },
  hyp: { ctl: system("CNTHP_CTL_EL2"), cval: system("CNTHP_CVAL_EL2") },
} as const;

/** Levels of the interrupt inputs: IRQ 1, FIQ 2, virtual IRQ 4, virtual FIQ 8. They belong to others. */
export const inputLines = system("inputLines");
