import type { Global } from "../wasm/index.js";

/** Exception bits of the accumulated-flags global. */
export const FLOAT_FLAGS = {
  inexact: 1,
  underflow: 2,
  overflow: 4,
  divideByZero: 8,
  invalid: 16,
  /** A denormal operand: x86's DE, or Arm's IDC (set when the operand is flushed). */
  denormal: 32,
} as const;

/** Rounding modes, as every function's `rm` argument takes them. */
export const ROUNDING = {
  nearestEven: 0,
  towardZero: 1,
  down: 2,
  up: 3,
  /** To nearest, ties away from zero. */
  nearestAway: 4,
  /** Inexact results get an odd last bit, so that a second rounding to a narrower format is exact. */
  odd: 5,
} as const;

/** Bits of the `modes` global: what a guest can switch while it runs. */
export const FLOAT_MODES = {
  /** Denormal f32 and f64 operands are zeros (x86 DAZ; Arm FZ sets this and `flushResults`). */
  flushInputs: 1,
  /** Tiny f32 and f64 results are zeros (x86 FTZ with underflow masked). */
  flushResults: 2,
  /** Every NaN result is the default NaN (Arm DN). */
  defaultNan: 4,
  /** Both of the flushes for f16 arithmetic (Arm FZ16); conversions from and to f16 are not affected. */
  flushHalf: 8,
  /**
   * Overflow is not masked (x86): inexact is raised beside it only if the result lost bits that no exponent could have
   * saved; what the result is does not matter.
   */
  trapOverflow: 16,
  /** The same for underflow, which every tiny result raises then, exact ones included. */
  trapUnderflow: 32,
} as const;

/** Rounding mode and modes in one number: what an operation is translated under. */
export const floatEnvironment = (rounding: number, modes: number): number =>
  rounding | (modes << MODES_SHIFT);
export const roundingOf = (environment: number): number => environment & ROUNDING_MASK;
export const modesOf = (environment: number): number => environment >> MODES_SHIFT;
export const MODES_SHIFT = 3;
export const ROUNDING_MASK = 7;

export type NanPolicy = "canonical" | "propagate-x86" | "propagate-arm";

/** What a conversion to an integer gives when there is no such integer. */
export type IntegerPolicy =
  /** The nearest end of the range; NaN gives the maximum (RISC-V). */
  | "clamp"
  /** The nearest end of the range; NaN gives 0 (Arm). */
  | "clamp-nan-zero"
  /** The integer indefinite: only the top bit set when signed, all bits set when unsigned (x86). */
  | "indefinite";

/** When the `denormal` flag is raised; anything but "ignore" also makes the flush modes work. */
export type DenormalPolicy =
  /** Never; the flush modes do not exist (RISC-V). */
  | "ignore"
  /** By an operation that uses a denormal operand which is not flushed and does not end earlier in a NaN
   * operand, an invalid operation or a division by zero (x86). */
  | "operand"
  /** By every operand that is flushed (Arm). */
  | "flushed";

export interface SoftFloatOptions {
  /** Which NaN an operation with NaN operands, or an invalid one, gives. Also decides the defaults below. */
  readonly nan: NanPolicy;
  /** Underflow is decided before (Arm) or after (RISC-V, x86) the result is rounded. */
  readonly tininess: "before" | "after";
  /** The i32 global the exceptions are OR-ed into; a new one of the module when absent. */
  readonly flags?: Global;
  /** fma(infinity, zero, quiet NaN) raises invalid; default: yes, except with "propagate-x86". */
  readonly fmaInvalid?: boolean;
  /** Default: "clamp", "indefinite" and "clamp-nan-zero" for the three NaN policies. */
  readonly toInteger?: IntegerPolicy;
  /** Default: "ignore", "operand" and "flushed" for the three NaN policies. */
  readonly denormal?: DenormalPolicy;
}

export type Policy = Required<Omit<SoftFloatOptions, "flags">>;

const DEFAULTS = {
  canonical: { fmaInvalid: true, toInteger: "clamp", denormal: "ignore" },
  "propagate-x86": { fmaInvalid: false, toInteger: "indefinite", denormal: "operand" },
  "propagate-arm": { fmaInvalid: true, toInteger: "clamp-nan-zero", denormal: "flushed" },
} as const;

export function resolvePolicy(options: SoftFloatOptions): Policy {
  const base = DEFAULTS[options.nan];
  return {
    nan: options.nan,
    tininess: options.tininess,
    fmaInvalid: options.fmaInvalid ?? base.fmaInvalid,
    toInteger: options.toInteger ?? base.toInteger,
    denormal: options.denormal ?? base.denormal,
  };
}
