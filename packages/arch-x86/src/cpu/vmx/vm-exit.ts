/** Basic exit reasons: SDM volume 3, appendix C. */
export const ExitReason = {
  exceptionOrNmi: 0,
  externalInterrupt: 1,
  tripleFault: 2,
  init: 3,
  startUp: 4,
  interruptWindow: 7,
  nmiWindow: 8,
  taskSwitch: 9,
  cpuid: 10,
  hlt: 12,
  invd: 13,
  invlpg: 14,
  rdpmc: 15,
  rdtsc: 16,
  vmcall: 18,
  vmclear: 19,
  vmlaunch: 20,
  vmptrld: 21,
  vmptrst: 22,
  vmread: 23,
  vmresume: 24,
  vmwrite: 25,
  vmxoff: 26,
  vmxon: 27,
  controlRegister: 28,
  movDr: 29,
  io: 30,
  rdmsr: 31,
  wrmsr: 32,
  invalidGuestState: 33,
  msrLoading: 34,
  mwait: 36,
  monitorTrapFlag: 37,
  monitor: 39,
  pause: 40,
  tprBelowThreshold: 43,
  apicAccess: 44,
  endOfInterrupt: 45,
  gdtrOrIdtr: 46,
  ldtrOrTr: 47,
  eptViolation: 48,
  eptMisconfiguration: 49,
  invept: 50,
  rdtscp: 51,
  preemptionTimer: 52,
  invvpid: 53,
  wbinvd: 54,
  xsetbv: 55,
  apicWrite: 56,
  rdrand: 57,
  invpcid: 58,
  vmfunc: 59,
  rdseed: 61,
  pageModificationLogFull: 62,
} as const;
export type ExitReason = (typeof ExitReason)[keyof typeof ExitReason];

/** What an exit tells besides its reason. Fields that it does not have stay undefined, or 0. */
export interface ExitDetails {
  readonly qualification?: bigint;
  /** Interruption information with its error code. */
  readonly event?: number;
  readonly errorCode?: number;
  /** Bytes of the instruction that caused it; `information` describes its operands. */
  readonly length?: number;
  readonly information?: number;
  readonly linear?: bigint;
  readonly physical?: bigint;
  /** RFLAGS.RF is told as set: the exit is a fault's. */
  readonly resume?: boolean;
  /** Where the guest goes on, if that is not the present instruction. */
  readonly ip?: bigint;
}

/** A VM exit that an instruction, an access or an event comes upon. Thrown to whoever raises faults; none leaves `run`. */
export class VmExit {
  readonly reason: ExitReason;
  readonly details: ExitDetails;
  /** Linear address of the access, which only those know who began it. */
  linear: bigint | undefined;

  constructor(reason: ExitReason, details: ExitDetails = {}) {
    this.reason = reason;
    this.details = details;
    this.linear = details.linear;
  }

  /** Of an EPT violation: the access was to a paging structure of the guest. */
  get isTableAccess(): boolean {
    return ((this.details.qualification ?? 0n) & EPT_FINAL) === 0n;
  }
}

/** Of the qualification of an EPT violation: the access was to what the linear address stands for. */
export const EPT_FINAL = 0x100n;

/** A debug exception leaves the guest: DR6 is not told of its reasons. `fault`: it is one, no trap. */
export function debugExit(reasons: number, fault = false): VmExit {
  return new VmExit(ExitReason.exceptionOrNmi, {
    event: eventInformation(1, EventType.exception, -1),
    qualification: BigInt(reasons),
    resume: fault,
  });
}

/** In the qualification of an EPT violation: there is a linear address; the access was to what it stands for. */
const EPT_LINEAR = 0x180n;

/** The exit of an access that has no linear address. */
export function withoutLinear({ reason, details }: VmExit): VmExit {
  if (details.qualification === undefined) return new VmExit(reason, details);
  return new VmExit(reason, { ...details, qualification: details.qualification & ~EPT_LINEAR });
}

/** Kinds of events: bits 10:8 of interruption information. */
export const EventType = {
  external: 0,
  nmi: 2,
  exception: 3,
  softwareInterrupt: 4,
  privilegedSoftwareException: 5,
  softwareException: 6,
  other: 7,
} as const;

export const EVENT_VALID = 1 << 31;
export const EVENT_HAS_ERROR = 1 << 11;
/** In exit information: IRET had unblocked NMIs. */
export const EVENT_NMI_UNBLOCKED = 1 << 12;

/** Interruption information. An error code of -1 is none. */
export function eventInformation(vector: number, type: number, errorCode: number): number {
  return EVENT_VALID | (errorCode >= 0 ? EVENT_HAS_ERROR : 0) | (type << 8) | vector;
}
