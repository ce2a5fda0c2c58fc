import {
  type Expr,
  type FunctionBuilder,
  f32,
  f64,
  i32,
  i64,
  type Local,
  ret,
  select,
  when,
} from "../wasm/index.js";
import type { Context } from "./context.js";
import {
  exponentOf,
  F64,
  type Format,
  fromF32,
  fromF64,
  isDenormal,
  isInfinite,
  isNan,
  isZero,
  signOf,
  toF32,
  toF64,
} from "./format.js";
import { FRACTION } from "./multiply.js";
import { nan1 } from "./nan.js";
import { ROUNDING } from "./policy.js";
import { truncated } from "./truncate.js";

// Estimates of 8 bits as ARM DDI 0487 defines them (FPRecipEstimate, FPRSqrtEstimate), and the exponent of a
// reciprocal (FPRecpX). Fractions are held in f64's 52 bits for every format.

const TOP_BIT = 1n << 51n;

const wideFraction = (F: Format, v: Local): Expr =>
  F === F64 ? i64.and(v, FRACTION) : i64.and(i64.shl(i64.extend_i32_u(v), 52 - F.fraction), FRACTION);

/** The number of a sign, a biased exponent and a fraction, both in range. */
function assembled(F: Format, sign: Expr, exponent: Local, fraction: Local): Expr {
  const bits = i64.shr_u(fraction, 52 - F.fraction);
  if (F.type === "i64") return i64.or(i64.or(sign, i64.shl(i64.extend_i32_u(exponent), F.fraction)), bits);
  return i32.or(i32.or(sign, i32.shl(exponent, F.fraction)), i32.wrap_i64(bits));
}

/** (a, rm) -> an estimate of 1 / a. */
export function reciprocalEstimate8(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.reciprocalEstimate8`, [F.type, "i32"], F.type, (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    const [fraction, exponent, scaled] = [f.local("i64"), f.local("i32"), f.local("i32")];
    const sign = F.int.and(a, F.sign);
    // The reciprocal of less than a quarter of the smallest normal number overflows.
    const overflows = i32.and(
      i32.eqz(exponentOf(F, a)),
      F.int.lt_u(F.int.and(a, F.abs), 1n << BigInt(F.fraction - 2)),
    );
    const negative = signOf(F, a);
    const away = i32.or(i32.eqz(rm), i32.eq(rm, i32.sub(ROUNDING.up, negative)));
    const infinity = F.int.or(sign, F.infinity);
    const tiny = i32.ge_u(exponentOf(F, a), F.top - 2);
    const flushes = context.flushes ? i32.and(i32.ne(context.mode("flushResults"), 0), tiny) : undefined;
    return [
      ...context.flushInputs(F, [a]),
      when(isNan(F, a), [ret(nan1(context, F).call(a))]),
      when(isInfinite(F, a), [ret(sign)]),
      when(isZero(F, a), [context.raise("divideByZero"), ret(infinity)]),
      when(overflows, [
        context.raise("overflow", "inexact"),
        ret(select(F.type, away, infinity, F.int.or(sign, F.infinity - 1n))),
      ]),
      ...(flushes ? [when(flushes, [context.raise("underflow"), ret(sign)])] : []),
      fraction.set(wideFraction(F, a)),
      exponent.set(exponentOf(F, a)),
      when(i32.eqz(exponent), [
        fraction.set(i64.shl(fraction, 1)),
        when(i64.eqz(i64.and(fraction, 1n << 52n)), [exponent.set(-1), fraction.set(i64.shl(fraction, 1))]),
        fraction.set(i64.and(fraction, FRACTION)),
      ]),
      scaled.set(i32.or(256, i32.wrap_i64(i64.shr_u(fraction, 44)))),
      scaled.set(i32.div_u(1 << 19, i32.or(i32.shl(scaled, 1), 1))),
      fraction.set(i64.shl(i64.and(i64.extend_i32_u(i32.shr_u(i32.add(scaled, 1), 1)), 255), 44)),
      exponent.set(i32.sub(2 * F.bias - 1, exponent)),
      when(i32.le_s(exponent, 0), [
        fraction.set(i64.or(TOP_BIT, i64.shr_u(fraction, 1))),
        when(exponent, [fraction.set(i64.shr_u(fraction, 1)), exponent.set(0)]),
      ]),
      assembled(F, sign, exponent, fraction),
    ];
  });
}

/** (a) -> an estimate of 1 / sqrt(a). */
export function reciprocalRootEstimate8(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.reciprocalRootEstimate8`, [F.type], F.type, (f) => {
    const a = f.arg(0);
    const [fraction, shift] = [f.local("i64"), f.local("i64")];
    const [exponent, scaled, root] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const sign = F.int.and(a, F.sign);
    const below = i32.lt_u(i32.mul(scaled, i32.mul(i32.add(root, 1), i32.add(root, 1))), 1 << 28);
    return [
      ...context.flushInputs(F, [a]),
      when(isNan(F, a), [ret(nan1(context, F).call(a))]),
      when(isZero(F, a), [context.raise("divideByZero"), ret(F.int.or(sign, F.infinity))]),
      context.returnInvalid(F, signOf(F, a)),
      when(isInfinite(F, a), [ret(F.int.const(0))]),
      fraction.set(wideFraction(F, a)),
      exponent.set(exponentOf(F, a)),
      when(i32.eqz(exponent), [
        shift.set(i64.sub(i64.clz(fraction), 12)),
        exponent.set(i32.sub(0, i32.wrap_i64(shift))),
        fraction.set(i64.and(i64.shl(fraction, i64.add(shift, 1)), FRACTION)),
      ]),
      // The middle of its interval, in units of 1/1024: a number in [1/4, 1).
      scaled.set(i32.or(0x101, i32.wrap_i64(i64.shr_u(fraction, 44)))),
      when(i32.eqz(i32.and(exponent, 1)), [scaled.set(i32.shl(scaled, 1))]),
      // The largest root with scaled * root^2 < 2^28; the host's own root is at most one beside it.
      root.set(i32.sub(truncated("i32", f64.sqrt(f64.div(2 ** 28, f64.convert_i32_u(scaled)))), 2)),
      when(below, [root.set(i32.add(root, 1))]),
      when(below, [root.set(i32.add(root, 1))]),
      when(below, [root.set(i32.add(root, 1))]),
      fraction.set(i64.shl(i64.and(i64.extend_i32_u(i32.shr_u(i32.add(root, 1), 1)), 255), 44)),
      exponent.set(i32.shr_u(i32.sub(3 * F.bias - 1, exponent), 1)),
      assembled(F, F.int.const(0), exponent, fraction),
    ];
  });
}

/** (a) -> a number whose exponent is about that of 1 / a, of the same sign. */
export function reciprocalExponent(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.reciprocalExponent`, [F.type], F.type, (f) => {
    const a = f.arg(0);
    const inverted = F.int.and(F.int.xor(a, F.infinity), F.sign | F.infinity);
    const largest = F.int.or(F.int.and(a, F.sign), BigInt(F.top - 1) << BigInt(F.fraction));
    return [
      ...context.flushInputs(F, [a]),
      when(isNan(F, a), [ret(nan1(context, F).call(a))]),
      select(F.type, exponentOf(F, a), inverted, largest),
    ];
  });
}

// Approximations of x86 (SDM volume 2, RCPPS and RSQRTPS): as good as the host's, which are within their bound. They raise
// nothing, whatever modes are in force denormal arguments and results are zeros, and infinities are exact.

function approximation(
  context: Context,
  F: Format,
  name: string,
  compute: (a: Local) => { invalid: Expr; result: Expr },
): FunctionBuilder {
  return context.define(`${F.name}.${name}`, [F.type], F.type, (f) => {
    const [a, r] = [f.arg(0), f.local(F.type)];
    const { invalid, result } = compute(a);
    return [
      when(isNan(F, a), [ret(F.int.or(a, F.quiet))]),
      when(isDenormal(F, a), [a.set(F.int.and(a, F.sign))]),
      when(invalid, [ret(context.defaultNan(F))]),
      r.set(result),
      when(isDenormal(F, r), [ret(F.int.and(r, F.sign))]),
      r,
    ];
  });
}

/** (a) -> about 1 / a, without exceptions. */
export function reciprocal(context: Context, F: Format): FunctionBuilder {
  return approximation(context, F, "reciprocal", (a) => ({
    invalid: i32.const(0),
    result: F.type === "i64" ? fromF64(f64.div(1, toF64(a))) : fromF32(f32.div(1, toF32(a))),
  }));
}

/** (a) -> about 1 / sqrt(a), without exceptions. */
export function reciprocalRoot(context: Context, F: Format): FunctionBuilder {
  return approximation(context, F, "reciprocalRoot", (a) => {
    const wide = F.type === "i64" ? toF64(a) : f64.promote_f32(toF32(a));
    const root = f64.div(1, f64.sqrt(wide));
    return {
      invalid: i32.and(signOf(F, a), i32.eqz(isZero(F, a))),
      result: F.type === "i64" ? fromF64(root) : fromF32(f32.demote_f64(root)),
    };
  });
}
