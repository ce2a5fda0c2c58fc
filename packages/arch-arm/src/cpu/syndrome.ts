/** Exception classes (ESR_ELx.EC) that AArch64 state without AArch32 has. */
export const Ec = {
  unknown: 0x00,
  wfx: 0x01,
  fpAccess: 0x07,
  illegalState: 0x0e,
  svc: 0x15,
  hvc: 0x16,
  smc: 0x17,
  systemAccess: 0x18,
  instructionAbort: 0x20,
  instructionAbortSame: 0x21,
  pcAlignment: 0x22,
  dataAbort: 0x24,
  dataAbortSame: 0x25,
  spAlignment: 0x26,
  sError: 0x2f,
  breakpoint: 0x30,
  softwareStep: 0x32,
  watchpoint: 0x34,
  brk: 0x3c,
} as const;

/** Fault status codes (DFSC, IFSC, PAR_EL1.FST); those of a table's level have it added. */
export const Fsc = {
  addressSize: 0x00,
  translation: 0x04,
  accessFlag: 0x08,
  permission: 0x0c,
  external: 0x10,
  externalOnWalk: 0x14,
  alignment: 0x21,
  debug: 0x22,
} as const;

/** ESR_ELx for an instruction of 32 bits, and for what has no length. */
export function esr(ec: number, iss: number): number {
  return (ec << 26) | (1 << 25) | iss;
}

// ISS of instruction and data aborts.
export const ISS_FSC = 0x3f;
export const ISS_ISV = 1 << 24;
export const ISS_WNR = 1 << 6;
export const ISS_S1PTW = 1 << 7;
export const ISS_CM = 1 << 8;
/** Conditional instructions: CV = 1, COND = always. */
export const ISS_ALWAYS = (1 << 24) | (0xe << 20);

/**
 * ISV, SAS, SSE, SRT, SF and AR of a data abort that goes from a lower exception level to EL2 for a fault of the
 * second stage: 0 where the instruction is no load or store of one general-purpose register without writeback.
 */
export function accessDescription(instruction: number): number {
  const size = instruction >>> 30;
  const srt = instruction & 31;
  const valid = (sse: boolean, sf: boolean, ar: boolean, width = size): number =>
    (1 << 24) | (width << 22) | (sse ? 1 << 21 : 0) | (srt << 16) | (sf ? 1 << 15 : 0) | (ar ? 1 << 14 : 0);
  // Load-acquire and store-release (o2 = 1, o1 = 0).
  if ((instruction & 0x3fa0_0000) === 0x0880_0000) return valid(false, size === 3, true);
  // Loads of a literal.
  if ((instruction & 0x3f00_0000) === 0x1800_0000) {
    if (size === 3) return 0;
    return valid(size === 2, size !== 0, false, size === 1 ? 3 : 2);
  }
  const unsigned = (instruction & 0x3f00_0000) === 0x3900_0000;
  const register = (instruction & 0x3f20_0c00) === 0x3820_0800;
  // LDUR and LDTR; with bit 10 set there is writeback.
  const unscaled = (instruction & 0x3f20_0400) === 0x3800_0000;
  if (!unsigned && !register && !unscaled) return 0;
  const opc = (instruction >>> 22) & 3;
  if (opc < 2) return valid(false, size === 3, false);
  // Prefetches do not fault; opc = 3 extends to 32 bits.
  if (size === 3 || (size === 2 && opc === 3)) return 0;
  return valid(true, opc === 2, false);
}

/** What `accessDescription` says, in fields; of a valid ISS. */
export function describedAccess(iss: number): {
  readonly width: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  readonly rt: number;
  /** Rt is 64 bits wide. */
  readonly wide: boolean;
} {
  const width = (1 << ((iss >>> 22) & 3)) as 1 | 2 | 4 | 8;
  const [signed, wide] = [(iss & (1 << 21)) !== 0, (iss & (1 << 15)) !== 0];
  return { width, signed, rt: (iss >>> 16) & 31, wide };
}

/** STXR and its kin: a store that the engine sees as read and write. */
export function isStoreExclusive(instruction: number): boolean {
  // CASP has bits 31 and 21 = 0 and 1 where STXP has 1 and 1.
  return (instruction & 0x3fc0_0000) === 0x0800_0000 && (instruction & 0x8020_0000) !== 0x0020_0000;
}

/** DC ZVA. */
export function isZeroBlock(instruction: number): boolean {
  return (instruction & ~31) === (0xd50b_7420 | 0);
}
