import type { OperandKind } from "@hypercraft/engine";
import { field, flag, isWide, plain, register, shape } from "./operand-kinds.js";

// What the operand names of floating-point declarations mean, in addition to those of `operands.ts`. Bit 22 tells single
// from double precision nearly everywhere.

const isDouble = (bits: number): number => field(bits, 22, 1);

/** A scalar register: s or d. */
const scalar: OperandKind = { format: (value, { bits }) => `${"sd"[isDouble(bits)]}${value}` };
const vector: OperandKind = {
  format: (value, { bits }) => `v${value}.${shape(2 + isDouble(bits), isWide(bits))}`,
};

/** The 8-bit immediate of FMOV: sign, exponent in -3..4, four bits of fraction (Arm ARM, VFPExpandImm). */
export function expandImmediate(imm8: number): number {
  const exponent = ((imm8 >> 4) & 7) ^ 4;
  const magnitude = (16 + (imm8 & 15)) * 2 ** (exponent - 7);
  return (imm8 & 0x80) !== 0 ? -magnitude : magnitude;
}

const immediate: OperandKind = { format: (value) => `#${expandImmediate(value).toFixed(8)}` };

/** Size of the lanes of a fixed-point conversion, by the position of the leading bit in immh. */
const fixedSize = (bits: number): number => 31 - Math.clz32(field(bits, 19, 4));
const fixedLane = (low: number): OperandKind =>
  register(low, (value, bits) => `${"bhsd"[fixedSize(bits)]}${value}`);
const fixedVector = (low: number): OperandKind =>
  register(low, (value, bits) => `v${value}.${shape(fixedSize(bits), isWide(bits))}`);

/** The element's register and number of a by-element operation: H:L and M:Rm, or H and M:Rm for doubles. */
export const elementIndex = (bits: number): number => {
  const [h, l] = [field(bits, 11, 1), field(bits, 21, 1)];
  return isDouble(bits) === 1 ? h : 2 * h + l;
};

export const FLOAT_OPERANDS: Readonly<Record<string, OperandKind>> = {
  double: plain,
  fd: scalar,
  fn: scalar,
  fm: scalar,
  fa: scalar,
  halfN: register(5, (value) => `h${value}`),
  halfD: register(0, (value) => `h${value}`),
  singleN: register(5, (value) => `s${value}`),
  singleD: register(0, (value) => `s${value}`),
  doubleN: register(5, (value) => `d${value}`),
  fvd: vector,
  fvn: vector,
  fvm: vector,
  /** There is no vector of one double. */
  floatShape: flag((bits) => isDouble(bits) === 0 || isWide(bits) === 1),
  imm8: immediate,
  floatByte: { ...immediate, derive: (bits) => (field(bits, 16, 3) << 5) | field(bits, 5, 5) },
  scaleBits: { derive: (bits) => 64 - field(bits, 10, 6), format: (value) => `#${value}` },
  scaleField: plain,
  /** No more fraction bits than the integer has bits. */
  scaleFits: flag((bits) => (bits | 0) < 0 || field(bits, 15, 1) === 1),
  // Lanes of the other size, in a 128-bit register or half of one.
  fourSingles: register(5, (value) => `v${value}.4s`),
  floatPair: register(5, (value, bits) => `v${value}.${isDouble(bits) === 1 ? "2d" : "2s"}`),
  wideD: register(0, (value, bits) => `v${value}.${shape(2 + isDouble(bits), 1)}`),
  wideN: register(5, (value, bits) => `v${value}.${shape(2 + isDouble(bits), 1)}`),
  narrowD: register(0, (value, bits) => `v${value}.${shape(1 + isDouble(bits), isWide(bits))}`),
  narrowN: register(5, (value, bits) => `v${value}.${shape(1 + isDouble(bits), isWide(bits))}`),
  // By element.
  elementHigh: plain,
  elementLow: plain,
  elementShape: flag(
    (bits) =>
      isDouble(bits) === 0 || (field(bits, 21, 1) === 0 && (isWide(bits) === 1 || field(bits, 28, 1) === 1)),
  ),
  element: {
    derive: (bits) => field(bits, 16, 5),
    format: (value, { bits }) => `v${value}.${"sd"[isDouble(bits)]}[${elementIndex(bits)}]`,
  },
  // Fixed point.
  fixedScalarD: fixedLane(0),
  fixedScalarN: fixedLane(5),
  fixedD: fixedVector(0),
  fixedN: fixedVector(5),
  fixedLanes: flag((bits) => fixedSize(bits) === 2 || (fixedSize(bits) === 3 && isWide(bits) === 1)),
  fixedLane: flag((bits) => fixedSize(bits) >= 2),
  fixedBits: {
    derive: (bits) => (16 << fixedSize(bits)) - field(bits, 16, 7),
    format: (value) => `#${value}`,
  },
};
