// RISC-V Supervisor Binary Interface specification, version 2.0.

/** Extension ids. */
export const Eid = {
  legacySetTimer: 0x00,
  legacyConsolePutchar: 0x01,
  legacyConsoleGetchar: 0x02,
  legacyClearIpi: 0x03,
  legacySendIpi: 0x04,
  legacyRemoteFenceI: 0x05,
  legacyRemoteSfenceVma: 0x06,
  legacyRemoteSfenceVmaAsid: 0x07,
  legacyShutdown: 0x08,
  base: 0x10,
  time: 0x54494d45,
  ipi: 0x735049,
  rfence: 0x52464e43,
  hsm: 0x48534d,
  srst: 0x53525354,
  dbcn: 0x4442434e,
} as const;

const EXTENSION_NAMES = new Map<number, string>([
  [Eid.base, "SBI BASE"],
  [Eid.time, "SBI TIME"],
  [Eid.ipi, "SBI IPI"],
  [Eid.rfence, "SBI RFENCE"],
  [Eid.hsm, "SBI HSM"],
  [Eid.srst, "SBI SRST"],
  [Eid.dbcn, "SBI DBCN"],
]);

/** What to count a call under. A guest can ask for any number: those that are nobody's share one name. */
export function sbiName(eid: number): string {
  if (eid >= Eid.legacySetTimer && eid <= Eid.legacyShutdown) return "SBI legacy";
  return EXTENSION_NAMES.get(eid) ?? "SBI unknown";
}

/** Error codes, in a0. */
export const SbiError = {
  success: 0,
  failed: -1,
  notSupported: -2,
  invalidParam: -3,
  denied: -4,
  invalidAddress: -5,
  alreadyAvailable: -6,
  alreadyStarted: -7,
  alreadyStopped: -8,
} as const;
export type SbiError = (typeof SbiError)[keyof typeof SbiError];

/**
 * The extension id ("HVC") under which the family's guests call whoever runs their VM: the function id is the
 * number of the hypercall.
 */
export const VMM_CALL = 0x485643;

/** Vendor-specific (chapter 15) and firmware-specific extension ids: none of the SBI's own. */
export function isVendorCall(eid: number): boolean {
  return eid >= 0x0900_0000 && eid <= 0x0aff_ffff;
}

/** Hart states of the HSM extension. */
export const HsmState = {
  started: 0,
  stopped: 1,
  startPending: 2,
  stopPending: 3,
  suspended: 4,
  suspendPending: 5,
  resumePending: 6,
} as const;
export type HsmState = (typeof HsmState)[keyof typeof HsmState];

/** Version 2.0: major in bits 30..24. */
export const SPEC_VERSION = 2 << 24;
/** Implementation ids are handed out by the SBI task group; this one is in nobody's list ("hc"). */
export const IMPLEMENTATION_ID = 0x6863;
export const IMPLEMENTATION_VERSION = 0x0001_0000;
