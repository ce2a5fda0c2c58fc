/** Exception codes of xcause (hypervisor chapter, table of cause values). */
export const Cause = {
  fetchMisaligned: 0,
  fetchAccess: 1,
  illegalInstruction: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  ecallU: 8,
  ecallS: 9,
  ecallVS: 10,
  ecallM: 11,
  fetchPage: 12,
  loadPage: 13,
  storePage: 15,
  softwareCheck: 18,
  hardwareError: 19,
  fetchGuestPage: 20,
  loadGuestPage: 21,
  virtualInstruction: 22,
  storeGuestPage: 23,
} as const;

/** Interrupt numbers: bits of mip and mie, and the code of xcause when its top bit is set. */
export const Irq = {
  ssi: 1,
  vssi: 2,
  msi: 3,
  sti: 5,
  vsti: 6,
  mti: 7,
  sei: 9,
  vsei: 10,
  mei: 11,
  sgei: 12,
} as const;

/** Interrupts of the supervisor level: sip, sie. */
export const S_INTERRUPTS = (1 << Irq.ssi) | (1 << Irq.sti) | (1 << Irq.sei);
/** Interrupts of the virtual supervisor level: hvip, hideleg. */
export const VS_INTERRUPTS = (1 << Irq.vssi) | (1 << Irq.vsti) | (1 << Irq.vsei);
/** Interrupts of hip and hie. */
export const H_INTERRUPTS = VS_INTERRUPTS | (1 << Irq.sgei);
/** Interrupts of the machine level. */
export const M_INTERRUPTS = (1 << Irq.msi) | (1 << Irq.mti) | (1 << Irq.mei);

const bits = (...causes: readonly number[]): number => causes.reduce((mask, cause) => mask | (1 << cause), 0);

/** Writable bits of hedeleg (table "Bits of hedeleg that must be writable or must be read-only zero"). */
export const HEDELEG_MASK = bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 18, 19);
/** Writable bits of medeleg without the H extension. */
export const MEDELEG_MASK = HEDELEG_MASK | bits(9);
/** Exceptions the H extension adds to medeleg. */
export const MEDELEG_H_MASK = bits(10, 20, 21, 22, 23);

/** Exceptions whose trap value is the virtual address of an access: what the GVA bits tell about. */
export const ADDRESS_CAUSES = bits(0, 1, 3, 4, 5, 6, 7, 12, 13, 15, 20, 21, 23);
