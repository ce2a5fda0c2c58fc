import { type SoftName, softFunction } from "../ir/soft.js";
import { type Expr, expr, f32, f64, i32, i64 } from "../wasm/index.js";
import type { FloatForm, LocalType } from "./float.js";
import { fusedDouble, fusedSingle } from "./float-fused.js";
import { type FunctionWriter, W } from "./function-writer.js";

// Floating point by the host's own arithmetic where that provably gives the exact result and flags, for
// guests without denormal flags and with one NaN (RISC-V). The host rounds to nearest even and tells no
// flags; so inexact must be set already, and the result must be clear of overflow and underflow. Whatever
// is not clear goes to the exact function. No host NaN is ever passed on: its bits are not defined.

/** A local as an expression. */
export interface Variable extends Expr {
  readonly index: number;
}

export function variable(type: LocalType, index: number): Variable {
  return {
    ...expr(type, ({ out }) => {
      out.u8(W.localGet);
      out.u32(index);
    }),
    index,
  };
}

/**
 * Limits that results are compared with, in locals. Each is such that no result passes if inexact was not set
 * when the region was entered; so the comparison that is needed anyway asks for that, too. (Flags are only
 * cleared outside of regions.)
 */
export interface Guards {
  /** f64 and f32: magnitudes of finite results lie below. */
  readonly finite64: Variable;
  readonly finite32: Variable;
  /** i32: the exponents from LOWEST64 or LOWEST32 on that are no overflow lie below, counted from there; or 0. */
  readonly normal64: Variable;
  readonly normal32: Variable;
}

/** Biased exponents below are too near to underflow: by a margin that `float-fused.ts` needs. */
export const LOWEST64 = 64;
const LOWEST32 = 2;

/** Where an operation is written: its operands and result, and how to give up. */
export interface FastWriter {
  readonly args: readonly Variable[];
  readonly result: Variable;
  readonly guards: Guards;
  readonly rounding: number;
  /** A local that nobody else needs at the moment. */
  scratch(): Variable;
  set(variable: Variable, value: Expr): void;
  /** Go to the exact function unless the condition (i32) holds. */
  require(condition: Expr): void;
}

/** An operation by the host's arithmetic. */
export interface Fast extends FloatForm {
  /** The rounding modes (in the IR's numbering) it can do; all when undefined. */
  readonly roundings?: readonly number[];
  /** It never gives up. */
  readonly total?: true;
  write(f: FastWriter): void;
}

type Float = "f32" | "f64";
type Integer = "i32" | "i64";

const NEAREST_ONLY = [0];
const OPS = { f32, f64 };

/** i32: the result is normal by a margin, which tells that it did not underflow or overflow. */
export function requireNormal(f: FastWriter, format: Float): void {
  const { result, guards } = f;
  if (format === "f64") {
    const high = i32.wrap_i64(i64.shr_u(i64.reinterpret_f64(result), 52));
    f.require(i32.lt_u(i32.sub(i32.and(high, 0x7ff), LOWEST64), guards.normal64));
  } else {
    const exponent = i32.and(i32.shr_u(i32.reinterpret_f32(result), 23), 0xff);
    f.require(i32.lt_u(i32.sub(exponent, LOWEST32), guards.normal32));
  }
}

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
  return {
    args: [format, format],
    result: format,
    roundings: NEAREST_ONLY,
    write(f) {
      f.set(f.result, OPS[format][operation](f.args[0] as Expr, f.args[1] as Expr));
      requireNormal(f, format);
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

function fused(format: Float): Fast {
  return {
    args: [format, format, format],
    result: format,
    roundings: NEAREST_ONLY,
    write: format === "f64" ? fusedDouble : fusedSingle,
  };
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
    [`${format}.fma`]: fused(format),
    [`${format}.eq`]: comparison(format, "eq"),
    [`${format}.lt`]: comparison(format, "lt"),
    [`${format}.le`]: comparison(format, "le"),
    [`${format}.minimumNumber`]: extreme(format, "min"),
    [`${format}.maximumNumber`]: extreme(format, "max"),
    [`${format}.toI32`]: toInteger(format, "i32", true),
    [`${format}.toU32`]: toInteger(format, "i32", false),
    [`${format}.toI64`]: toInteger(format, "i64", true),
    [`${format}.toU64`]: toInteger(format, "i64", false),
  });
}

/** By number of the function in `SOFT_FUNCTIONS`. */
export const FAST_FLOATS: (Fast | undefined)[] = [];
for (const [name, fast] of Object.entries(FAST)) FAST_FLOATS[softFunction(name as SoftName).index] = fast;

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
    normal64: define("i32", i32.mul(inexact, 0x7ff - LOWEST64)),
    normal32: define("i32", i32.mul(inexact, 0xff - LOWEST32)),
  };
}
