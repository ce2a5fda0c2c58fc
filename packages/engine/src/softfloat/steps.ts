import { type Expr, type FunctionBuilder, i32, type Local, ret, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import { fma } from "./fma.js";
import { exponentOf, type Format, isInfinite, isZero } from "./format.js";
import { mul } from "./multiply.js";

// Products for which infinity times zero is a number, and the steps of Newton's iterations for reciprocals and
// their square roots, with one rounding (ARM DDI 0487, FPMulX, FPRecipStepFused, FPRSqrtStepFused).

const infinityTimesZero = (F: Format, a: Local, b: Local): Expr =>
  i32.or(i32.and(isInfinite(F, a), isZero(F, b)), i32.and(isZero(F, a), isInfinite(F, b)));

/** The pattern of 2 or 1.5. */
const two = (F: Format): bigint => BigInt(F.bias + 1) << BigInt(F.fraction);
const oneAndHalf = (F: Format): bigint => (BigInt(F.bias) << BigInt(F.fraction)) | F.quiet;

/** (a, b, rm) -> a * b, where infinity times zero is 2 of their signs. */
export function mulExtended(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.mulExtended`, [F.type, F.type, "i32"], F.type, (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    return [
      ...context.flushInputs(F, [a, b]),
      when(infinityTimesZero(F, a, b), [ret(F.int.or(F.int.and(F.int.xor(a, b), F.sign), two(F)))]),
      mul(context, F).call(a, b, rm),
    ];
  });
}

/** (a, b, rm) -> 2 - a * b, where infinity times zero counts as 0. */
export function reciprocalStep(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.reciprocalStep`, [F.type, F.type, "i32"], F.type, (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    return [
      ...context.flushInputs(F, [a, b]),
      when(infinityTimesZero(F, a, b), [ret(F.int.const(two(F)))]),
      fma(context, F).call(F.int.xor(a, F.sign), b, F.int.const(two(F)), rm),
    ];
  });
}

/** (a, b, rm) -> (3 - a * b) / 2, where infinity times zero counts as 0. */
export function reciprocalRootStep(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.reciprocalRootStep`, [F.type, F.type, "i32"], F.type, (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    // Half of the larger factor is exact. If even that one has none, the product is nothing beside 3.
    const halve = (v: Local): Expr =>
      when(i32.lt_u(i32.sub(exponentOf(F, v), 2), F.top - 2), [
        v.set(F.int.sub(v, 1n << BigInt(F.fraction))),
      ]);
    const larger = F.int.gt_u(F.int.and(a, F.abs), F.int.and(b, F.abs));
    return [
      ...context.flushInputs(F, [a, b]),
      when(infinityTimesZero(F, a, b), [ret(F.int.const(oneAndHalf(F)))]),
      when(i32.and(i32.lt_u(exponentOf(F, a), F.top), i32.lt_u(exponentOf(F, b), F.top)), [
        when(larger, [halve(a)], [halve(b)]),
      ]),
      fma(context, F).call(F.int.xor(a, F.sign), b, F.int.const(oneAndHalf(F)), rm),
    ];
  });
}
