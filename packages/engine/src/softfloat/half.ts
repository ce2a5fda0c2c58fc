import { type FunctionBuilder, f32, f64, i32, ret, select, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import { F16, type Format, fromF32, fromF64, isInfinite, isNan, signOf, toF64 } from "./format.js";
import { FLOAT_FLAGS } from "./policy.js";
import { resize } from "./resize.js";
import { keepingDenormals, narrow, signBits } from "./round.js";
import { widened } from "./small.js";

// Half precision in a format chosen while the guest runs: f16, or Arm's alternative one (ARM DDI 0487, A1.4.2),
// which has neither infinities nor NaNs but one more binade of numbers in their place.

const TOP = F16.infinity;
const ONE_BINADE = 1n << BigInt(F16.fraction);
/** Where the two formats' exponents begin to matter: numbers from here on are handled at half their size. */
const LARGE = 2 ** 15;

/** (a: i32, alternative: i32) -> the number in a wider format: exact. */
export function fromHalf(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.fromHalf`, ["i32", "i32"], F.type, (f) => {
    const [a, alternative] = [f.arg(0), f.arg(1)];
    const x = f.local("f64");
    const special = i32.ge_u(i32.and(a, F16.abs), TOP);
    return [
      when(i32.eqz(i32.and(special, i32.ne(alternative, 0))), [ret(resize(context, F16, F).call(a))]),
      a.set(i32.sub(a, ONE_BINADE)),
      x.set(f64.mul(widened(context, F16, a), 2)),
      F.type === "i64" ? fromF64(x) : fromF32(f32.demote_f64(x)),
    ];
  });
}

/** (a, alternative: i32, rm) -> a rounded to half precision. What the alternative format lacks raises invalid. */
export function toHalf(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.toHalf`, [F.type, "i32", "i32"], "i32", (f) => {
    const [a, alternative, rm] = [f.arg(0), f.arg(1), f.arg(2)];
    const [x, scaled] = [f.local("f64"), f.local("f64")];
    const [before, large, r] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const sign = signBits(F16, signOf(F, a));
    return [
      when(i32.eqz(alternative), [ret(resize(context, F, F16).call(a, rm))]),
      ...context.flushInputs(F, [a]),
      when(isNan(F, a), [context.raise("invalid"), ret(sign)]),
      when(isInfinite(F, a), [context.raise("invalid"), ret(i32.or(sign, F16.abs))]),
      ...context.noteDenormals(F, [a]),
      x.set(F.type === "i64" ? toF64(a) : widened(context, F, a)),
      large.set(f64.ge(f64.abs(x), LARGE)),
      scaled.set(select("f64", large, f64.mul(x, 0.5), x)),
      // An overflow is another exception here, and no inexact result.
      before.set(context.flags),
      context.flags.set(0),
      r.set(narrow(context, F16).call(fromF64(scaled), keepingDenormals(context, F16, rm))),
      when(i32.and(context.flags, FLOAT_FLAGS.overflow), [
        context.flags.set(i32.or(before, FLOAT_FLAGS.invalid)),
        ret(i32.or(sign, F16.abs)),
      ]),
      context.flags.set(i32.or(before, context.flags)),
      i32.add(r, select("i32", large, i32.const(ONE_BINADE), i32.const(0))),
    ];
  });
}
