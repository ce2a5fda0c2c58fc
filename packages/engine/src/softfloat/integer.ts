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
  select,
  when,
} from "../wasm/index.js";
import type { Context } from "./context.js";
import { type Format, fromF32, fromF64, isNan, toF64 } from "./format.js";
import { nan1 } from "./nan.js";
import { ROUNDING } from "./policy.js";
import { narrow, normalizeRound } from "./round.js";
import { widened } from "./small.js";
import { truncated } from "./truncate.js";

const wide = (context: Context, F: Format, v: Local): Expr =>
  F.type === "i64" ? toF64(v) : widened(context, F, v);

/** (x: f64, rm) -> x rounded to an integral value, by the host; NaN stays one. */
function integral(context: Context): FunctionBuilder {
  return context.define("integral", ["f64", "i32"], "f64", (f) => {
    const [x, rm] = [f.arg(0), f.arg(1)];
    const [t, rest] = [f.local("f64"), f.local("f64")];
    const isOdd = f64.ne(f64.trunc(f64.mul(t, 0.5)), f64.mul(t, 0.5));
    const outward = f64.add(t, f64.copysign(f64.const(1), x));
    return [
      when(i32.eqz(rm), [ret(f64.nearest(x))]),
      when(i32.eq(rm, ROUNDING.down), [ret(f64.floor(x))]),
      when(i32.eq(rm, ROUNDING.up), [ret(f64.ceil(x))]),
      // The rest is exact, and less than 1.
      rest.set(f64.abs(f64.sub(x, t.tee(f64.trunc(x))))),
      when(i32.eq(rm, ROUNDING.nearestAway), [when(f64.ge(rest, 0.5), [ret(outward)])]),
      when(i32.eq(rm, ROUNDING.odd), [when(i32.and(f64.gt(rest, 0), i32.eqz(isOdd)), [ret(outward)])]),
      t,
    ];
  });
}

/** (a, exact: i32, rm) -> a rounded to an integral value; inexact is raised only if `exact` is not 0. */
export function roundToIntegral(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.roundToIntegral`, [F.type, "i32", "i32"], F.type, (f) => {
    const [a, exact, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [x, t] = [f.local("f64"), f.local("f64")];
    return [
      ...context.flushInputs(F, [a]),
      when(isNan(F, a), [ret(nan1(context, F).call(a))]),
      x.set(wide(context, F, a)),
      when(f64.eq(x, t.tee(integral(context).call(x, rm))), [ret(a)]),
      when(exact, [context.raise("inexact")]),
      F.type === "i64"
        ? fromF64(t)
        : F.name === "f32"
          ? fromF32(f32.demote_f64(t))
          : narrow(context, F).call(fromF64(t), rm),
    ];
  });
}

type IntegerName = "I32" | "U32" | "I64" | "U64";

/** Range of the integers of a kind, as f64: both ends of the half-open interval are exact. */
const RANGE: Record<IntegerName, readonly [number, number]> = {
  I32: [-(2 ** 31), 2 ** 31],
  U32: [0, 2 ** 32],
  I64: [-(2 ** 63), 2 ** 63],
  U64: [0, 2 ** 64],
};

/** (a, rm) -> the integer, as i32 or i64; out of range raises invalid and gives what the policy says. */
function toInteger(context: Context, F: Format, to: IntegerName): FunctionBuilder {
  const type = to.endsWith("64") ? "i64" : "i32";
  const signed = to.startsWith("I");
  return context.define(`${F.name}.to${to}`, [F.type, "i32"], type, (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    const [x, t] = [f.local("f64"), f.local("f64")];
    const [low, high] = RANGE[to];
    return [
      ...context.flushInputs(F, [a]),
      x.set(wide(context, F, a)),
      t.set(either("f64", i32.eq(rm, ROUNDING.towardZero), [f64.trunc(x)], [integral(context).call(x, rm)])),
      when(i32.and(f64.ge(t, low), f64.lt(t, high)), [
        when(f64.ne(t, x), [context.raise("inexact")]),
        ret(truncated(type, t, signed)),
      ]),
      context.raise("invalid"),
      outOfRange(context, type, signed, x),
    ];
  });
}

function outOfRange(context: Context, type: "i32" | "i64", signed: boolean, x: Local): Expr {
  const bits = type === "i64" ? 64n : 32n;
  const int = type === "i64" ? i64 : i32;
  const min = signed ? -(1n << (bits - 1n)) : 0n;
  const max = signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  if (context.policy.toInteger === "indefinite") return int.const(signed ? min : max);
  const clamped = select(type, f64.lt(x, 0), int.const(min), int.const(max));
  if (context.policy.toInteger === "clamp") return clamped;
  return select(type, f64.eq(x, x), clamped, int.const(0));
}

type Make = (context: Context, F: Format) => FunctionBuilder;

export const toI32: Make = (c, F) => toInteger(c, F, "I32");
export const toU32: Make = (c, F) => toInteger(c, F, "U32");
export const toI64: Make = (c, F) => toInteger(c, F, "I64");
export const toU64: Make = (c, F) => toInteger(c, F, "U64");

/** (a: i64, rm) -> the nearest number of the format; `signed` or not. */
function from64(context: Context, F: Format, signed: boolean): FunctionBuilder {
  return context.define(`${F.name}.from${signed ? "I" : "U"}64`, ["i64", "i32"], F.type, (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    const negative = f.local("i32");
    const host = hostFrom64(F, a, signed);
    const r = f.local(F.type);
    // The magnitude may fill all 64 bits; the leading bit has to come down to 62.
    const sticky = i64.or(i64.shr_u(a, 1), i64.and(a, 1));
    const normalized = normalizeRound(context, F);
    const span = i64.sub(64, i64.add(i64.clz(a), i64.ctz(a)));
    return [
      ...(host
        ? [r.set(host), when(context.hostSuffices(rm), [ret(r)])]
        : [when(i64.eqz(a), [ret(F.int.const(0))])]),
      ...(signed ? [when(negative.tee(i64.lt_s(a, 0)), [a.set(i64.sub(0, a))])] : []),
      ...(host
        ? [
            // From the first to the last bit set; 0 counts as nothing.
            when(i64.le_s(span, F.fraction + 1), [ret(r)]),
            when(i32.eqz(rm), [context.raise("inexact"), ret(r)]),
          ]
        : []),
      when(i64.lt_s(a, 0), [ret(normalized.call(negative, F.bias + 63, sticky, rm))]),
      normalized.call(negative, F.bias + 62, a, rm),
    ];
  });
}

function hostFrom64(F: Format, a: Local, signed: boolean): Expr | undefined {
  if (F.name === "f64") return fromF64(signed ? f64.convert_i64_s(a) : f64.convert_i64_u(a));
  if (F.name === "f32") return fromF32(signed ? f32.convert_i64_s(a) : f32.convert_i64_u(a));
  return undefined;
}

/** (a: i32, rm) -> likewise; every 32-bit integer is an f64. */
function from32(context: Context, F: Format, signed: boolean): FunctionBuilder {
  return context.define(`${F.name}.from${signed ? "I" : "U"}32`, ["i32", "i32"], F.type, (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    if (F.type === "i64") return [fromF64(signed ? f64.convert_i32_s(a) : f64.convert_i32_u(a))];
    return [from64(context, F, signed).call(signed ? i64.extend_i32_s(a) : i64.extend_i32_u(a), rm)];
  });
}

export const fromI32: Make = (c, F) => from32(c, F, true);
export const fromU32: Make = (c, F) => from32(c, F, false);
export const fromI64: Make = (c, F) => from64(c, F, true);
export const fromU64: Make = (c, F) => from64(c, F, false);
