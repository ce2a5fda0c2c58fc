import { type Expr, type FunctionBuilder, f64, i32, type Local, ret, select, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import { type Format, isNan, isSignaling, toF64 } from "./format.js";
import { nan2 } from "./nan.js";
import { widened } from "./small.js";

// Minimum and maximum, in the four readings that instruction sets have of them. They differ in what a NaN
// does; all but x86's order -0 below +0.

type Side = "min" | "max";

function extreme(
  context: Context,
  F: Format,
  name: string,
  side: Side,
  nan: (a: Local, b: Local) => readonly Expr[],
): FunctionBuilder {
  return context.define(`${F.name}.${name}`, [F.type, F.type], F.type, (f) => {
    const [a, b] = [f.arg(0), f.arg(1)];
    const [x, y] = [f.local("f64"), f.local("f64")];
    const wide = (v: Local) => (F.type === "i64" ? toF64(v) : widened(context, F, v));
    return [
      ...context.flushInputs(F, [a, b]),
      x.set(wide(a)),
      y.set(wide(b)),
      when(i32.or(f64.ne(x, x), f64.ne(y, y)), nan(a, b)),
      ...context.noteDenormals(F, [a, b]),
      // Equal operands are the same bits, or two zeros, and then a minus sign wins or loses.
      when(f64.eq(x, y), [ret(side === "min" ? F.int.or(a, b) : F.int.and(a, b))]),
      select(F.type, side === "min" ? f64.lt(x, y) : f64.gt(x, y), a, b),
    ];
  });
}

/** IEEE 754-2019 minimumNumber: a number wins over any NaN; signaling ones raise invalid (RISC-V fmin). */
function number(context: Context, F: Format, name: string, side: Side): FunctionBuilder {
  return extreme(context, F, name, side, (a, b) => [
    when(i32.and(isNan(F, a), isNan(F, b)), [ret(nan2(context, F).call(a, b))]),
    when(i32.or(isSignaling(F, a), isSignaling(F, b)), [context.raise("invalid")]),
    ret(select(F.type, isNan(F, a), b, a)),
  ]);
}

/** IEEE 754-2008 minNum: a number wins over a quiet NaN, but not over a signaling one (Arm FMINNM). */
function num(context: Context, F: Format, name: string, side: Side): FunctionBuilder {
  const quiet = (v: Local) => i32.and(isNan(F, v), i32.eqz(isSignaling(F, v)));
  const numeric = (v: Local) => i32.eqz(isNan(F, v));
  return extreme(context, F, name, side, (a, b) => [
    when(i32.and(quiet(a), numeric(b)), [ret(b)]),
    when(i32.and(quiet(b), numeric(a)), [ret(a)]),
    ret(nan2(context, F).call(a, b)),
  ]);
}

/** IEEE 754-2019 minimum: a NaN wins (Arm FMIN). */
function propagating(context: Context, F: Format, name: string, side: Side): FunctionBuilder {
  return extreme(context, F, name, side, (a, b) => [ret(nan2(context, F).call(a, b))]);
}

/** x86 MINPS: the first operand if it is less, else the second, as it is; any NaN raises invalid. */
function second(context: Context, F: Format, name: string, side: Side): FunctionBuilder {
  return context.define(`${F.name}.${name}`, [F.type, F.type], F.type, (f) => {
    const [a, b] = [f.arg(0), f.arg(1)];
    const [x, y] = [f.local("f64"), f.local("f64")];
    const wide = (v: Local) => (F.type === "i64" ? toF64(v) : widened(context, F, v));
    return [
      ...context.flushInputs(F, [a, b]),
      x.set(wide(a)),
      y.set(wide(b)),
      when(i32.or(f64.ne(x, x), f64.ne(y, y)), [context.raise("invalid"), ret(b)]),
      ...context.noteDenormals(F, [a, b]),
      select(F.type, side === "min" ? f64.lt(x, y) : f64.gt(x, y), a, b),
    ];
  });
}

type Make = (context: Context, F: Format) => FunctionBuilder;

export const minimumNumber: Make = (c, F) => number(c, F, "minimumNumber", "min");
export const maximumNumber: Make = (c, F) => number(c, F, "maximumNumber", "max");
export const minNum: Make = (c, F) => num(c, F, "minNum", "min");
export const maxNum: Make = (c, F) => num(c, F, "maxNum", "max");
export const minimum: Make = (c, F) => propagating(c, F, "minimum", "min");
export const maximum: Make = (c, F) => propagating(c, F, "maximum", "max");
export const minSecond: Make = (c, F) => second(c, F, "minSecond", "min");
export const maxSecond: Make = (c, F) => second(c, F, "maxSecond", "max");
