import { type SoftName, softFunction } from "../ir/soft.js";
import { type Expr, expr, f32, f64, i32, i64, select } from "../wasm/index.js";
import type { LocalType } from "./float.js";
import { flushed } from "./float-flushed.js";
import { fusedByHost, fusedDouble, fusedSingle } from "./float-fused.js";
import {
  type Fast,
  type FastWriter,
  type Float,
  type Guards,
  LOW64,
  RANGE32,
  RANGE64,
  requireNormal,
  type Variable,
  variable,
} from "./float-writer.js";
import { type FunctionWriter, W } from "./function-writer.js";

// Floating point by the host's own arithmetic where that provably gives the exact result and flags, for guests that
// have no flag for denormal operands as such (`float-flushed.ts` is for those that flush). The host rounds to nearest
// even and tells no flags; so inexact must be set already, and the result must be clear of overflow and underflow.
// Whatever is not clear goes to the exact function. No host NaN is ever passed on: its bits are not defined.

type Integer = "i32" | "i64";

const NEAREST_ONLY = [0];
const OPS = { f32, f64 };

function finiteLimit({ finite64, finite32 }: Guards, format: Float): Variable {
  return format === "f64" ? finite64 : finite32;
}

/** Sums too small to be normal are exact. */
function sum(format: Float, operation: "add" | "sub"): Fast {
  const ops = OPS[format];
  return {
    args: [format, format],
    result: format,
    roundings: NEAREST_ONLY,
    write(f) {
      f.set(f.result, ops[operation](f.args[0] as Expr, f.args[1] as Expr));
      f.require(ops.lt(ops.abs(f.result), finiteLimit(f.guards, format)));
    },
  };
}

function product(format: Float, operation: "mul" | "div"): Fast {
  const ops = OPS[format];
  return {
    args: [format, format],
    result: format,
    roundings: NEAREST_ONLY,
    write(f) {
      f.set(f.result, ops[operation](f.args[0] as Expr, f.args[1] as Expr));
      requireNormal(f, format);
    },
    rescue(f) {
      const [a, b] = f.args as [Variable, Variable];
      const noUnderflow = operation === "mul" ? i32.or(ops.eq(a, 0), ops.eq(b, 0)) : ops.eq(a, 0);
      f.accept(i32.and(ops.eq(f.result, 0), noUnderflow));
    },
  };
}

/** Square roots are never near the ends of the range; a negative operand's is a NaN. */
function squareRoot(format: Float): Fast {
  const ops = OPS[format];
  return {
    args: [format],
    result: format,
    roundings: NEAREST_ONLY,
    write(f) {
      f.set(f.result, ops.sqrt(f.args[0] as Expr));
      f.require(ops.lt(f.result, finiteLimit(f.guards, format)));
    },
  };
}

function fused(format: Float, how: Pick<Fast, "write" | "rescue">): Fast {
  return { args: [format, format, format], result: format, roundings: NEAREST_ONLY, ...how };
}

/** Ordered operands raise nothing. Their sum is only a NaN if one of them is (or if both are infinite). */
function requireOrdered(f: FastWriter, format: Float): void {
  const ops = OPS[format];
  const [a, b] = f.args as [Variable, Variable];
  if (format === "f32") return f.require(i32.and(f32.eq(a, a), f32.eq(b, b)));
  const both = f.scratch();
  f.set(both, ops.add(a, b));
  f.require(ops.eq(both, both));
}

function comparison(format: Float, operation: "eq" | "lt" | "le"): Fast {
  return {
    args: [format, format],
    result: "i32",
    write(f) {
      f.set(f.result, OPS[format][operation](f.args[0] as Expr, f.args[1] as Expr));
      requireOrdered(f, format);
    },
  };
}

/** The host's minimum takes -0 for less than +0, too. */
function extreme(format: Float, operation: "min" | "max"): Fast {
  const ops = OPS[format];
  return {
    args: [format, format],
    result: format,
    write(f) {
      f.set(f.result, ops[operation](f.args[0] as Expr, f.args[1] as Expr));
      f.require(ops.eq(f.result, f.result));
    },
  };
}

/** x86's: the second operand unless the first is less, or greater. */
function extremeSecond(format: Float, relation: "lt" | "gt"): Fast {
  return {
    args: [format, format],
    result: format,
    write(f) {
      const [a, b] = f.args as [Variable, Variable];
      f.set(f.result, select(format, OPS[format][relation](a, b), a, b));
      requireOrdered(f, format);
    },
  };
}

/** Ordered operands are not unordered. */
function unordered(format: Float): Fast {
  return {
    args: [format, format],
    result: "i32",
    write(f) {
      f.set(f.result, i32.const(0));
      requireOrdered(f, format);
    },
  };
}

/** An order as a number. The NaNs are for the exact function. */
function order(format: Float): Fast {
  const ops = OPS[format];
  return {
    args: [format, format],
    result: "i32",
    write(f) {
      const [a, b] = f.args as [Variable, Variable];
      f.set(f.result, i32.add(ops.ge(a, b), ops.gt(a, b)));
      requireOrdered(f, format);
    },
  };
}

/** To an integral value; what it may raise is raised already. */
function roundToIntegral(format: Float): Fast {
  const ops = OPS[format];
  return {
    args: [format, "i32"],
    result: format,
    roundings: [0, 1, 2, 3],
    write(f) {
      const mode = ROUND[f.rounding] as (typeof ROUND)[number];
      f.set(f.result, ops[mode](f.args[0] as Expr));
      f.require(ops.lt(ops.abs(f.result), finiteLimit(f.guards, format)));
    },
  };
}

/** Integers that every double holds exactly. */
function exactFromInteger(convert: (v: Expr) => Expr): Fast {
  return {
    args: ["i32"],
    result: "f64",
    total: true,
    write: (f) => f.set(f.result, convert(f.args[0] as Expr)),
  };
}

function fromInteger(from: Integer, format: Float, convert: (v: Expr) => Expr): Fast {
  return {
    args: [from],
    result: format,
    roundings: NEAREST_ONLY,
    write(f) {
      f.set(f.result, convert(f.args[0] as Expr));
      f.require(f.guards.normal32);
    },
  };
}

/** The host's rounding to an integer by rounding mode; ties away from zero it has not. */
const ROUND = ["nearest", "trunc", "floor", "ceil"] as const;

/** Below the limit in magnitude; above -1 and below the limit if unsigned. */
function toInteger(format: Float, to: Integer, signed: boolean): Fast {
  const ops = OPS[format];
  const limit = 2 ** ((to === "i32" ? 32 : 64) - (signed ? 1 : 0));
  const truncate = TRUNCATE[`${to}.${format}.${signed ? "s" : "u"}`];
  return {
    args: [format],
    result: to,
    roundings: [0, 1, 2, 3],
    write(f) {
      const [a] = f.args as [Variable];
      const mode = ROUND[f.rounding] as (typeof ROUND)[number];
      // The conversion itself truncates.
      const rounded = mode === "trunc" ? a : ops[mode](a);
      f.require(f.guards.normal32);
      f.require(ops.lt(signed ? ops.abs(rounded) : rounded, limit));
      if (!signed) f.require(ops.gt(rounded, -1));
      f.set(
        f.result,
        expr(to, (sink) => {
          rounded.write(sink);
          sink.out.u8(truncate as number);
        }),
      );
    },
  };
}

/** Opcodes of the conversions that trap, which the expression language lacks. */
const TRUNCATE: Record<string, number> = {
  "i32.f32.s": 0xa8,
  "i32.f32.u": 0xa9,
  "i32.f64.s": 0xaa,
  "i32.f64.u": 0xab,
  "i64.f32.s": 0xae,
  "i64.f32.u": 0xaf,
  "i64.f64.s": 0xb0,
  "i64.f64.u": 0xb1,
};

const widen: Fast = {
  args: ["f32"],
  result: "f64",
  write(f) {
    const [a] = f.args as [Variable];
    f.require(f32.eq(a, a));
    f.set(f.result, f64.promote_f32(a));
  },
};

const narrow: Fast = {
  args: ["f64"],
  result: "f32",
  roundings: NEAREST_ONLY,
  write(f) {
    f.set(f.result, f32.demote_f64(f.args[0] as Expr));
    requireNormal(f, "f32");
  },
  rescue: (f) => f.accept(f64.eq(f.args[0] as Expr, 0)),
};

const FAST: Partial<Record<SoftName, Fast>> = {
  "f64.fromI32": exactFromInteger(f64.convert_i32_s),
  "f64.fromU32": exactFromInteger(f64.convert_i32_u),
  "f64.fromI64": fromInteger("i64", "f64", f64.convert_i64_s),
  "f64.fromU64": fromInteger("i64", "f64", f64.convert_i64_u),
  "f32.fromI32": fromInteger("i32", "f32", f32.convert_i32_s),
  "f32.fromU32": fromInteger("i32", "f32", f32.convert_i32_u),
  "f32.fromI64": fromInteger("i64", "f32", f32.convert_i64_s),
  "f32.fromU64": fromInteger("i64", "f32", f32.convert_i64_u),
  "f64.fromF32": widen,
  "f32.fromF64": narrow,
};
for (const format of ["f32", "f64"] as const) {
  Object.assign(FAST, {
    [`${format}.add`]: sum(format, "add"),
    [`${format}.sub`]: sum(format, "sub"),
    [`${format}.mul`]: product(format, "mul"),
    [`${format}.div`]: product(format, "div"),
    [`${format}.sqrt`]: squareRoot(format),
    [`${format}.fma`]: fused(format, format === "f64" ? fusedDouble : fusedSingle),
    [`${format}.eq`]: comparison(format, "eq"),
    [`${format}.lt`]: comparison(format, "lt"),
    [`${format}.le`]: comparison(format, "le"),
    [`${format}.minimumNumber`]: extreme(format, "min"),
    [`${format}.maximumNumber`]: extreme(format, "max"),
    [`${format}.minNum`]: extreme(format, "min"),
    [`${format}.maxNum`]: extreme(format, "max"),
    [`${format}.minimum`]: extreme(format, "min"),
    [`${format}.maximum`]: extreme(format, "max"),
    [`${format}.minSecond`]: extremeSecond(format, "lt"),
    [`${format}.maxSecond`]: extremeSecond(format, "gt"),
    [`${format}.unordered`]: unordered(format),
    [`${format}.order`]: order(format),
    [`${format}.orderSignaling`]: order(format),
    [`${format}.roundToIntegral`]: roundToIntegral(format),
    [`${format}.mulExtended`]: product(format, "mul"),
    [`${format}.toI32`]: toInteger(format, "i32", true),
    [`${format}.toU32`]: toInteger(format, "i32", false),
    [`${format}.toI64`]: toInteger(format, "i64", true),
    [`${format}.toU64`]: toInteger(format, "i64", false),
  });
}

/** By number of the function in `SOFT_FUNCTIONS`. */
export const FAST_FLOATS: readonly (Fast | undefined)[] = byNumber(FAST);
/** For hosts with a fused multiply-add. */
export const FAST_FLOATS_FUSED: readonly (Fast | undefined)[] = byNumber({
  ...FAST,
  "f32.fma": fused("f32", fusedByHost("f32")),
  "f64.fma": fused("f64", fusedByHost("f64")),
});

/** The same for guests that flush denormals, or have a flag for denormal operands. */
export function whereFlushed(list: readonly (Fast | undefined)[]): readonly (Fast | undefined)[] {
  const sums = new Set(
    (["f32.add", "f32.sub", "f64.add", "f64.sub"] as const).map((n) => softFunction(n).index),
  );
  return list.map((fast, index) => fast && flushed(fast, sums.has(index)));
}

function byNumber(fast: Partial<Record<SoftName, Fast>>): (Fast | undefined)[] {
  const list: (Fast | undefined)[] = [];
  for (const [name, one] of Object.entries(fast)) list[softFunction(name as SoftName).index] = one;
  return list;
}

/** Set up the guards at the start of a region; `flags` is the index of the imported global. */
export function enterFloats(w: FunctionWriter, flags: number): Guards {
  const define = (type: LocalType, value: Expr): Variable => {
    const local = variable(type, w.local(type));
    value.write({ out: w.out, labels: [] });
    w.set(local.index);
    return local;
  };
  const inexact = define(
    "i32",
    i32.and(
      expr("i32", ({ out }) => {
        out.u8(W.globalGet);
        out.u32(flags);
      }),
      1,
    ),
  );
  const infinity = f64.div(f64.convert_i32_s(inexact), 0);
  return {
    // 1 / 0 is infinite, and nothing lies below the NaN 0 / 0.
    finite64: define("f64", infinity),
    finite32: define("f32", f32.demote_f64(infinity)),
    low64: define("i64", i64.mul(i64.extend_i32_u(inexact), LOW64)),
    normal64: define("i64", i64.mul(i64.extend_i32_u(inexact), RANGE64)),
    normal32: define("i32", i32.mul(inexact, RANGE32)),
  };
}
