import { ROUNDING, type Value } from "@hypercraft/engine";
import { FPCR } from "../cpu/state.js";
import {
  compute,
  computeRounded,
  type Float,
  formatOf,
  readFloat,
  scaledDown,
  scaledUp,
  writeFloat,
} from "./float-lifter.js";
import type { A64Builder } from "./lifter.js";
import { setVector, vector, vectorInstructions, zeroVector } from "./vector-lifter.js";

// Conversions between numbers in scalar registers and integers or fixed-point numbers in general ones, and between the
// precisions.

interface Fields {
  readonly sf: number;
  readonly double: number;
  readonly fd: number;
  readonly fn: number;
  readonly rd: number;
  readonly rn: number;
  readonly scaleField: number;
  readonly vd: number;
  readonly vn: number;
}

const insn = vectorInstructions<Fields>("FP");

/** Mnemonic, rmode and opcode less its last bit, rounding mode. */
const TO_INTEGER = [
  ["fcvtn", "00", "00", ROUNDING.nearestEven],
  ["fcvtp", "01", "00", ROUNDING.up],
  ["fcvtm", "10", "00", ROUNDING.down],
  ["fcvtz", "11", "00", ROUNDING.towardZero],
  ["fcvta", "00", "10", ROUNDING.nearestAway],
] as const;

/** "toI32" and the like. */
const kind = (sign: "s" | "u", wide: boolean): string => `${sign === "s" ? "I" : "U"}${wide ? 64 : 32}`;

const integers = (["s", "u"] as const).flatMap((sign, u) => [
  ...TO_INTEGER.map(([name, rmode, opcode, rounding]) =>
    insn(
      `sf:1 00111100 double:1 1 ${rmode} ${opcode}${u} 000000 fn:5 rd:5`,
      `${name}${sign} rd, fn`,
      (b, o) => {
        const f = formatOf(o.double);
        const wide = o.sf === 1;
        b.setR(wide, o.rd, computeRounded(b, f, `to${kind(sign, wide)}`, rounding, readFloat(b, f, o.fn)));
      },
      { name: `${name}${sign}.general.v` },
    ),
  ),
  insn(
    `sf:1 00111100 double:1 1 00 01${u} 000000 rn:5 fd:5`,
    `${sign}cvtf fd, rn`,
    (b, o) => {
      const f = formatOf(o.double);
      const wide = o.sf === 1;
      writeFloat(b, f, o.fd, compute(b, f, `from${kind(sign, wide)}`, b.r(wide, o.rn)));
    },
    { name: `${sign}cvtf.general.v` },
  ),
  insn(
    `sf:1 00111100 double:1 0 11 00${u} scaleField:6 fn:5 rd:5`,
    `fcvtz${sign} rd, fn, scaleBits`,
    (b, o) => {
      const f = formatOf(o.double);
      const wide = o.sf === 1;
      const x = scaledUp(b, f, readFloat(b, f, o.fn), 64 - o.scaleField);
      b.setR(wide, o.rd, computeRounded(b, f, `to${kind(sign, wide)}`, ROUNDING.towardZero, x));
    },
    { name: `fcvtz${sign}.fixed.v`, where: "scaleFits == 1" },
  ),
  insn(
    `sf:1 00111100 double:1 0 00 01${u} scaleField:6 rn:5 fd:5`,
    `${sign}cvtf fd, rn, scaleBits`,
    (b, o) => {
      const f = formatOf(o.double);
      const wide = o.sf === 1;
      const value = compute(b, f, `from${kind(sign, wide)}`, b.r(wide, o.rn));
      writeFloat(b, f, o.fd, scaledDown(b, f, value, 64 - o.scaleField));
    },
    { name: `${sign}cvtf.fixed.v`, where: "scaleFits == 1" },
  ),
]);

// --- Between the precisions ------------------------------------------------------------------------

const AHP = 26;
/** FPCR.AHP: half precision is the alternative format. */
const alternative = (b: A64Builder): Value =>
  b.i32.and(b.i32.shr_u(b.ir.get(FPCR), b.i32.const(AHP)), b.i32.const(1));

/** A halfword (i32, zero-extended) as a number of a format, and back. */
export const fromHalf = (b: A64Builder, f: Float, half: Value): Value =>
  compute(b, f, "fromHalf", half, alternative(b));
export const toHalf = (b: A64Builder, f: Float, x: Value): Value =>
  compute(b, f, "toHalf", x, alternative(b));

const precisions = [
  insn(
    "00011110 00 1 0001 01 10000 fn:5 vd:5",
    "fcvt doubleD, singleN",
    (b, o) => writeFloat(b, "f64", o.vd, compute(b, "f64", "fromF32", readFloat(b, "f32", o.fn))),
    { name: "fcvt.ds.v" },
  ),
  insn(
    "00011110 01 1 0001 00 10000 fn:5 vd:5",
    "fcvt singleD, doubleN",
    (b, o) => writeFloat(b, "f32", o.vd, compute(b, "f32", "fromF64", readFloat(b, "f64", o.fn))),
    { name: "fcvt.sd.v" },
  ),
  insn(
    "000111100 double:1 1 0001 11 10000 fn:5 vd:5",
    "fcvt halfD, fn",
    (b, o) => {
      const f = formatOf(o.double);
      const half = toHalf(b, f, readFloat(b, f, o.fn));
      setVector(b, o.vd, b.ir.i16x8.replace_lane(zeroVector(b), 0, half));
    },
    { name: "fcvt.h.v" },
  ),
  ...(["f32", "f64"] as const).map((f, double) =>
    insn(
      `00011110 11 1 0001 0${double} 10000 vn:5 vd:5`,
      `fcvt ${f === "f64" ? "doubleD" : "singleD"}, halfN`,
      (b, o) => writeFloat(b, f, o.vd, fromHalf(b, f, b.ir.i16x8.extract_lane_u(vector(b, o.vn), 0))),
      { name: `fcvt.${f === "f64" ? "d" : "s"}h.v` },
    ),
  ),
];

export const scalarConvert = [...integers, ...precisions];
