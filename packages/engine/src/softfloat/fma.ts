import { type FunctionBuilder, f32, f64, i32, i64, ret, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import { fma64 } from "./fma-double.js";
import { F32, F64, type Format, fromF32, fromF64, isSafe, isZero, signOf, toF32 } from "./format.js";
import { fusedOperands } from "./nan.js";
import { ROUNDING } from "./policy.js";
import { narrow, signBits } from "./round.js";
import { isExactly, roundToOdd, sumError, widened } from "./small.js";

/** (a, b, c, rm) -> a * b + c, rounded once. */
export function fma(context: Context, F: Format): FunctionBuilder {
  if (F.name === "f64") return fma64(context);
  return F.name === "f32" ? fma32(context) : fmaSlowSmall(context, F, "f16.fma");
}

function fma32(context: Context): FunctionBuilder {
  return context.define("f32.fma", ["i32", "i32", "i32", "i32"], "i32", (f) => {
    const [a, b, c, rm] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const [product, z, sum, back, error] = [
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
    ];
    const [r, notTie] = [f.local("i32"), f.local("i32")];
    const slow = fmaSlowSmall(context, F32, "f32.fmaSlow").call(a, b, c, rm);
    return [
      ...context.guardDenormals(F32, [a, b, c], slow),
      product.set(f64.mul(f64.promote_f32(toF32(a)), f64.promote_f32(toF32(b)))),
      z.set(f64.promote_f32(toF32(c))),
      sum.set(f64.add(product, z)),
      r.set(fromF32(f32.demote_f64(sum))),
      // Rounding twice goes wrong only where the first rounding ends half way between two f32.
      notTie.set(i32.ne(i32.and(i32.wrap_i64(fromF64(sum)), 0x1fffffff), 0x10000000)),
      when(context.hostSuffices(rm), [when(i32.and(notTie, isSafe(F32, r)), [ret(r)])]),
      ...sumError(product, z, sum, back, error),
      when(i32.and(isExactly(F32, r, sum), f64.eq(error, 0)), [
        when(i32.eqz(i32.and(i32.eq(rm, ROUNDING.down), isZero(F32, r))), [ret(r)]),
      ]),
      when(i32.and(i32.eqz(rm), i32.and(notTie, isSafe(F32, r))), [context.raise("inexact"), ret(r)]),
      slow,
    ];
  });
}

function fmaSlowSmall(context: Context, F: Format, name: string): FunctionBuilder {
  return context.define(name, ["i32", "i32", "i32", "i32"], "i32", (f) => {
    const [a, b, c, rm] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const [product, z, sum, back, error] = [
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
    ];
    const bits = f.local("i64");
    const anySign = i64.or(fromF64(product), fromF64(z));
    return [
      ...fusedOperands(context, F, [a, b, c], product, (v) => widened(context, F, v)),
      z.set(widened(context, F, c)),
      sum.set(f64.add(product, z)),
      context.returnInvalid(F, f64.ne(sum, sum)),
      ...context.noteDenormals(F, [a, b, c]),
      when(i32.and(f64.eq(sum, 0), i32.eq(rm, ROUNDING.down)), [ret(signBits(F, signOf(F64, anySign)))]),
      bits.set(fromF64(sum)),
      when(f64.lt(f64.abs(sum), Infinity), [
        ...sumError(product, z, sum, back, error),
        roundToOdd(bits, error),
      ]),
      narrow(context, F).call(bits, rm),
    ];
  });
}
