import { type Expr, expr, type Val } from "../wasm/index.js";
import { operand } from "../wasm/ops.js";

// `trunc_f64_s` and `trunc_f64_u` trap outside the integer's range, so the emitter does not offer them to the
// translators. Here every use has checked the range.

const TRUNCATE = { i32: { s: 0xaa, u: 0xab }, i64: { s: 0xb0, u: 0xb1 } } as const;

/** f64 to integer, towards zero; the value must be in range. */
export function truncated(type: "i32" | "i64", value: Val, signed = true): Expr {
  const v = operand("f64", value);
  return expr(type, (sink) => {
    v.write(sink);
    sink.out.u8(TRUNCATE[type][signed ? "s" : "u"]);
  });
}
