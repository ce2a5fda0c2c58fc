import { type Expr, type FunctionBuilder, f32, f64, i32, i64, type Local, ret, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import {
  F32,
  F64,
  type Format,
  fromF32,
  fromF64,
  isNan,
  isSafe,
  isSignaling,
  signOf,
  toF64,
} from "./format.js";
import { keepingDenormals, narrow, signBits } from "./round.js";
import { isExactly, widened } from "./small.js";

// Conversions between the formats. An f16 on either side is never flushed, and raises no `denormal`.

/** A NaN of one format as one of another: sign and the payload's leading bits are kept, and it is quiet. */
function nanConverted(context: Context, from: Format, to: Format): FunctionBuilder {
  return context.define(`${to.name}.nanFrom${from.name}`, [from.type], to.type, (f) => {
    const v = f.arg(0);
    const wideNan = from.type === "i64" ? v : i64.extend_i32_u(v);
    const move = to.fraction - from.fraction;
    const moved = move > 0 ? i64.shl(wideNan, move) : i64.shr_u(wideNan, -move);
    const payload = i64.and(moved, to.quiet - 1n);
    const quiet = F64 === to ? payload : i32.wrap_i64(payload);
    return [
      when(isSignaling(from, v), [context.raise("invalid")]),
      context.orDefaultNan(
        to,
        to.int.or(signBits(to, signOf(from, v)), to.int.or(quiet, to.infinity | to.quiet)),
      ),
    ];
  });
}

function flush(context: Context, from: Format, a: Local): readonly Expr[] {
  return from.name === "f16" ? [] : context.flushInputs(from, [a]);
}

function note(context: Context, from: Format, a: Local): readonly Expr[] {
  return from.name === "f16" ? [] : context.noteDenormals(from, [a]);
}

/** (a) -> a in a wider format: exact. */
function widen(context: Context, from: Format, to: Format): FunctionBuilder {
  return context.define(`${to.name}.from${name(from)}`, [from.type], to.type, (f) => {
    const a = f.arg(0);
    const x = f.local("f64");
    return [
      ...flush(context, from, a),
      x.set(widened(context, from, a)),
      when(f64.ne(x, x), [ret(nanConverted(context, from, to).call(a))]),
      ...note(context, from, a),
      to.type === "i64" ? fromF64(x) : fromF32(f32.demote_f64(x)),
    ];
  });
}

/** (a, rm) -> a rounded to a narrower format. */
function narrowed(context: Context, from: Format, to: Format): FunctionBuilder {
  return context.define(`${to.name}.from${name(from)}`, [from.type, "i32"], to.type, (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    const slow = narrowSlow(context, from, to).call(a, rm);
    if (from !== F64 || to !== F32) return [slow];
    const r = f.local("i32");
    return [
      ...context.guardDenormals(from, [a], slow),
      r.set(fromF32(f32.demote_f64(toF64(a)))),
      when(context.hostSuffices(rm), [when(isSafe(to, r), [ret(r)])]),
      when(isExactly(to, r, toF64(a)), [ret(r)]),
      when(i32.and(i32.eqz(rm), isSafe(to, r)), [context.raise("inexact"), ret(r)]),
      slow,
    ];
  });
}

function narrowSlow(context: Context, from: Format, to: Format): FunctionBuilder {
  return context.define(`${to.name}.narrow${name(from)}`, [from.type, "i32"], to.type, (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    return [
      ...flush(context, from, a),
      when(isNan(from, a), [ret(nanConverted(context, from, to).call(a))]),
      ...note(context, from, a),
      narrow(context, to).call(
        from.type === "i64" ? a : fromF64(widened(context, from, a)),
        keepingDenormals(context, to, rm),
      ),
    ];
  });
}

const name = (F: Format): string => F.name.toUpperCase();

/** A function of `to` that takes a number of `from`: (a) when it widens, (a, rm) when it narrows. */
export function resize(context: Context, from: Format, to: Format): FunctionBuilder {
  return from.fraction < to.fraction ? widen(context, from, to) : narrowed(context, from, to);
}
