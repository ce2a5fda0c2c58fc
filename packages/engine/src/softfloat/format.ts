import { type Expr, f32, f64, i32, i64, type Val } from "../wasm/index.js";

export type FormatName = "f16" | "f32" | "f64";

/** The integer instructions a format's bit patterns are handled with. */
type BitOps = Pick<
  typeof i64,
  "const" | "and" | "or" | "xor" | "add" | "sub" | "shl" | "shr_u" | "eq" | "ne" | "lt_u" | "gt_u" | "eqz"
>;

/** A binary interchange format (IEEE 754-2019, 3.4), and the questions asked of its bit patterns. */
export interface Format {
  readonly name: FormatName;
  /** The type a bit pattern travels in; an f16 is zero-extended. */
  readonly type: "i32" | "i64";
  readonly int: BitOps;
  /** Bits of the stored fraction. */
  readonly fraction: number;
  readonly bias: number;
  /** Biased exponent of infinities and NaNs. */
  readonly top: number;
  readonly sign: bigint;
  /** All bits but the sign. */
  readonly abs: bigint;
  readonly infinity: bigint;
  /** The fraction's first bit: set in quiet NaNs. */
  readonly quiet: bigint;
  /** How far left a pattern moves to lose its sign. */
  readonly signShift: number;
}

function format(name: FormatName, bits: number, fraction: number): Format {
  const exponentBits = bits - 1 - fraction;
  const type = bits === 64 ? "i64" : "i32";
  const sign = 1n << BigInt(bits - 1);
  const top = 2 ** exponentBits - 1;
  return {
    name,
    type,
    int: type === "i64" ? i64 : i32,
    fraction,
    bias: 2 ** (exponentBits - 1) - 1,
    top,
    sign,
    abs: sign - 1n,
    infinity: BigInt(top) << BigInt(fraction),
    quiet: 1n << BigInt(fraction - 1),
    signShift: (type === "i64" ? 64 : 32) - bits + 1,
  };
}

export const F16 = format("f16", 16, 10);
export const F32 = format("f32", 32, 23);
export const F64 = format("f64", 64, 52);

// Each of these is an i32 condition or value over a bit pattern that is cheap to write twice (a local).

export function isNan(F: Format, v: Val): Expr {
  return F.int.gt_u(F.int.and(v, F.abs), F.infinity);
}

export function isSignaling(F: Format, v: Val): Expr {
  return F.int.lt_u(F.int.sub(F.int.and(v, F.abs), F.infinity + 1n), F.quiet - 1n);
}

export function isInfinite(F: Format, v: Val): Expr {
  return F.int.eq(F.int.and(v, F.abs), F.infinity);
}

export function isZero(F: Format, v: Val): Expr {
  return F.int.eqz(F.int.shl(v, F.signShift));
}

/** Subnormal and not zero. The subtraction sends zero out of the range. */
export function isDenormal(F: Format, v: Val): Expr {
  return F.int.lt_u(F.int.sub(F.int.shl(v, F.signShift), 1), (1n << BigInt(F.fraction + F.signShift)) - 1n);
}

/** The biased exponent lies in `low`..`high`. */
function exponentIn(F: Format, v: Val, low: number, high: number): Expr {
  const at = BigInt(F.fraction + F.signShift);
  const span = BigInt(high - low + 1) << at;
  return F.int.lt_u(F.int.sub(F.int.shl(v, F.signShift), BigInt(low) << at), span);
}

/** Finite, not zero, not subnormal. */
export function isNormal(F: Format, v: Val): Expr {
  return exponentIn(F, v, 1, F.top - 1);
}

/**
 * Normal, and too far from the smallest normal number to have been rounded up to it: a host result in this
 * range tells nothing of underflow or overflow, so neither happened.
 */
export function isSafe(F: Format, v: Val): Expr {
  return exponentIn(F, v, 2, F.top - 1);
}

/** The biased exponent, as i32. */
export function exponentOf(F: Format, v: Val): Expr {
  const shifted = F.int.shr_u(v, F.fraction);
  return i32.and(F.type === "i64" ? i32.wrap_i64(shifted) : shifted, F.top);
}

/** The sign bit, as i32 0 or 1. */
export function signOf(F: Format, v: Val): Expr {
  if (F.type === "i64") return i32.wrap_i64(i64.shr_u(v, 63));
  return i32.shr_u(v, F.name === "f16" ? 15 : 31);
}

/** The host's f64 and f32 for a bit pattern, and back. */
export const toF64 = (v: Val): Expr => f64.reinterpret_i64(v);
export const fromF64 = (v: Val): Expr => i64.reinterpret_f64(v);
export const toF32 = (v: Val): Expr => f32.reinterpret_i32(v);
export const fromF32 = (v: Val): Expr => i32.reinterpret_f32(v);
