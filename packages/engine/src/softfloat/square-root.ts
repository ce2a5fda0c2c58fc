import { type FunctionBuilder, f32, f64, i32, i64, ret, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import { F64, type Format, fromF64, isInfinite, isSafe, isZero, signOf, toF64 } from "./format.js";
import { unpack64 } from "./multiply.js";
import { nan1, operands } from "./nan.js";
import { narrow, round } from "./round.js";
import { f32ByHost, widened } from "./small.js";
import { truncated } from "./truncate.js";

/** (a, rm) -> square root of a. */
export function sqrt(context: Context, F: Format): FunctionBuilder {
  return F.type === "i64" ? sqrt64(context) : sqrtSmall(context, F);
}

function sqrt64(context: Context): FunctionBuilder {
  return context.define("f64.sqrt", ["i64", "i32"], "i64", (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    const r = f.local("i64");
    const slow = sqrtSlow64(context).call(a, rm);
    return [
      ...context.guardDenormals(F64, [a], slow),
      r.set(fromF64(f64.sqrt(toF64(a)))),
      when(context.hostSuffices(rm), [when(isSafe(F64, r), [ret(r)])]),
      slow,
    ];
  });
}

function sqrtSlow64(context: Context): FunctionBuilder {
  return context.define("f64.sqrtSlow", ["i64", "i32"], "i64", (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    const e = f.local("i32");
    const [s, q, remainder] = [f.local("i64"), f.local("i64"), f.local("i64")];
    return [
      ...operands(context, F64, [a], nan1(context, F64).call(a)),
      when(isZero(F64, a), [ret(a)]),
      context.returnInvalid(F64, signOf(F64, a)),
      ...context.noteDenormals(F64, [a]),
      when(isInfinite(F64, a), [ret(a)]),
      unpack64(a, e, s),
      // The bias is odd: an even biased exponent is an odd power of two.
      when(i32.eqz(i32.and(e, 1)), [s.set(i64.shl(s, 1)), e.set(i32.sub(e, 1))]),
      // s is in [2^52, 2^54) and q, near sqrt(s * 2^52), in [2^52, 2^53]; the remainder is at most q + 1/4 in
      // magnitude, so 64 bits of it are all of it.
      q.set(truncated("i64", f64.mul(f64.sqrt(f64.convert_i64_s(s)), 2 ** 26))),
      remainder.set(i64.sub(i64.shl(s, 52), i64.mul(q, q))),
      when(i64.lt_s(remainder, 0), [
        q.set(i64.sub(q, 1)),
        remainder.set(i64.add(remainder, i64.add(i64.shl(q, 1), 1))),
      ]),
      // The next bit is set if (q + 1/2)^2 does not exceed the radicand: if the remainder exceeds q.
      s.set(i64.or(i64.shl(q, 1), i64.extend_i32_u(i64.gt_u(remainder, q)))),
      round(context, F64).call(
        i32.const(0),
        i32.add(i32.shr_s(i32.sub(e, F64.bias), 1), F64.bias),
        i64.or(i64.shl(s, 9), i64.extend_i32_u(i64.ne(remainder, 0))),
        rm,
      ),
    ];
  });
}

function sqrtSmall(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.sqrt`, ["i32", "i32"], "i32", (f) => {
    const slow = sqrtSlowSmall(context, F).call(...f.args);
    if (F.name === "f16") return [slow];
    return f32ByHost(context, f, { narrow: f32.sqrt, wide: f64.sqrt }, slow);
  });
}

function sqrtSlowSmall(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.sqrtSlow`, ["i32", "i32"], "i32", (f) => {
    const [a, rm] = [f.arg(0), f.arg(1)];
    const root = f.local("f64");
    return [
      ...operands(context, F, [a], nan1(context, F).call(a)),
      root.set(f64.sqrt(widened(context, F, a))),
      context.returnInvalid(F, f64.ne(root, root)),
      ...context.noteDenormals(F, [a]),
      narrow(context, F).call(fromF64(root), rm),
    ];
  });
}
