import { type FunctionBuilder, f32, f64, i32, i64, ret, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import { F64, type Format, fromF64, isInfinite, isSafe, isZero, signOf, toF64 } from "./format.js";
import { unpack64 } from "./multiply.js";
import { nan2, operands } from "./nan.js";
import { narrow, round } from "./round.js";
import { f32ByHost, widened } from "./small.js";
import { truncated } from "./truncate.js";

/** (a, b, rm) -> a / b. */
export function div(context: Context, F: Format): FunctionBuilder {
  return F.type === "i64" ? div64(context) : divSmall(context, F);
}

function div64(context: Context): FunctionBuilder {
  return context.define("f64.div", ["i64", "i64", "i32"], "i64", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const r = f.local("i64");
    const slow = divSlow64(context).call(a, b, rm);
    return [
      ...context.guardDenormals(F64, [a, b], slow),
      r.set(fromF64(f64.div(toF64(a), toF64(b)))),
      when(context.hostSuffices(rm), [when(isSafe(F64, r), [ret(r)])]),
      slow,
    ];
  });
}

function divSlow64(context: Context): FunctionBuilder {
  return context.define("f64.divSlow", ["i64", "i64", "i32"], "i64", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [ea, eb] = [f.local("i32"), f.local("i32")];
    const [sa, sb, q, remainder] = [f.local("i64"), f.local("i64"), f.local("i64"), f.local("i64")];
    const quotient = f.local("f64");
    const special = [isZero(F64, a), isInfinite(F64, a), isInfinite(F64, b)];
    return [
      ...operands(context, F64, [a, b], nan2(context, F64).call(a, b)),
      quotient.set(f64.div(toF64(a), toF64(b))),
      context.returnInvalid(F64, f64.ne(quotient, quotient)),
      when(isZero(F64, b), [
        when(i32.eqz(isInfinite(F64, a)), [context.raise("divideByZero")]),
        ret(fromF64(quotient)),
      ]),
      ...context.noteDenormals(F64, [a, b]),
      when(
        special.reduce((x, y) => i32.or(x, y)),
        [ret(fromF64(quotient))],
      ),
      unpack64(a, ea, sa),
      unpack64(b, eb, sb),
      when(i64.lt_u(sa, sb), [sa.set(i64.shl(sa, 1)), ea.set(i32.sub(ea, 1))]),
      // The quotient of the significands is in [1, 2). The host rounds it to 53 bits; the remainder is below
      // 2^53 either way, so 64 bits of it are all of it, and it tells the next bit and whether more follow.
      q.set(truncated("i64", f64.mul(f64.div(f64.convert_i64_s(sa), f64.convert_i64_s(sb)), 2 ** 52))),
      remainder.set(i64.sub(i64.shl(sa, 52), i64.mul(q, sb))),
      when(i64.lt_s(remainder, 0), [q.set(i64.sub(q, 1)), remainder.set(i64.add(remainder, sb))]),
      q.set(i64.shl(q, 1)),
      remainder.set(i64.shl(remainder, 1)),
      when(i64.ge_u(remainder, sb), [q.set(i64.add(q, 1)), remainder.set(i64.sub(remainder, sb))]),
      round(context, F64).call(
        signOf(F64, i64.xor(a, b)),
        i32.add(i32.sub(ea, eb), F64.bias),
        i64.or(i64.shl(q, 9), i64.extend_i32_u(i64.ne(remainder, 0))),
        rm,
      ),
    ];
  });
}

function divSmall(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.div`, ["i32", "i32", "i32"], "i32", (f) => {
    const slow = divSlowSmall(context, F).call(...f.args);
    if (F.name === "f16") return [slow];
    return f32ByHost(context, f, { narrow: f32.div, wide: f64.div }, slow);
  });
}

function divSlowSmall(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.divSlow`, ["i32", "i32", "i32"], "i32", (f) => {
    const [a, b, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const quotient = f.local("f64");
    return [
      ...operands(context, F, [a, b], nan2(context, F).call(a, b)),
      quotient.set(f64.div(widened(context, F, a), widened(context, F, b))),
      context.returnInvalid(F, f64.ne(quotient, quotient)),
      when(
        isZero(F, b),
        [when(i32.eqz(isInfinite(F, a)), [context.raise("divideByZero")])],
        context.noteDenormals(F, [a, b]),
      ),
      narrow(context, F).call(fromF64(quotient), rm),
    ];
  });
}
