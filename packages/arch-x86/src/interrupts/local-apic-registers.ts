// Registers of a local APIC by number: bits 11:4 of the offset in its page, and of an MSR from 0x800 on.
// SDM volume 3, tables 11-1 and 11-6.

export const Register = {
  id: 0x02,
  version: 0x03,
  taskPriority: 0x08,
  arbitrationPriority: 0x09,
  processorPriority: 0x0a,
  endOfInterrupt: 0x0b,
  remoteRead: 0x0c,
  logicalDestination: 0x0d,
  destinationFormat: 0x0e,
  spuriousVector: 0x0f,
  inService: 0x10,
  triggerMode: 0x18,
  request: 0x20,
  errorStatus: 0x28,
  interruptCommand: 0x30,
  interruptCommandHigh: 0x31,
  localVectorTable: 0x32,
  initialCount: 0x38,
  currentCount: 0x39,
  divide: 0x3e,
  selfInterrupt: 0x3f,
} as const;

/** Entries of the local vector table, in the order of their registers. */
export const Lvt = { timer: 0, thermal: 1, performance: 2, lint0: 3, lint1: 4, error: 5 } as const;
export const LVT_ENTRIES = 6;

/** Fields of an LVT entry. */
export const LVT = {
  vector: 0xff,
  modeShift: 8,
  activeLow: 1 << 13,
  remoteIrr: 1 << 14,
  level: 1 << 15,
  mask: 1 << 16,
  timerModeShift: 17,
} as const;
/** Writable bits of each entry. */
export const LVT_WRITABLE: readonly number[] = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff];
/** Delivery status and remote IRR: read-only, which to write is no error. */
const LVT_READ_ONLY = 0x5000;

export const SVR = { vector: 0xff, enabled: 0x100, noEoiBroadcast: 0x1000, writable: 0x13ff } as const;

/** Integrated APIC, `LVT_ENTRIES`, and EOI broadcast can be suppressed. */
export const VERSION = 0x14 | ((LVT_ENTRIES - 1) << 16) | (1 << 24);

/** Bits of ESR. */
export const ApicError = {
  sendIllegalVector: 0x20,
  receiveIllegalVector: 0x40,
  illegalRegister: 0x80,
} as const;

/** IA32_APIC_BASE. */
export const BASE = {
  bootstrap: 0x100,
  extended: 0x400,
  enabled: 0x800,
  flags: 0xd00,
  address: 0xfee0_0000,
} as const;

/** Bits of a write in x2APIC mode that are no error; undefined where there is nothing to write. */
export function writableExtended(register: number): number | undefined {
  const entry = register - Register.localVectorTable;
  if (entry >= 0 && entry < LVT_ENTRIES) return LVT_WRITABLE[entry]! | LVT_READ_ONLY;
  switch (register) {
    case Register.taskPriority:
    case Register.selfInterrupt:
      return 0xff;
    case Register.endOfInterrupt:
    case Register.errorStatus:
      return 0;
    case Register.spuriousVector:
      return SVR.writable;
    case Register.interruptCommand:
      return 0xcdfff;
    case Register.initialCount:
      return 0xffff_ffff;
    case Register.divide:
      return 0b1011;
    default:
      return undefined;
  }
}

/** Whether x2APIC mode has a register to read. */
export function readableExtended(register: number): boolean {
  switch (register) {
    case Register.endOfInterrupt:
    case Register.selfInterrupt:
    case Register.arbitrationPriority:
    case Register.remoteRead:
    case Register.destinationFormat:
    case Register.interruptCommandHigh:
      return false;
    default:
      return readable(register);
  }
}

/** Whether there is a register at all. */
export function readable(register: number): boolean {
  if (register >= Register.inService && register <= Register.errorStatus) return true;
  const entry = register - Register.localVectorTable;
  if (entry >= 0 && entry < LVT_ENTRIES) return true;
  return SINGLE.has(register);
}

const SINGLE: ReadonlySet<number> = new Set([
  Register.id,
  Register.version,
  Register.taskPriority,
  Register.arbitrationPriority,
  Register.processorPriority,
  Register.endOfInterrupt,
  Register.remoteRead,
  Register.logicalDestination,
  Register.destinationFormat,
  Register.spuriousVector,
  Register.interruptCommand,
  Register.interruptCommandHigh,
  Register.initialCount,
  Register.currentCount,
  Register.divide,
]);
