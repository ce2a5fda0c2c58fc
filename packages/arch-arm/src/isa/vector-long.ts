import type { Value } from "@hypercraft/engine";
import { type Binary, saturatingAdd, saturatingSubtract } from "./vector-arithmetic.js";
import type { Lanes } from "./vector-lanes.js";

// Operations on the lanes of one half of two registers that give lanes of twice the size.

/** `half`: which one is meant; `d`: what the destination held. */
export type Long = (l: Lanes, x: Value, y: Value, half: number, d: Value) => Value;

export const longSum =
  (signed: boolean, how: "add" | "sub"): Long =>
  (l, x, y, half) =>
    l.wider.op(how, l.extended(x, half, signed), l.extended(y, half, signed));

export const longDifference =
  (signed: boolean): Long =>
  (l, x, y, half) =>
    l.wider.op("abs", longSum(signed, "sub")(l, x, y, half, x));

export const longProduct =
  (signed: boolean): Long =>
  (l, x, y, half) =>
    l.products(x, y, half, signed);

/** Twice the product, saturated. */
export const doublingProduct: Long = (l, x, y, half, d) => {
  const product = l.products(x, y, half, true);
  return saturatingAdd(true)(l.wider, product, product, d);
};

const ACCUMULATE: Readonly<Record<"add" | "sub" | "saturating add" | "saturating sub", Binary>> = {
  add: (l, x, y) => l.add(x, y),
  sub: (l, x, y) => l.sub(x, y),
  "saturating add": saturatingAdd(true),
  "saturating sub": saturatingSubtract(true),
};

/** The destination plus or less what an operation gives. */
export const longAccumulated =
  (operation: Long, how: keyof typeof ACCUMULATE): Long =>
  (l, x, y, half, d) =>
    ACCUMULATE[how](l.wider, d, operation(l, x, y, half, d), d);
