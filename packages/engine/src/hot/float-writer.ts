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
  /** i32: the exponents from LOWEST64 or LOWEST32 on that are no overflow lie below, counted from there; or 0. */
  readonly normal64: Variable;
  readonly normal32: Variable;
}

/** Biased exponents below are too near to underflow: by a margin that `float-fused.ts` needs. */
export const LOWEST64 = 64;
export const LOWEST32 = 2;

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
    const high = i32.wrap_i64(i64.shr_u(i64.reinterpret_f64(result), 52));
    f.require(i32.lt_u(i32.sub(i32.and(high, 0x7ff), LOWEST64), guards.normal64));
  } else {
    const exponent = i32.and(i32.shr_u(i32.reinterpret_f32(result), 23), 0xff);
    f.require(i32.lt_u(i32.sub(exponent, LOWEST32), guards.normal32));
  }
}
