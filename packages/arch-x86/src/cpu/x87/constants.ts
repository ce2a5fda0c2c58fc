import { BIAS, type Float80, ONE, ZERO } from "./number.js";

// The constants of FLD1 to FLDZ (SDM volume 2): irrational ones are rounded as the control word says.

/** Truncated significand, exponent, and whether rounding to nearest goes up. */
interface Irrational {
  readonly significand: bigint;
  readonly exponent: number;
  readonly up: boolean;
}

const irrational = (significand: bigint, exponent: number, up: boolean): Irrational => ({
  significand,
  exponent: exponent + BIAS,
  up,
});

/** By ModRM.rm of D9 E8 to D9 EE: 1, log2 10, log2 e, pi, log10 2, ln 2, 0. */
const CONSTANTS: readonly (Float80 | Irrational)[] = [
  ONE,
  irrational(0xd49a_784b_cd1b_8afen, 1, false),
  irrational(0xb8aa_3b29_5c17_f0bbn, 0, true),
  irrational(0xc90f_daa2_2168_c234n, 1, true),
  irrational(0x9a20_9a84_fbcf_f798n, -2, true),
  irrational(0xb172_17f7_d1cf_79abn, -1, true),
  ZERO,
];

const NEAREST = 0;
const UP = 2;

/** A constant by its number, 0 to 6. Nothing is raised. */
export function loadable(number: number, rounding: number): Float80 {
  const constant = CONSTANTS[number] as Float80 | Irrational;
  if (!("up" in constant)) return constant;
  const { significand, exponent, up } = constant;
  const more = rounding === UP || (rounding === NEAREST && up);
  return { sign: 0, exponent, significand: more ? significand + 1n : significand };
}
