import {
  type Expr,
  either,
  type FunctionBuilder,
  i32,
  i64,
  type Local,
  ret,
  select,
  when,
} from "../wasm/index.js";
import type { Context } from "./context.js";
import { exponentOf, F64, type Format, isDenormal, isInfinite, isZero, signOf } from "./format.js";
import { ROUNDING } from "./policy.js";

// The unrounded result of every slow path is sign, exponent, significand: an i64 whose leading bit is bit 62
// and whose lowest bit is sticky ("jammed": set when anything was lost below it). With the biased exponent e
// its value is significand * 2^(e - bias - 62).

const KEEP_DENORMALS = 8;

/** The rounding mode for a conversion to f16, whose result the flush mode does not concern. */
export function keepingDenormals(context: Context, F: Format, rm: Local): Expr {
  return F.name === "f16" && context.flushes ? i32.or(rm, KEEP_DENORMALS) : rm;
}

/** (value, n) -> value >> n with lost bits jammed into the lowest; n in 1..2^31-1. */
export function shiftRightJam(context: Context): FunctionBuilder {
  return context.define("shiftRightJam", ["i64", "i32"], "i64", (f) => {
    const [value, n] = [f.arg(0), i64.extend_i32_u(f.arg(1))];
    const lost = i64.shl(value, i64.sub(64, n));
    return [
      either(
        "i64",
        i32.gt_u(f.arg(1), 63),
        [i64.extend_i32_u(i64.ne(value, 0))],
        [i64.or(i64.shr_u(value, n), i64.extend_i32_u(i64.ne(lost, 0)))],
      ),
    ];
  });
}

/** Sign bit in place, from i32 0 or 1. */
export function signBits(F: Format, sign: Expr): Expr {
  return F.type === "i64" ? i64.shl(i64.extend_i32_u(sign), 63) : i32.shl(sign, F.name === "f16" ? 15 : 31);
}

/** (sign: i32, exponent: i32, significand: i64, rm) -> rounded bits; raises inexact, overflow, underflow. */
export function round(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.round`, ["i32", "i32", "i64", "i32"], F.type, (f) => {
    const [sign, exponent, significand, rm] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const [increment, lost] = [f.local("i64"), f.local("i64")];
    const keep = F.name === "f16" && context.flushes ? f.local("i32") : undefined;
    const extra = 62 - F.fraction;
    const half = 1n << BigInt(extra - 1);
    const below = (1n << BigInt(extra)) - 1n;
    const wide = (v: Expr): Expr => (F.type === "i64" ? i64.extend_i32_s(v) : v);
    const rounded = F.type === "i64" ? significand : i32.wrap_i64(significand);
    const carries = i64.lt_s(i64.add(significand, increment), 0);
    // Away from zero: down for negative numbers, up for positive ones.
    const away = i32.eq(rm, i32.sub(ROUNDING.up, sign));
    const inexactOverflow = [
      context.raise("overflow"),
      when(i64.ne(i64.and(significand, below), 0), [context.raise("inexact")]),
      ret(F.int.or(signBits(F, sign), F.infinity)),
    ];
    return [
      ...(keep ? [keep.set(i32.and(rm, KEEP_DENORMALS)), rm.set(i32.and(rm, 7))] : []),
      increment.set(
        select("i64", i32.eqz(i32.and(rm, 3)), half, select("i64", away, i64.const(below), i64.const(0))),
      ),
      when(i32.le_s(exponent, 0), small(context, F, f, carries, keep), [
        when(i32.and(i32.ge_s(exponent, F.top - 1), i32.or(i32.ge_s(exponent, F.top), carries)), [
          ...(context.traps ? [when(context.mode("trapOverflow"), inexactOverflow)] : []),
          context.raise("overflow", "inexact"),
          // Modes that do not round away stop at the largest finite number.
          ret(F.int.or(signBits(F, sign), F.int.sub(F.infinity, wide(i64.eqz(increment))))),
        ]),
      ]),
      lost.set(i64.and(significand, below)),
      significand.set(i64.shr_u(i64.add(significand, increment), extra)),
      when(i64.ne(lost, 0), [
        context.raise("inexact"),
        when(i32.and(i32.eqz(rm), i64.eq(lost, half)), [significand.set(i64.and(significand, -2))]),
        when(i32.eq(rm, ROUNDING.odd), [significand.set(i64.or(significand, 1))]),
      ]),
      // The significand's own leading bit adds the last 1 to the exponent, and a subnormal has none.
      F.int.or(signBits(F, sign), F.int.add(F.int.shl(wide(i32.sub(exponent, 1)), F.fraction), rounded)),
    ];
  });
}

/** A result below the normal range: decide tininess, flush or denormalize. */
function small(
  context: Context,
  F: Format,
  f: FunctionBuilder,
  carries: Expr,
  keep: Local | undefined,
): readonly Expr[] {
  const [sign, exponent, significand] = [f.arg(0), f.arg(1), f.arg(2)];
  const tiny = f.local("i32");
  const after = context.policy.tininess === "after";
  const statements: Expr[] = [
    tiny.set(after ? i32.or(i32.lt_s(exponent, 0), i32.eqz(carries)) : i32.const(1)),
  ];
  if (context.flushes) {
    // Arm raises underflow alone (FPRound), x86 underflow and precision (SDM volume 1, 10.2.3.3).
    const raised =
      context.policy.denormal === "flushed"
        ? context.raise("underflow")
        : context.raise("underflow", "inexact");
    const mode = i32.ne(context.mode(F.name === "f16" ? "flushHalf" : "flushResults"), 0);
    const applies = keep ? i32.and(mode, i32.eqz(keep)) : mode;
    statements.push(when(i32.and(tiny, applies), [raised, ret(signBits(F, sign))]));
  }
  const below = (1n << BigInt(62 - F.fraction)) - 1n;
  if (context.traps)
    statements.push(
      when(i32.and(tiny, i32.ne(context.mode("trapUnderflow"), 0)), [
        context.raise("underflow"),
        when(i64.ne(i64.and(significand, below), 0), [context.raise("inexact")]),
        ret(signBits(F, sign)),
      ]),
    );
  statements.push(
    significand.set(shiftRightJam(context).call(significand, i32.sub(1, exponent))),
    exponent.set(1),
    when(i32.and(tiny, i64.ne(i64.and(significand, below), 0)), [context.raise("underflow")]),
  );
  return statements;
}

/** Like `round`, for a nonzero significand with its leading bit anywhere in bits 0..62. */
export function normalizeRound(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.normalizeRound`, ["i32", "i32", "i64", "i32"], F.type, (f) => {
    const [sign, exponent, significand, rm] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const shift = f.local("i64");
    return [
      shift.set(i64.sub(i64.clz(significand), 1)),
      round(context, F).call(sign, i32.sub(exponent, i32.wrap_i64(shift)), i64.shl(significand, shift), rm),
    ];
  });
}

/**
 * (x: f64 bits, rm) -> x rounded to f16 or f32. x is no NaN; its last bit may be sticky, for it was rounded
 * to odd or its exponent says that it lies far below the last bit of the result.
 */
export function narrow(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.narrow`, ["i64", "i32"], F.type, (f) => {
    const [x, rm] = [f.arg(0), f.arg(1)];
    const sign = signBits(F, signOf(F64, x));
    const hidden = 1n << 62n;
    const fraction = i64.and(x, (1n << 52n) - 1n);
    const normalized = normalizeRound(context, F).call(signOf(F64, x), F.bias + 62 - 1074, fraction, rm);
    return [
      when(isInfinite(F64, x), [ret(F.int.or(sign, F.infinity))]),
      when(isZero(F64, x), [ret(sign)]),
      // Far too small, but where underflow traps it matters whether the significand fits.
      ...(context.traps ? [when(isDenormal(F64, x), [ret(normalized)])] : []),
      // An f64 subnormal gets a leading bit it does not have; it is far below every half unit of the result.
      round(context, F).call(
        signOf(F64, x),
        i32.add(exponentOf(F64, x), F.bias - F64.bias),
        i64.or(i64.and(i64.shl(x, 10), hidden - 1n), hidden),
        rm,
      ),
    ];
  });
}
