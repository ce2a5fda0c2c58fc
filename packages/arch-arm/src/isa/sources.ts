import type { Value } from "@hypercraft/engine";
import { type A64Builder, a64 } from "./lifter.js";

// Data processing of one, two and three sources: shifts by registers, division, bit counts and reversals, multiplication.

const { insn } = a64("A64");

const wideOf = (b: A64Builder): boolean => b.bits < 0;

type Two = { rm: number; rn: number; rd: number };
type Binary = "div_u" | "div_s" | "shl" | "shr_u" | "shr_s" | "rotr";

/** The IR's division has A64's meaning: by zero gives zero, MIN / -1 gives MIN. Shifts take their amount modulo the size. */
const two =
  (operation: Binary) =>
  (b: A64Builder, { rm, rn, rd }: Two) => {
    const wide = wideOf(b);
    b.setR(wide, rd, b.ops(wide)[operation](b.r(wide, rn), b.r(wide, rm)));
  };

const twoSources = [
  insn("sf:1 0011010110 rm:5 000010 rn:5 rd:5", "udiv rd, rn, rm", two("div_u")),
  insn("sf:1 0011010110 rm:5 000011 rn:5 rd:5", "sdiv rd, rn, rm", two("div_s")),
  insn("sf:1 0011010110 rm:5 001000 rn:5 rd:5", "lsl rd, rn, rm", two("shl")),
  insn("sf:1 0011010110 rm:5 001001 rn:5 rd:5", "lsr rd, rn, rm", two("shr_u")),
  insn("sf:1 0011010110 rm:5 001010 rn:5 rd:5", "asr rd, rn, rm", two("shr_s")),
  insn("sf:1 0011010110 rm:5 001011 rn:5 rd:5", "ror rd, rn, rm", two("rotr")),
];

// --- One source ------------------------------------------------------------------------------------

type One = { rn: number; rd: number };

/** Swap neighbouring fields of `by` bits; `mask` has the lower field of each pair, repeated every 32 bits. */
function swapped(b: A64Builder, wide: boolean, x: Value, by: number, mask: number): Value {
  const o = b.ops(wide);
  const lower = wide ? b.i64.pair(mask, mask) : b.i32.const(mask);
  const up = o.shl(o.and(x, lower), b.constant(wide, by));
  return o.or(up, o.and(o.shr_u(x, b.constant(wide, by)), lower));
}

const bytes16 = (b: A64Builder, wide: boolean, x: Value) => swapped(b, wide, x, 8, 0x00ff00ff);
const bytes32 = (b: A64Builder, wide: boolean, x: Value) =>
  swapped(b, wide, bytes16(b, wide, x), 16, 0x0000ffff);

function bytes(b: A64Builder, wide: boolean, x: Value): Value {
  const words = bytes32(b, wide, x);
  return wide ? b.i64.rotl(words, b.i64.const(32)) : words;
}

function bitsReversed(b: A64Builder, wide: boolean, x: Value): Value {
  let value = x;
  for (const [by, mask] of [
    [1, 0x55555555],
    [2, 0x33333333],
    [4, 0x0f0f0f0f],
  ] as const)
    value = swapped(b, wide, value, by, mask);
  return bytes(b, wide, value);
}

/** Bits after the sign bit that are equal to it. */
function leadingSigns(b: A64Builder, wide: boolean, x: Value): Value {
  const o = b.ops(wide);
  const changes = o.xor(x, o.shr_s(x, b.constant(wide, 1)));
  return o.sub(o.clz(changes), b.constant(wide, 1));
}

const one =
  (compute: (b: A64Builder, wide: boolean, x: Value) => Value) =>
  (b: A64Builder, { rn, rd }: One) => {
    const wide = wideOf(b);
    b.setR(wide, rd, compute(b, wide, b.r(wide, rn)));
  };

const oneSource = [
  insn("sf:1 101101011000000 000000 rn:5 rd:5", "rbit rd, rn", one(bitsReversed)),
  insn("sf:1 101101011000000 000001 rn:5 rd:5", "rev16 rd, rn", one(bytes16)),
  insn("0 101101011000000 000010 rn:5 rd:5", "rev rd, rn", one(bytes), { name: "rev.w" }),
  insn("1 101101011000000 000010 rn:5 rd:5", "rev32 rd, rn", one(bytes32)),
  insn("1 101101011000000 000011 rn:5 rd:5", "rev rd, rn", one(bytes), { name: "rev.x" }),
  insn(
    "sf:1 101101011000000 000100 rn:5 rd:5",
    "clz rd, rn",
    one((b, wide, x) => b.ops(wide).clz(x)),
  ),
  insn("sf:1 101101011000000 000101 rn:5 rd:5", "cls rd, rn", one(leadingSigns)),
];

// --- Three sources ---------------------------------------------------------------------------------

type Three = { rm: number; ra: number; rn: number; rd: number };

const multiplying =
  (subtract: boolean) =>
  (b: A64Builder, { rm, ra, rn, rd }: Three) => {
    const wide = wideOf(b);
    const o = b.ops(wide);
    const product = o.mul(b.r(wide, rn), b.r(wide, rm));
    if (ra === 31 && !subtract) return b.setR(wide, rd, product);
    const addend = b.r(wide, ra);
    b.setR(wide, rd, subtract ? o.sub(addend, product) : o.add(addend, product));
  };

type Long = { wm: number; xa: number; wn: number; xd: number };

const long =
  (signed: boolean, subtract: boolean) =>
  (b: A64Builder, { wm, xa, wn, xd }: Long) => {
    const { i64 } = b;
    const extend = (index: number) => (signed ? i64.extend32_s(b.x(index)) : i64.extend_i32_u(b.w(index)));
    const product = i64.mul(extend(wn), extend(wm));
    if (xa === 31 && !subtract) return b.setX(xd, product);
    b.setX(xd, subtract ? i64.sub(b.x(xa), product) : i64.add(b.x(xa), product));
  };

const threeSources = [
  insn("sf:1 0011011000 rm:5 0 ra:5 rn:5 rd:5", "madd rd, rn, rm, ra", multiplying(false), {
    aliases: [["mul rd, rn, rm", "ra == 31"]],
  }),
  insn("sf:1 0011011000 rm:5 1 ra:5 rn:5 rd:5", "msub rd, rn, rm, ra", multiplying(true), {
    aliases: [["mneg rd, rn, rm", "ra == 31"]],
  }),
  insn("10011011001 wm:5 0 xa:5 wn:5 xd:5", "smaddl xd, wn, wm, xa", long(true, false), {
    aliases: [["smull xd, wn, wm", "xa == 31"]],
  }),
  insn("10011011001 wm:5 1 xa:5 wn:5 xd:5", "smsubl xd, wn, wm, xa", long(true, true), {
    aliases: [["smnegl xd, wn, wm", "xa == 31"]],
  }),
  insn("10011011101 wm:5 0 xa:5 wn:5 xd:5", "umaddl xd, wn, wm, xa", long(false, false), {
    aliases: [["umull xd, wn, wm", "xa == 31"]],
  }),
  insn("10011011101 wm:5 1 xa:5 wn:5 xd:5", "umsubl xd, wn, wm, xa", long(false, true), {
    aliases: [["umnegl xd, wn, wm", "xa == 31"]],
  }),
  insn("10011011010 xm:5 0 ----- xn:5 xd:5", "smulh xd, xn, xm", (b, { xd, xn, xm }) =>
    b.setX(xd, b.i64.mulh_s(b.x(xn), b.x(xm))),
  ),
  insn("10011011110 xm:5 0 ----- xn:5 xd:5", "umulh xd, xn, xm", (b, { xd, xn, xm }) =>
    b.setX(xd, b.i64.mulh_u(b.x(xn), b.x(xm))),
  ),
];

export const sources = [...twoSources, ...oneSource, ...threeSources];
