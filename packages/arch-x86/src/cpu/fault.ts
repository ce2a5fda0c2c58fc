/** Exception vectors (SDM volume 3, 6.3.1). */
export const Vector = {
  divide: 0,
  debug: 1,
  nmi: 2,
  breakpoint: 3,
  overflow: 4,
  bound: 5,
  invalidOpcode: 6,
  noMath: 7,
  doubleFault: 8,
  invalidTss: 10,
  notPresent: 11,
  stack: 12,
  generalProtection: 13,
  page: 14,
  math: 16,
  alignment: 17,
  machineCheck: 18,
  simd: 19,
} as const;

/**
 * An exception that an instruction's execution in JavaScript came upon. It is thrown to the helper's edge, which
 * raises it; none leaves `run`.
 */
export class Fault {
  readonly vector: number;
  /** -1 without one. */
  readonly errorCode: number;
  /** Where the handler returns to, if that is not the instruction: a task switch got as far as the new task. */
  at: bigint | undefined;

  constructor(vector: number, errorCode = -1) {
    this.vector = vector;
    this.errorCode = errorCode;
  }
}

/** #GP. */
export const generalProtection = (errorCode = 0): Fault => new Fault(Vector.generalProtection, errorCode);
/** #SS. */
export const stackFault = (errorCode: number): Fault => new Fault(Vector.stack, errorCode);
/** #NP. */
export const notPresent = (errorCode: number): Fault => new Fault(Vector.notPresent, errorCode);
/** #TS. */
export const invalidTss = (errorCode: number): Fault => new Fault(Vector.invalidTss, errorCode);
/** #UD. */
export const invalidOpcode = (): Fault => new Fault(Vector.invalidOpcode);
