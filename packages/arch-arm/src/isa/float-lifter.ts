import { FLOAT_MODES, floatEnvironment, ROUNDING, type SoftName, type Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { setVector, vector, zeroVector } from "./vector-lifter.js";

// What floating-point instructions share: numbers in lanes, and operations under FPCR.

export type Float = "f32" | "f64";

/** The format by the bit that tells single from double precision. */
export const formatOf = (double: number): Float => (double === 1 ? "f64" : "f32");

/** FPCR.RMode: nearest, up, down, zero. */
const ROUNDINGS = [ROUNDING.nearestEven, ROUNDING.up, ROUNDING.down, ROUNDING.towardZero] as const;

/** FPCR as the IR says it, with FPCR's rounding mode or another one. */
function environment({ mode }: A64Builder, rounding = ROUNDINGS[mode.rmode] as number): number {
  const flushing = mode.flushToZero ? FLOAT_MODES.flushInputs | FLOAT_MODES.flushResults : 0;
  return floatEnvironment(rounding, flushing | (mode.defaultNan ? FLOAT_MODES.defaultNan : 0));
}

/** A function of the engine on numbers of a format, as FPCR says. */
export const compute = (b: A64Builder, f: Float, name: string, ...args: readonly Value[]): Value =>
  b.ir.fp(`${f}.${name}` as SoftName, environment(b), ...args);

/** The same with a rounding mode of the instruction's own. */
export const computeRounded = (
  b: A64Builder,
  f: Float,
  name: string,
  rounding: number,
  ...args: readonly Value[]
): Value => b.ir.fp(`${f}.${name}` as SoftName, environment(b, rounding), ...args);

// Numbers in registers

/** A lane of a vector: an i32 or i64. */
export const laneOf = (b: A64Builder, f: Float, x: Value, index: number): Value =>
  f === "f64" ? b.ir.i64x2.extract_lane(x, index) : b.ir.i32x4.extract_lane(x, index);

const withLane = (b: A64Builder, f: Float, x: Value, index: number, value: Value): Value =>
  f === "f64" ? b.ir.i64x2.replace_lane(x, index, value) : b.ir.i32x4.replace_lane(x, index, value);

/** The number in a scalar register. */
export const readFloat = (b: A64Builder, f: Float, index: number): Value => laneOf(b, f, vector(b, index), 0);

/** Write a scalar register; the rest of the vector register becomes zero. */
export const writeFloat = (b: A64Builder, f: Float, index: number, value: Value): void =>
  setVector(b, index, withLane(b, f, zeroVector(b), 0, value));

/** Lanes that a vector of 64 (q = 0) or 128 bits has. */
export const laneCount = (f: Float, q: number): number => (f === "f64" ? 1 : 2) << q;

/** A vector made lane by lane; what lies above is zero. */
export function makeLanes(b: A64Builder, f: Float, count: number, lane: (index: number) => Value): Value {
  let all = zeroVector(b);
  for (let i = 0; i < count; i++) all = withLane(b, f, all, i, lane(i));
  return all;
}

// Bits of numbers

const ops = (b: A64Builder, f: Float): A64Builder["i32"] => b.ops(f === "f64");

const constant = (b: A64Builder, f: Float, high: number, low = 0): Value =>
  f === "f64" ? b.i64.pair(low, high) : b.i32.const(high);
const sign = (b: A64Builder, f: Float): Value => constant(b, f, 1 << 31);

export const negated = (b: A64Builder, f: Float, x: Value): Value => ops(b, f).xor(x, sign(b, f));
export const absolute = (b: A64Builder, f: Float, x: Value): Value =>
  ops(b, f).and(x, constant(b, f, 0x7fffffff, -1));
export const zero = (b: A64Builder, f: Float): Value => b.constant(f === "f64", 0);

/** An i32 of 0 or 1 as a lane of zeros or ones. */
export const maskOf = (b: A64Builder, f: Float, condition: Value): Value =>
  ops(b, f).sub(zero(b, f), f === "f64" ? b.i64.extend_i32_u(condition) : condition);

/** A number of the host as a constant of the format. */
export function number(b: A64Builder, f: Float, value: number): Value {
  const view = new DataView(new ArrayBuffer(8));
  if (f === "f64") view.setFloat64(0, value);
  else view.setFloat32(0, value);
  return constant(b, f, view.getInt32(0), view.getInt32(4));
}

// Fixed point

/** An integer times 2^-fraction: rounding it was the same thing, and nothing can underflow. */
export function scaledDown(b: A64Builder, f: Float, value: Value, fraction: number): Value {
  if (fraction === 0) return value;
  const o = ops(b, f);
  const lower = o.sub(value, constant(b, f, fraction << (f === "f64" ? 20 : 23)));
  return b.ir.select(o.eq(value, zero(b, f)), value, lower);
}

/**
 * A number times 2^fraction, for conversion to an integer towards zero: what is too large becomes an infinity, which is as
 * much out of range; a subnormal stays as it is, which is as near to zero; NaNs and infinities stay, too.
 */
export function scaledUp(b: A64Builder, f: Float, x: Value, fraction: number): Value {
  if (fraction === 0) return x;
  const { ir } = b;
  const o = ops(b, f);
  const shift = f === "f64" ? 20 : 23;
  const infinity = constant(b, f, f === "f64" ? 0x7ff00000 : 0x7f800000);
  const exponent = o.and(x, infinity);
  const step = constant(b, f, fraction << shift);
  const larger = ir.select(
    o.ge_u(exponent, o.sub(infinity, step)),
    o.or(infinity, o.and(x, sign(b, f))),
    o.add(x, step),
  );
  const special = b.i32.or(o.eq(exponent, zero(b, f)), o.eq(exponent, infinity));
  return ir.select(special, x, larger);
}
