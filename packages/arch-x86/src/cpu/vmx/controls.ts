// VM-execution, VM-exit and VM-entry controls: SDM volume 3, 25.6 to 25.8. What is named here exists: the capability
// MSRs are made from it.

export const Pin = {
  externalInterruptExiting: 1 << 0,
  nmiExiting: 1 << 3,
  virtualNmis: 1 << 5,
  preemptionTimer: 1 << 6,
  postedInterrupts: 1 << 7,
} as const;

export const Primary = {
  interruptWindowExiting: 1 << 2,
  tscOffsetting: 1 << 3,
  hltExiting: 1 << 7,
  invlpgExiting: 1 << 9,
  mwaitExiting: 1 << 10,
  rdpmcExiting: 1 << 11,
  rdtscExiting: 1 << 12,
  cr3LoadExiting: 1 << 15,
  cr3StoreExiting: 1 << 16,
  cr8LoadExiting: 1 << 19,
  cr8StoreExiting: 1 << 20,
  tprShadow: 1 << 21,
  nmiWindowExiting: 1 << 22,
  movDrExiting: 1 << 23,
  unconditionalIoExiting: 1 << 24,
  ioBitmaps: 1 << 25,
  monitorTrapFlag: 1 << 27,
  msrBitmaps: 1 << 28,
  monitorExiting: 1 << 29,
  pauseExiting: 1 << 30,
  secondaryControls: 1 << 31,
} as const;

export const Secondary = {
  virtualizeApicAccesses: 1 << 0,
  ept: 1 << 1,
  descriptorTableExiting: 1 << 2,
  rdtscp: 1 << 3,
  virtualizeX2apicMode: 1 << 4,
  vpid: 1 << 5,
  wbinvdExiting: 1 << 6,
  unrestrictedGuest: 1 << 7,
  apicRegisterVirtualization: 1 << 8,
  virtualInterruptDelivery: 1 << 9,
  pauseLoopExiting: 1 << 10,
  rdrandExiting: 1 << 11,
  invpcid: 1 << 12,
  vmFunctions: 1 << 13,
  vmcsShadowing: 1 << 14,
  rdseedExiting: 1 << 16,
  pageModificationLog: 1 << 17,
  modeBasedExecute: 1 << 22,
  tscScaling: 1 << 25,
} as const;

export const Exit = {
  saveDebugControls: 1 << 2,
  hostAddressSpaceSize: 1 << 9,
  acknowledgeInterrupt: 1 << 15,
  savePat: 1 << 18,
  loadPat: 1 << 19,
  saveEfer: 1 << 20,
  loadEfer: 1 << 21,
  savePreemptionTimer: 1 << 22,
} as const;

export const Entry = {
  loadDebugControls: 1 << 2,
  ia32eGuest: 1 << 9,
  loadPat: 1 << 14,
  loadEfer: 1 << 15,
} as const;

/** What one control field can hold. */
export interface Allowed {
  /** Bits that have to be 1, and those where the older capability MSR says so (A.2: the default1 class). */
  readonly must: number;
  readonly mustByDefault: number;
  /** Bits that may be 1. */
  readonly may: number;
}

const all = (bits: Readonly<Record<string, number>>): number =>
  Object.values(bits).reduce((sum, bit) => sum | bit, 0);

/** `flexible`: those of the default1 class that can be 0 nevertheless. */
function allowed(defaults: number, bits: Readonly<Record<string, number>>, flexible = 0): Allowed {
  return { must: defaults & ~flexible, mustByDefault: defaults, may: defaults | all(bits) };
}

export const PIN_ALLOWED: Allowed = allowed(0x16, Pin);
export const PRIMARY_ALLOWED: Allowed = allowed(
  0x0401_e172,
  Primary,
  Primary.cr3LoadExiting | Primary.cr3StoreExiting,
);
export const SECONDARY_ALLOWED: Allowed = allowed(0, Secondary);
export const EXIT_ALLOWED: Allowed = allowed(0x3_6dff, Exit, Exit.saveDebugControls);
export const ENTRY_ALLOWED: Allowed = allowed(0x11ff, Entry, Entry.loadDebugControls);
