// Bits of the control registers and flags that the CPU model looks at: SDM volume 3, 2.2.1, 2.3 and 2.5.

export const CR0 = {
  PE: 1 << 0,
  MP: 1 << 1,
  EM: 1 << 2,
  TS: 1 << 3,
  ET: 1 << 4,
  NE: 1 << 5,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 1 << 31,
} as const;

export const CR4 = {
  VME: 1 << 0,
  PVI: 1 << 1,
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  MCE: 1 << 6,
  PGE: 1 << 7,
  PCE: 1 << 8,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  UMIP: 1 << 11,
  VMXE: 1 << 13,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  OSXSAVE: 1 << 18,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
} as const;

/** What CR4 can hold here; other bits are #GP. */
export const CR4_SUPPORTED =
  CR4.TSD |
  CR4.DE |
  CR4.PSE |
  CR4.PAE |
  CR4.MCE |
  CR4.PGE |
  CR4.PCE |
  CR4.OSFXSR |
  CR4.OSXMMEXCPT |
  CR4.UMIP |
  CR4.VMXE |
  CR4.FSGSBASE |
  CR4.PCIDE |
  CR4.OSXSAVE |
  CR4.SMEP |
  CR4.SMAP;

export const EFER = { SCE: 1 << 0, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11 } as const;

export const RFLAG = {
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
} as const;
export const IOPL_SHIFT = 12;
export const IOPL = 3 << IOPL_SHIFT;
/** IA32_DEBUGCTL: last branches are recorded (nobody asks where: there is no stack of them); steps stop at branches. */
export const DEBUGCTL_BIT = { LBR: 1 << 0, BTF: 1 << 1 } as const;
export const DEBUGCTL_KNOWN: number = DEBUGCTL_BIT.LBR | DEBUGCTL_BIT.BTF;
/** Reads as one. */
export const RFLAGS_FIXED = 2;
/** What the field `RFLAGS` holds: everything but the status flags and DF. */
export const SYSTEM_FLAGS =
  RFLAG.TF | RFLAG.IF | IOPL | RFLAG.NT | RFLAG.RF | RFLAG.VM | RFLAG.AC | RFLAG.VIF | RFLAG.VIP | RFLAG.ID;

/** Access rights of a segment, as a VMCS holds them (SDM volume 3, 25.4.1). */
export const RIGHTS = {
  /** Of data segments; of code segments, readable. */
  writable: 1 << 1,
  accessed: 1 << 0,
  /** Data segments that grow down; conforming code. */
  expandDown: 1 << 2,
  conforming: 1 << 2,
  code: 1 << 3,
  /** Code or data, not a system segment. */
  segment: 1 << 4,
  dplShift: 5,
  dpl: 3 << 5,
  present: 1 << 7,
  available: 1 << 12,
  long: 1 << 13,
  big: 1 << 14,
  granularity: 1 << 15,
  unusable: 1 << 16,
} as const;

/** Types of system segments and gates (SDM volume 3, 3.5). */
export const SystemType = {
  tss16: 1,
  ldt: 2,
  busyTss16: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss: 9,
  busyTss: 11,
  callGate: 12,
  interruptGate: 14,
  trapGate: 15,
} as const;
