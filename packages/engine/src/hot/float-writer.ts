import { type Expr, expr, i32, i64 } from "../wasm/index.js";
import type { FloatForm, LocalType } from "./float.js";
import { W } from "./function-writer.js";

// What operations by the host's arithmetic are written with.

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
  /**
   * f64 (i64): bits without the sign, less `low64`, of normal results lie below `normal64`. A constant would not
   * stay in a register.
   */
  readonly low64: Variable;
  readonly normal64: Variable;
  /** f32 (i32): bits without the sign, less LOW32, of normal results lie below. Zero if inexact was not set. */
  readonly normal32: Variable;
}

/** Results with lower biased exponents are too near to underflow; for f64 by a margin `float-fused.ts` needs. */
const LOWEST64 = 64n;
const LOWEST32 = 2;
/** The bits are shifted left by one to lose the sign. */
export const LOW64 = LOWEST64 << 53n;
export const RANGE64 = (0x7ffn - LOWEST64) << 53n;
const LOW32 = LOWEST32 << 24;
export const RANGE32 = (0xff - LOWEST32) << 24;

/** Where an operation is written: its operands and result, and how to give up. */
export interface FastWriter {
  readonly args: readonly Variable[];
  readonly result: Variable;
  readonly guards: Guards;
  readonly rounding: number;
  /** A local that nobody else needs at the moment. */
  scratch(): Variable;
  set(variable: Variable, value: Expr): void;
  /** Give up unless the condition (i32) holds. */
  require(condition: Expr): void;
  /** The result is exact after all if the condition holds; for use in `rescue`. */
  accept(condition: Expr): void;
}

/** An operation by the host's arithmetic. */
export interface Fast extends FloatForm {
  /** The rounding modes (in the IR's numbering) it can do; all when undefined. */
  readonly roundings?: readonly number[];
  /** It never gives up. */
  readonly total?: true;
  write(f: FastWriter): void;
  /** Written out of the way, where `write` gives up: what is common, though not normal, goes on from here. */
  rescue?(f: FastWriter): void;
}

export type Float = "f32" | "f64";

/** Give up unless the result is normal by a margin, which tells that it did not underflow or overflow. */
export function requireNormal(f: FastWriter, format: Float): void {
  const { result, guards } = f;
  if (format === "f64") {
    const bits = i64.shl(i64.reinterpret_f64(result), 1);
    f.require(i64.lt_u(i64.sub(bits, guards.low64), guards.normal64));
  } else {
    const bits = i32.shl(i32.reinterpret_f32(result), 1);
    f.require(i32.lt_u(i32.sub(bits, LOW32), guards.normal32));
  }
}
