/** HCR_EL2, bits 31..0. */
export const HCR = {
  VM: 1 << 0,
  SWIO: 1 << 1,
  PTW: 1 << 2,
  FMO: 1 << 3,
  IMO: 1 << 4,
  AMO: 1 << 5,
  VF: 1 << 6,
  VI: 1 << 7,
  VSE: 1 << 8,
  FB: 1 << 9,
  DC: 1 << 12,
  TWI: 1 << 13,
  TWE: 1 << 14,
  TID1: 1 << 16,
  TID2: 1 << 17,
  TID3: 1 << 18,
  TSC: 1 << 19,
  TIDCP: 1 << 20,
  TACR: 1 << 21,
  TSW: 1 << 22,
  TPC: 1 << 23,
  TPU: 1 << 24,
  TTLB: 1 << 25,
  TVM: 1 << 26,
  TGE: 1 << 27,
  TDZ: 1 << 28,
  HCD: 1 << 29,
  TRVM: 1 << 30,
  /** EL1 is AArch64; it can be nothing else. */
  RW: 1 << 31,
} as const;
/** Bits that can be written, without RW. In the upper half: CD and ID. */
export const HCR_MASK_LO = 0x7fff_ffff;
export const HCR_MASK_HI = 3;

/** SCTLR_EL1 and SCTLR_EL2. */
export const SCTLR = {
  M: 1 << 0,
  A: 1 << 1,
  C: 1 << 2,
  SA: 1 << 3,
  SA0: 1 << 4,
  UMA: 1 << 9,
  I: 1 << 12,
  DZE: 1 << 14,
  UCT: 1 << 15,
  nTWI: 1 << 16,
  nTWE: 1 << 18,
  WXN: 1 << 19,
  SPAN: 1 << 23,
  UCI: 1 << 26,
} as const;
/** EL1: RES1 bits (AArch32 at EL0 is absent: SED and ITD among them), and those that can be written. */
export const SCTLR_EL1_RES1 = 0x3050_0980;
export const SCTLR_EL1_MASK =
  SCTLR.M |
  SCTLR.A |
  SCTLR.C |
  SCTLR.SA |
  SCTLR.SA0 |
  SCTLR.UMA |
  SCTLR.I |
  SCTLR.DZE |
  SCTLR.UCT |
  SCTLR.nTWI |
  SCTLR.nTWE |
  SCTLR.WXN |
  SCTLR.SPAN |
  SCTLR.UCI;
export const SCTLR_EL2_RES1 = 0x30c5_0830;
export const SCTLR_EL2_MASK = SCTLR.M | SCTLR.A | SCTLR.C | SCTLR.SA | SCTLR.I | SCTLR.WXN;

/** CPACR_EL1.FPEN. */
export const CPACR_FPEN_SHIFT = 20;
/** CPTR_EL2 with HCR_EL2.E2H = 0. */
export const CPTR = { TFP: 1 << 10, TCPAC: 1 << 31, RES1: 0x33ff } as const;
export const MDCR = {
  HPMN: 0x1f,
  TPMCR: 1 << 5,
  TPM: 1 << 6,
  HPME: 1 << 7,
  TDE: 1 << 8,
  TDA: 1 << 9,
  TDOSA: 1 << 10,
  TDRA: 1 << 11,
} as const;
/** CNTKCTL_EL1. */
export const CNTKCTL = { EL0PCTEN: 1, EL0VCTEN: 2, EL0VTEN: 1 << 8, EL0PTEN: 1 << 9 } as const;
/** CNTHCTL_EL2 with HCR_EL2.E2H = 0. */
export const CNTHCTL = { EL1PCTEN: 1, EL1PCEN: 2 } as const;

/** CNTKCTL_EL1 and CNTHCTL_EL2. */
export const EVENT_STREAM = { EVNTEN: 1 << 2, EVNTDIR: 1 << 3, EVNTI_SHIFT: 4 } as const;

/** TCR_EL1; those with HI are in its upper half. */
export const TCR = {
  EPD0: 1 << 7,
  A1: 1 << 22,
  EPD1: 1 << 23,
  AS_HI: 1 << 4,
  TBI0_HI: 1 << 5,
  TBI1_HI: 1 << 6,
} as const;

/** PSTATE as SPSR_ELx has it. */
export const SPSR = {
  N: 1 << 31,
  Z: 1 << 30,
  C: 1 << 29,
  V: 1 << 28,
  PAN: 1 << 22,
  SS: 1 << 21,
  IL: 1 << 20,
  DAIF: 0x3c0,
  AARCH32: 1 << 4,
} as const;
export const DAIF = { D: 1 << 9, A: 1 << 8, I: 1 << 7, F: 1 << 6 } as const;
