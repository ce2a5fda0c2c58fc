import { type Expr, f32, f64, i32, i64 } from "../wasm/index.js";
import { type Fast, type FastWriter, type Float, requireNormal, type Variable } from "./float-writer.js";

// The host's arithmetic while the guest flushes denormal operands or results, or where it has a flag for denormal
// operands: the same, where there are none.

const WITHOUT_SIGN = { f32: 0x0100_0000, f64: 1n << 53n };

/** i32: the number is denormal. Its bits without the sign lie above zero and below the smallest normal number's. */
function isDenormal(v: Variable): Expr {
  if (v.type === "f64")
    return i64.lt_u(i64.sub(i64.shl(i64.reinterpret_f64(v), 1), 1), WITHOUT_SIGN.f64 - 1n);
  return i32.lt_u(i32.sub(i32.shl(i32.reinterpret_f32(v), 1), 1), WITHOUT_SIGN.f32 - 1);
}

const isNumber = ({ type }: Variable): boolean => type === "f32" || type === "f64";

/** i32: no operand is denormal; undefined if none can be. */
function noDenormals({ args }: FastWriter): Expr | undefined {
  const tests = args.filter(isNumber).map(isDenormal);
  if (tests.length === 0) return undefined;
  return i32.eqz(tests.reduce((a, b) => i32.or(a, b)));
}

/** An operation that gives up on denormal operands. `sum`: its result may be denormal without more ado. */
export function flushed(fast: Fast, sum: boolean): Fast {
  const format = fast.result as Float;
  return {
    ...fast,
    write(f) {
      const condition = noDenormals(f);
      if (condition) f.require(condition);
      fast.write(f);
      if (sum) requireNormal(f, format);
    },
    rescue(f) {
      const condition = noDenormals(f);
      const guarded: FastWriter = {
        ...f,
        accept: (other) => f.accept(condition ? i32.and(other, condition) : other),
      };
      fast.rescue?.(guarded);
      // Numbers that cancel.
      if (sum) guarded.accept((format === "f64" ? f64 : f32).eq(f.result, 0));
    },
  };
}
