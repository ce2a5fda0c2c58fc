import {
  type Expr,
  either,
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
  isNan,
  isNormal,
  isZero,
  signOf,
  toF64,
} from "./format.js";
import { nan2, operands } from "./nan.js";
import { ROUNDING } from "./policy.js";
import { narrow, normalizeRound, shiftRightJam } from "./round.js";
import { f32ByHost, roundToOdd, sumError, widened } from "./small.js";

/** (a, b, rm) -> a + b. */
export function add(context: Context, F: Format): FunctionBuilder {
  return F.type === "i64" ? sum64(context, "add") : sumSmall(context, F, "add");
}

/** (a, b, rm) -> a - b. */
export function sub(context: Context, F: Format): FunctionBuilder {
  return F.type === "i64" ? sum64(context, "sub") : sumSmall(context, F, "sub");
}

type Kind = "add" | "sub";

/** The second operand of the equivalent addition: a NaN keeps its sign. */
function addend(F: Format, kind: Kind, b: Local): Expr {
  if (kind === "add") return b;
  return either(F.type, isNan(F, b), [b], [F.int.xor(b, F.sign)]);
}

/** The sign bit of an exact zero sum when rounding down: minus, unless both are +0. */
function zeroDown(F: Format, kind: Kind, a: Local, b: Local): Expr {
  return F.int.and(F.int.or(a, kind === "add" ? b : F.int.xor(b, F.sign)), F.sign);
}

function sum64(context: Context, kind: Kind): FunctionBuilder {
  return context.define(`f64.${kind}`, ["i64", "i64", "i32"], "i64", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [x, y, sum, back, error] = [
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
    ];
    const r = f.local("i64");
    const slow = addSlow64(context).call(a, addend(F64, kind, b), rm);
    return [
      ...context.guardDenormals(F64, [a, b], slow),
      x.set(toF64(a)),
      y.set(kind === "add" ? toF64(b) : f64.neg(toF64(b))),
      r.set(fromF64(sum.tee(f64.add(x, y)))),
      when(context.hostSuffices(rm), [when(isNormal(F64, r), [ret(r)])]),
      ...sumError(x, y, sum, back, error),
      when(i32.and(f64.eq(error, 0), i32.or(isNormal(F64, r), isZero(F64, r))), [
        when(i32.and(i32.eq(rm, ROUNDING.down), isZero(F64, r)), [ret(zeroDown(F64, kind, a, b))]),
        ret(r),
      ]),
      // An infinite or NaN error tells of an overflow on the way or of a special operand.
      when(i32.and(i32.eqz(rm), i32.and(f64.lt(f64.abs(error), Infinity), isNormal(F64, r))), [
        context.raise("inexact"),
        ret(r),
      ]),
      slow,
    ];
  });
}

/** The sum by integers alone, for everything the host's sum leaves open. */
export function addSlow64(context: Context): FunctionBuilder {
  return context.define("f64.addSlow", ["i64", "i64", "i32"], "i64", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [ea, eb, distance] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const [sa, sb] = [f.local("i64"), f.local("i64")];
    const hidden = 1n << 61n;
    // Significands with the leading bit at 61: the sum of two has it at 62.
    const unpack = (v: Local, e: Local, s: Local) =>
      seq(
        e.set(exponentOf(F64, v)),
        s.set(i64.and(i64.shl(v, 9), hidden - 1n)),
        when(e, [s.set(i64.or(s, hidden))], [e.set(1)]),
      );
    const opposite = i64.lt_s(i64.xor(a, b), 0);
    return [
      ...operands(context, F64, [a, b], nan2(context, F64).call(a, b)),
      when(isInfinite(F64, a), [context.returnInvalid(F64, i32.and(isInfinite(F64, b), opposite))]),
      ...context.noteDenormals(F64, [a, b]),
      when(isInfinite(F64, a), [ret(a)]),
      when(isInfinite(F64, b), [ret(b)]),
      // The larger magnitude first: it gives sign and exponent.
      when(i64.lt_u(i64.shl(a, 1), i64.shl(b, 1)), [sa.set(a), a.set(b), b.set(sa)]),
      unpack(a, ea, sa),
      unpack(b, eb, sb),
      distance.set(i32.sub(ea, eb)),
      when(distance, [sb.set(shiftRightJam(context).call(sb, distance))]),
      when(opposite, [sb.set(i64.sub(0, sb))]),
      sa.set(i64.add(sa, sb)),
      when(i64.eqz(sa), [
        when(opposite, [
          ret(either("i64", i32.eq(rm, ROUNDING.down), [i64.const(F64.sign)], [i64.const(0)])),
        ]),
        ret(a),
      ]),
      normalizeRound(context, F64).call(signOf(F64, a), i32.add(ea, 1), sa, rm),
    ];
  });
}

function sumSmall(context: Context, F: Format, kind: Kind): FunctionBuilder {
  return context.define(`${F.name}.${kind}`, ["i32", "i32", "i32"], "i32", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const slow = addSlowSmall(context, F).call(a, addend(F, kind, b), rm);
    if (F.name === "f16") return [slow];
    const host = { narrow: f32[kind], wide: f64.add, sum: kind, zeroDown: zeroDown(F, kind, a, b) };
    return f32ByHost(context, f, host, slow);
  });
}

function addSlowSmall(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.addSlow`, ["i32", "i32", "i32"], "i32", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [x, y, sum, back, error] = [
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
    ];
    const bits = f.local("i64");
    return [
      ...operands(context, F, [a, b], nan2(context, F).call(a, b)),
      x.set(widened(context, F, a)),
      y.set(widened(context, F, b)),
      sum.set(f64.add(x, y)),
      context.returnInvalid(F, f64.ne(sum, sum)),
      ...context.noteDenormals(F, [a, b]),
      when(i32.and(i32.eq(rm, ROUNDING.down), f64.eq(sum, 0)), [ret(zeroDown(F, "add", a, b))]),
      bits.set(fromF64(sum)),
      when(f64.lt(f64.abs(sum), Infinity), [...sumError(x, y, sum, back, error), roundToOdd(bits, error)]),
      narrow(context, F).call(bits, rm),
    ];
  });
}
