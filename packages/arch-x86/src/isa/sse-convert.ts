import type { Value } from "@hypercraft/engine";
import type { X86Declaration } from "./declaration.js";
import {
  type Float,
  type FloatSteps,
  type FloatUnit,
  floats,
  laneOf,
  makeLanes,
  readScalar,
  writeScalar,
} from "./float-unit.js";
import type { X86Builder } from "./lifter.js";
import { lowHalves, read, simd, write } from "./vector-lifter.js";

// Conversions between SSE's floating-point numbers and integers, and between their formats. What has no integer gives
// the integer indefinite.

/** From lanes of the second operand, the lowest `count` of them, to lanes of the first; the rest becomes zero. */
const lanes = (
  from: Float,
  to: Float,
  count: number,
  convert: (unit: FloatUnit, lane: Value) => Value,
): FloatSteps<Value, Value> => ({
  read: (b) => read(b, 1),
  compute: (unit, x) => makeLanes(unit.b, to, count, (i) => convert(unit, laneOf(unit.b, from, x, i))),
  write: (b, value) => write(b, 0, value),
});

const named =
  (f: Float, name: string) =>
  (unit: FloatUnit, lane: Value): Value =>
    unit.op(f, name, lane);

const TO_ZERO = 3;

/** To 32-bit integers, rounded or cut off. */
const toInteger =
  (f: Float, truncates: boolean) =>
  (unit: FloatUnit, lane: Value): Value =>
    unit.rounded(truncates ? TO_ZERO : unit.b.mode.rounding, f, "toI32", lane);

/** To a general-purpose register of 4 or 8 bytes. */
const toRegister = (f: Float, truncates: boolean): FloatSteps<Value, Value> => ({
  read: (b) => readScalar(b, f, 1),
  compute: (unit, lane) => {
    const { b } = unit;
    const control = truncates ? TO_ZERO : b.mode.rounding;
    if (b.bytes(0) === 8) return unit.rounded(control, f, "toI64", lane);
    return b.i64.extend_i32_u(unit.rounded(control, f, "toI32", lane));
  },
  write: (b, value) => b.write(0, value),
});

/** From a general-purpose register or memory to the lowest lane. */
const fromRegister = (f: Float): FloatSteps<Value, Value> => ({
  read: (b) => b.raw(1),
  compute: (unit, value) =>
    unit.b.bytes(1) === 8 ? unit.op(f, "fromI64", value) : unit.op(f, "fromI32", unit.b.i32.wrap_i64(value)),
  write: (b, value) => writeScalar(b, f, value),
});

/** Between the formats, in the lowest lane. */
const resized = (from: Float, to: Float): FloatSteps<Value, Value> => ({
  read: (b) => readScalar(b, from, 1),
  compute: (unit, value) => unit.op(to, `from${from.toUpperCase()}`, value),
  write: (b, value) => writeScalar(b, to, value),
});

/** Two integers of an MMX register to singles; the upper half stays. */
const fromMmx: FloatSteps<readonly [Value, Value], Value> = {
  read: (b) => [read(b, 1), read(b, 0)],
  compute: (unit, [x, rest]) => {
    const { b } = unit;
    const lane = (i: number) => unit.op("f32", "fromI32", laneOf(b, "f32", x, i));
    return lowHalves(b, makeLanes(b, "f32", 2, lane), b.ir.i64x2.splat(b.ir.i64x2.extract_lane(rest, 1)));
  },
  write: (b, value) => write(b, 0, value),
};

/** Two 32-bit integers to doubles, which are exact. */
function integersToDoubles(b: X86Builder): void {
  const x = read(b, 1);
  write(
    b,
    0,
    makeLanes(b, "f64", 2, (i) => b.ir.fp("f64.fromI32", 0, laneOf(b, "f32", x, i))),
  );
}

const sse = floats("SSE");
const sse2 = floats("SSE2");
const mmx = floats("SSE", "both");
const mmx2 = floats("SSE2", "both");

const scalars = (["ss", "sd"] as const).flatMap((suffix) => {
  const [prefix, insn, f]: [string, typeof sse, Float] =
    suffix === "ss" ? ["F3", sse, "f32"] : ["F2", sse2, "f64"];
  return [
    insn(`cvtsi2${suffix} V${suffix}, Ey`, `${prefix} 0F 2A /r`, fromRegister(f)),
    insn(`cvtt${suffix}2si Gy, W${suffix}`, `${prefix} 0F 2C /r`, toRegister(f, true)),
    insn(`cvt${suffix}2si Gy, W${suffix}`, `${prefix} 0F 2D /r`, toRegister(f, false)),
  ];
});

export const sseConversions: readonly X86Declaration<X86Builder>[] = [
  ...scalars,
  mmx("cvtpi2ps Vps, Qq", "NP 0F 2A /r", fromMmx),
  // Only with an MMX register it is an MMX instruction.
  simd("SSE2", "both")("cvtpi2pd Vpd, Nq", "66 0F 2A /r", integersToDoubles),
  simd("SSE2")("cvtpi2pd Vpd, Mq", "66 0F 2A /r", integersToDoubles),
  mmx("cvttps2pi Pq, Wq", "NP 0F 2C /r", lanes("f32", "f32", 2, toInteger("f32", true))),
  mmx("cvtps2pi Pq, Wq", "NP 0F 2D /r", lanes("f32", "f32", 2, toInteger("f32", false))),
  mmx2("cvttpd2pi Pq, Wpd", "66 0F 2C /r", lanes("f64", "f32", 2, toInteger("f64", true))),
  mmx2("cvtpd2pi Pq, Wpd", "66 0F 2D /r", lanes("f64", "f32", 2, toInteger("f64", false))),
  sse2("cvtps2pd Vpd, Wq", "NP 0F 5A /r", lanes("f32", "f64", 2, named("f64", "fromF32"))),
  sse2("cvtpd2ps Vps, Wpd", "66 0F 5A /r", lanes("f64", "f32", 2, named("f32", "fromF64"))),
  sse2("cvtss2sd Vsd, Wss", "F3 0F 5A /r", resized("f32", "f64")),
  sse2("cvtsd2ss Vss, Wsd", "F2 0F 5A /r", resized("f64", "f32")),
  sse2("cvtdq2ps Vps, Wdq", "NP 0F 5B /r", lanes("f32", "f32", 4, named("f32", "fromI32"))),
  sse2("cvtps2dq Vdq, Wps", "66 0F 5B /r", lanes("f32", "f32", 4, toInteger("f32", false))),
  sse2("cvttps2dq Vdq, Wps", "F3 0F 5B /r", lanes("f32", "f32", 4, toInteger("f32", true))),
  sse2("cvttpd2dq Vdq, Wpd", "66 0F E6 /r", lanes("f64", "f32", 2, toInteger("f64", true))),
  sse2("cvtpd2dq Vdq, Wpd", "F2 0F E6 /r", lanes("f64", "f32", 2, toInteger("f64", false))),
  simd("SSE2")("cvtdq2pd Vpd, Wq", "F3 0F E6 /r", integersToDoubles),
];
