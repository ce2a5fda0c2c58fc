// Arm Power State Coordination Interface 1.1 (DEN 0022) and SMC Calling Convention 1.1 (DEN 0028).

/** Bit 30 of a function id: arguments and result are 64 bits wide. */
export const SMC64 = 0x4000_0000;

/** Function ids as the 32-bit convention has them (DEN 0022, section 5). */
export const PsciFunction = {
  version: 0x8400_0000,
  cpuSuspend: 0x8400_0001,
  cpuOff: 0x8400_0002,
  cpuOn: 0x8400_0003,
  affinityInfo: 0x8400_0004,
  migrate: 0x8400_0005,
  migrateInfoType: 0x8400_0006,
  migrateInfoUpCpu: 0x8400_0007,
  systemOff: 0x8400_0008,
  systemReset: 0x8400_0009,
  features: 0x8400_000a,
  cpuFreeze: 0x8400_000b,
  cpuDefaultSuspend: 0x8400_000c,
  nodeHwState: 0x8400_000d,
  systemSuspend: 0x8400_000e,
  setSuspendMode: 0x8400_000f,
  statResidency: 0x8400_0010,
  statCount: 0x8400_0011,
  systemReset2: 0x8400_0012,
  memProtect: 0x8400_0013,
  memProtectCheckRange: 0x8400_0014,
} as const;

/** Those that also have a 64-bit id, `SMC64` added, and are implemented. */
export const SMC64_FUNCTIONS: ReadonlySet<number> = new Set([
  PsciFunction.cpuSuspend,
  PsciFunction.cpuOn,
  PsciFunction.affinityInfo,
  PsciFunction.systemReset2,
]);

/** Functions of the calling convention itself (DEN 0028, section 7). */
export const SmcccFunction = { version: 0x8000_0000, archFeatures: 0x8000_0001 } as const;

/** Error codes, in X0 (DEN 0022, section 5.2.2). */
export const PsciError = {
  success: 0,
  notSupported: -1,
  invalidParameters: -2,
  denied: -3,
  alreadyOn: -4,
  onPending: -5,
  internalFailure: -6,
  notPresent: -7,
  disabled: -8,
  invalidAddress: -9,
} as const;
export type PsciError = (typeof PsciError)[keyof typeof PsciError];

/** What AFFINITY_INFO tells of a CPU. */
export const AffinityState = { on: 0, off: 1, onPending: 2 } as const;
export type AffinityState = (typeof AffinityState)[keyof typeof AffinityState];

/** Major version in bits 30..16, minor version in bits 15..0. */
export const PSCI_VERSION = 0x0001_0001;
export const SMCCC_VERSION = 0x0001_0001;

/** MIGRATE_INFO_TYPE: there is no Trusted OS, or one that needs no migration. */
export const NO_MIGRATION = 2;

const CALL_NAMES = new Map<number, string>([
  [PsciFunction.version, "PSCI_VERSION"],
  [PsciFunction.cpuSuspend, "PSCI CPU_SUSPEND"],
  [PsciFunction.cpuOff, "PSCI CPU_OFF"],
  [PsciFunction.cpuOn, "PSCI CPU_ON"],
  [PsciFunction.affinityInfo, "PSCI AFFINITY_INFO"],
  [PsciFunction.migrateInfoType, "PSCI MIGRATE_INFO_TYPE"],
  [PsciFunction.systemOff, "PSCI SYSTEM_OFF"],
  [PsciFunction.systemReset, "PSCI SYSTEM_RESET"],
  [PsciFunction.features, "PSCI_FEATURES"],
  [PsciFunction.systemReset2, "PSCI SYSTEM_RESET2"],
  [SmcccFunction.version, "SMCCC_VERSION"],
  [SmcccFunction.archFeatures, "SMCCC_ARCH_FEATURES"],
]);

/** What to count a call under. A guest can ask for any number: those that are nobody's share one name. */
export function psciName(functionId: number): string {
  const id = functionId >>> 0;
  const narrow = (id & ~SMC64) >>> 0;
  const known = id === narrow || SMC64_FUNCTIONS.has(narrow);
  return (known ? CALL_NAMES.get(narrow) : undefined) ?? (isPsciId(id) ? "PSCI unknown" : "SMCCC unknown");
}

/** Ids reserved to PSCI (DEN 0028, table 6-2): standard service calls 0 to 0x1f of either width. */
export function isPsciId(functionId: number): boolean {
  return (functionId & ~SMC64) >>> 5 === PsciFunction.version >>> 5;
}

const FAST_CALL = 0x8000_0000;
const OWNER_SHIFT = 24;
const OWNER_MASK = 0x3f;
/** Vendor specific hypervisor service. */
const VENDOR_HYPERVISOR = 6;
/** Numbers from here on ask about the service itself: UID, revision ... (DEN 0028, section 6.2). */
const GENERAL_QUERIES = 0xff00;

/** Function ids that a hypervisor gives a meaning of its own to; any of the two widths. */
export function isVendorCall(functionId: number): boolean {
  const id = functionId >>> 0;
  if ((id & FAST_CALL) === 0 || ((id >>> OWNER_SHIFT) & OWNER_MASK) !== VENDOR_HYPERVISOR) return false;
  return (id & 0xffff) < GENERAL_QUERIES;
}
