import type { OperandKind } from "@hypercraft/engine";

// What descriptions of operands are made of.

/** `width` bits of an encoding from bit `low` on. */
export const field = (bits: number, low: number, width: number): number =>
  (bits >>> low) & ((1 << width) - 1);

/** A field that is shown by other operands. */
export const plain: OperandKind = {};

/** 1 or 0: what conditions of declarations test. */
export const flag = (test: (bits: number) => boolean): OperandKind => ({
  derive: (bits) => (test(bits) ? 1 : 0),
});

/** A register of a field of five bits, under a name of its own. */
export const register = (low: number, format: (value: number, bits: number) => string): OperandKind => ({
  derive: (bits) => field(bits, low, 5),
  format: (value, { bits }) => format(value, bits),
});

/** A number as the assembler writes it. */
export const hex = (value: number | bigint): string =>
  value < 0 ? `#-0x${(-value).toString(16)}` : `#0x${value.toString(16)}`;

/** Q: a vector has 128 bits, not 64. */
export const isWide = (bits: number): number => field(bits, 30, 1);

/** Lanes of 2 ** `size` bytes in 64 bits, or 128 if `wide` is 1. */
export const shape = (size: number, wide: number): string => `${(8 << wide) >> size}${"bhsdq"[size]}`;
