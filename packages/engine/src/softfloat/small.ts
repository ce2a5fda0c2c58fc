import {
  type Expr,
  either,
  type FunctionBuilder,
  f64,
  i32,
  i64,
  type Local,
  ret,
  when,
} from "../wasm/index.js";
import type { Context } from "./context.js";
import { F32, F64, type Format, fromF32, fromF64, isNormal, isSafe, isZero, toF32, toF64 } from "./format.js";
import { ROUNDING } from "./policy.js";

// f16 and f32 are computed in the host's f64. Sums carry their exact error along; products are exact; a
// quotient or a square root of two numbers of p bits is never closer to a number of p + 1 bits than 2^-(2p+1)
// of itself, so its f64 rounding lies on the right side of everything a second rounding looks at, and is
// equal to a number of p bits only if it is exact (Figueroa 1995, for 53 >= 2p + 2).

/** An f16 or f32 local as the host's f64; NaNs become NaNs of unspecified payload. */
export function widened(context: Context, F: Format, v: Local): Expr {
  return F.name === "f32" ? f64.promote_f32(toF32(v)) : widenHalf(context).call(v);
}

function widenHalf(context: Context): FunctionBuilder {
  return context.define("f16.widen", ["i32"], "f64", (f) => {
    const v = f.arg(0);
    const magnitude = i64.shl(i64.extend_i32_u(i32.and(v, 0x7fff)), 42);
    const finite = f64.mul(toF64(magnitude), 2 ** 1008);
    const special = toF64(i64.or(magnitude, F64.infinity));
    const sign = toF64(i64.shl(i64.extend_i32_u(v), 48));
    return [f64.copysign(either("f64", i32.ge_u(i32.and(v, 0x7fff), 0x7c00), [special], [finite]), sign)];
  });
}

/** The f32 result `r` of a host operation is the f64 one, and of a kind that raises nothing. */
export function isExactly(F: Format, r: Local, wide: Expr): Expr {
  return i32.and(i32.or(isNormal(F, r), isZero(F, r)), f64.eq(f64.promote_f32(toF32(r)), wide));
}

/** Knuth's error-free sum: statements that set `error` to a + b - sum. Not finite if anything overflowed. */
export function sumError(a: Expr, b: Expr, sum: Local, back: Local, error: Local): readonly Expr[] {
  return [back.set(f64.sub(sum, a)), error.set(f64.add(f64.sub(a, f64.sub(sum, back)), f64.sub(b, back)))];
}

/**
 * Statement: make `bits` (i64), the pattern of a sum rounded to nearest, the sum rounded to odd, given its
 * nonzero `error` (f64). Of the two neighbours of the true sum one is odd: this one, or the next towards it.
 */
export function roundToOdd(bits: Local, error: Local): Expr {
  const step = i64.or(i64.shr_s(i64.xor(bits, fromF64(error)), 63), 1);
  return when(i32.and(f64.ne(error, 0), i64.eqz(i64.and(bits, 1))), [bits.set(i64.add(bits, step))]);
}

interface HostOperation {
  /** The operation in the host's f32 and f64. */
  readonly narrow: (a: Expr, b: Expr) => Expr;
  readonly wide: (x: Expr, y: Expr) => Expr;
  /** The operation is a sum, and `wide` x + y where a difference has negated y: its error counts. */
  readonly sum?: "add" | "sub";
  /** The result when it is an exact zero and rounding is down, if not the host's. */
  readonly zeroDown?: Expr;
}

/** Statements of an f32 operation: return the host's result where it and the flags are certain, else `slow`. */
export function f32ByHost(
  context: Context,
  f: FunctionBuilder,
  host: HostOperation,
  slow: Expr,
): readonly Expr[] {
  const operands = f.args.slice(0, -1);
  const [a, b, rm] = [f.arg(0), f.arg(operands.length - 1), f.arg(operands.length)];
  const r = f.local("i32");
  const [x, y, wide] = [f.local("f64"), f.local("f64"), f.local("f64")];
  const [back, error] = host.sum ? [f.local("f64"), f.local("f64")] : [];
  const exact = isExactly(F32, r, wide);
  const second = f64.promote_f32(toF32(b));
  return [
    ...context.guardDenormals(F32, operands, slow),
    r.set(fromF32(host.narrow(toF32(a), toF32(b)))),
    when(context.hostSuffices(rm), [when(isSafe(F32, r), [ret(r)])]),
    x.set(f64.promote_f32(toF32(a))),
    ...(operands.length > 1 ? [y.set(host.sum === "sub" ? f64.neg(second) : second)] : []),
    wide.set(host.wide(x, y)),
    ...(back && error ? sumError(x, y, wide, back, error) : []),
    when(error ? i32.and(exact, f64.eq(error, 0)) : exact, [
      ...(host.zeroDown
        ? [when(i32.and(i32.eq(rm, ROUNDING.down), isZero(F32, r)), [ret(host.zeroDown)])]
        : []),
      ret(r),
    ]),
    when(i32.and(i32.eqz(rm), isSafe(F32, r)), [context.raise("inexact"), ret(r)]),
    slow,
  ];
}
