// What the lifter asks the floating-point unit for, packed into the constant of the helper `x87`.

/** Operations. The first eight are numbered as ModRM.reg does in D8 to DE. */
export const X87Op = {
  add: 0,
  multiply: 1,
  compare: 2,
  subtract: 4,
  subtractReversed: 5,
  divide: 6,
  divideReversed: 7,
  /** FUCOM; FCOMI and FUCOMI, which give RFLAGS in X87.result. */
  compareQuiet: 8,
  compareFlags: 9,
  compareFlagsQuiet: 10,
  /** Push a memory operand, a constant by its number (in `a` and `b` as rounded to nearest), a register. */
  load: 11,
  loadConstant: 12,
  loadRegister: 13,
  storeRegister: 14,
  /** What a store is to store (X87.result, X87.resultHigh); nothing else changes yet. */
  store: 15,
  /** The same, truncated: FISTTP. */
  storeTruncated: 16,
  /** It is stored: raise exceptions, pop. */
  stored: 18,
  exchange: 19,
  /** FCMOV if `a` is not zero. */
  moveIf: 20,
  changeSign: 21,
  absolute: 22,
  test: 23,
  examine: 24,
  squareRoot: 25,
  roundToInteger: 26,
  scale: 27,
  extract: 28,
  remainder: 29,
  remainderNearest: 30,
  powerLessOne: 31,
  logarithm: 32,
  logarithmOfMore: 33,
  tangent: 34,
  arctangent: 35,
  sine: 36,
  cosine: 37,
  sineAndCosine: 38,
  increment: 39,
  decrement: 40,
  free: 41,
  initialize: 42,
  clearExceptions: 43,
  loadControl: 44,
  /** Take an image in (`X87Image`, in the register's place). */
  restoreImage: 45,
  /** The image is stored. */
  savedImage: 46,
  /** FSTP to a register that does not ask whether ST(0) is empty. */
  storeUnchecked: 47,
  /** Restore, initialize or leave the unit (`Component`, in `a`) from an extended image. */
  restoreComponent: 48,
} as const;

/** Where an operand is. */
export const X87Source = {
  register: 0,
  single: 1,
  double: 2,
  int16: 3,
  int32: 4,
  int64: 5,
  extended: 6,
  decimal: 7,
} as const;

/** Images of the unit's state in memory: SDM volume 1, 8.1.10, and volume 2, FXSAVE. */
export const X87Image = {
  /** FSTENV and FSAVE, in 32-bit and 16-bit formats. */
  environment32: 0,
  environment16: 1,
  state32: 2,
  state16: 3,
  /** FXSAVE and XSAVE: the header and the registers; the second with REX.W. */
  extended: 4,
  extended64: 5,
} as const;

/** What XRSTOR does with the unit. */
export const Component = { leave: 0, restore: 1, initialize: 2 } as const;

/** Flag of the images' number: as real mode has them. */
export const REAL_MODE_IMAGE = 8;

export interface X87Request {
  readonly op: number;
  /** The register's number from the top, or that of a constant. */
  readonly register: number;
  readonly source: number;
  /** ST(i) is written instead of ST(0). */
  readonly toRegister: boolean;
  readonly pops: number;
  /** Bytes of the instruction, for those that may end early. */
  readonly length: number;
}

export function packRequest(request: Partial<X87Request> & Pick<X87Request, "op">): number {
  const { op, register = 0, source = 0, toRegister = false, pops = 0, length = 0 } = request;
  return op | (register << 6) | (source << 10) | (toRegister ? 1 << 13 : 0) | (pops << 14) | (length << 16);
}

export const unpackRequest = (constant: number): X87Request => ({
  op: constant & 63,
  register: (constant >> 6) & 15,
  source: (constant >> 10) & 7,
  toRegister: (constant & (1 << 13)) !== 0,
  pops: (constant >> 14) & 3,
  length: constant >> 16,
});
