import {
  type Expr,
  type FunctionBuilder,
  f32,
  f64,
  i32,
  i64,
  type Local,
  ret,
  seq,
  when,
} from "../wasm/index.js";
import type { Context } from "./context.js";
import {
  exponentOf,
  F64,
  type Format,
  fromF64,
  isInfinite,
  isNormal,
  isSafe,
  isZero,
  signOf,
  toF64,
} from "./format.js";
import { nan2, operands } from "./nan.js";
import { narrow, normalizeRound } from "./round.js";
import { f32ByHost, widened } from "./small.js";

export const HIDDEN = 1n << 52n;
export const FRACTION = HIDDEN - 1n;

/** (a, b, rm) -> a * b. */
export function mul(context: Context, F: Format): FunctionBuilder {
  return F.type === "i64" ? mul64(context) : mulSmall(context, F);
}

function mul64(context: Context): FunctionBuilder {
  return context.define("f64.mul", ["i64", "i64", "i32"], "i64", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [r, low] = [f.local("i64"), f.local("i64")];
    const slow = mulSlow64(context).call(a, b, rm);
    const significand = i64.or(i64.and(a, FRACTION), HIDDEN);
    const shifted = i64.or(i64.shl(b, 11), 1n << 63n);
    return [
      ...context.guardDenormals(F64, [a, b], slow),
      r.set(fromF64(f64.mul(toF64(a), toF64(b)))),
      when(isSafe(F64, r), [
        when(context.hostSuffices(rm), [ret(r)]),
        when(i32.and(isNormal(F64, a), isNormal(F64, b)), [
          // The product of the significands has 105 or 106 bits; these are its low 53. If they are zero the
          // product is exact; if the low 52 are not, it is inexact; between the two it depends, or is a tie.
          low.set(i64.mul(significand, shifted)),
          when(i64.eqz(low), [ret(r)]),
          when(i32.and(i32.eqz(rm), i64.ne(i64.shl(low, 1), 0)), [context.raise("inexact"), ret(r)]),
        ]),
      ]),
      // Zero times a finite number is a zero in every mode.
      when(i32.and(isZero(F64, r), i32.or(isZero(F64, a), isZero(F64, b))), [ret(r)]),
      slow,
    ];
  });
}

/** Statements: biased exponent (below 1 for a subnormal) and significand with its leading bit at 52. */
export function unpack64(v: Local, exponent: Local, significand: Local): Expr {
  return seq(
    exponent.set(exponentOf(F64, v)),
    significand.set(i64.and(v, FRACTION)),
    when(
      exponent,
      [significand.set(i64.or(significand, HIDDEN))],
      [
        exponent.set(i32.sub(12, i32.wrap_i64(i64.clz(significand)))),
        significand.set(i64.shl(significand, i64.extend_i32_s(i32.sub(1, exponent)))),
      ],
    ),
  );
}

/** (a, b) -> high half of the unsigned 128-bit product. */
export function mulHigh(context: Context): FunctionBuilder {
  return context.define("mulHigh", ["i64", "i64"], "i64", (f) => {
    const [a, b] = [f.arg(0), f.arg(1)];
    const [al, bl, middle, cross] = [f.local("i64"), f.local("i64"), f.local("i64"), f.local("i64")];
    const low = (v: Expr): Expr => i64.and(v, 0xffffffffn);
    const high = (v: Expr): Expr => i64.shr_u(v, 32);
    return [
      al.set(low(a)),
      bl.set(low(b)),
      a.set(high(a)),
      b.set(high(b)),
      middle.set(i64.add(i64.mul(a, bl), high(i64.mul(al, bl)))),
      cross.set(i64.add(i64.mul(al, b), low(middle))),
      i64.add(i64.add(i64.mul(a, b), high(middle)), high(cross)),
    ];
  });
}

function mulSlow64(context: Context): FunctionBuilder {
  return context.define("f64.mulSlow", ["i64", "i64", "i32"], "i64", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [ea, eb] = [f.local("i32"), f.local("i32")];
    const [sa, sb] = [f.local("i64"), f.local("i64")];
    const product = f.local("f64");
    const special = [isZero(F64, a), isZero(F64, b), isInfinite(F64, a), isInfinite(F64, b)];
    return [
      ...operands(context, F64, [a, b], nan2(context, F64).call(a, b)),
      product.set(f64.mul(toF64(a), toF64(b))),
      context.returnInvalid(F64, f64.ne(product, product)),
      ...context.noteDenormals(F64, [a, b]),
      when(
        special.reduce((x, y) => i32.or(x, y)),
        [ret(fromF64(product))],
      ),
      unpack64(a, ea, sa),
      unpack64(b, eb, sb),
      sa.set(i64.shl(sa, 10)),
      sb.set(i64.shl(sb, 11)),
      normalizeRound(context, F64).call(
        signOf(F64, i64.xor(a, b)),
        i32.sub(i32.add(ea, eb), F64.bias - 1),
        i64.or(mulHigh(context).call(sa, sb), i64.extend_i32_u(i64.ne(i64.mul(sa, sb), 0))),
        rm,
      ),
    ];
  });
}

function mulSmall(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.mul`, ["i32", "i32", "i32"], "i32", (f) => {
    const slow = mulSlowSmall(context, F).call(...f.args);
    if (F.name === "f16") return [slow];
    return f32ByHost(context, f, { narrow: f32.mul, wide: f64.mul }, slow);
  });
}

function mulSlowSmall(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.mulSlow`, ["i32", "i32", "i32"], "i32", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const product = f.local("f64");
    return [
      ...operands(context, F, [a, b], nan2(context, F).call(a, b)),
      product.set(f64.mul(widened(context, F, a), widened(context, F, b))),
      context.returnInvalid(F, f64.ne(product, product)),
      ...context.noteDenormals(F, [a, b]),
      narrow(context, F).call(fromF64(product), rm),
    ];
  });
}
