import type { Value } from "@hypercraft/engine";
import type { Lanes } from "./vector-lanes.js";

// Integer arithmetic on lanes that the IR has no single operation for: halving, saturating, products, counts. What
// saturates sets FPSR.QC.

/** An operation on two operands; `d` is what the destination held. */
export type Binary = (l: Lanes, x: Value, y: Value, d: Value) => Value;
export type Unary = (l: Lanes, x: Value, d: Value) => Value;

// x + y = 2(x & y) + (x ^ y) = 2(x | y) - (x ^ y), and x - y = (x ^ y) - 2(~x & y): no sum needs another bit.

export const halvingAdd =
  (signed: boolean): Binary =>
  (l, x, y) =>
    l.add(l.and(x, y), l.shr(l.xor(x, y), 1, signed));

export const roundingHalvingAdd =
  (signed: boolean): Binary =>
  (l, x, y) =>
    l.sub(l.or(x, y), l.shr(l.xor(x, y), 1, signed));

export const halvingSubtract =
  (signed: boolean): Binary =>
  (l, x, y) =>
    l.sub(l.shr(l.xor(x, y), 1, signed), l.andNot(y, x));

/** The value, but the limit where the mask says that it does not fit. */
export function limited(l: Lanes, mask: Value, limit: Value, value: Value): Value {
  l.saturatedWhere(mask);
  return l.choose(mask, limit, value);
}

/** The end of the range of signed lanes on the side of x. */
export const signedLimit = (l: Lanes, x: Value): Value => l.xor(l.negative(x), l.ones(l.bits - 1));

const NAMES = { add: "add_sat", sub: "sub_sat" } as const;

/** Bytes and halfwords, for which the IR saturates. */
function saturatedNatively(l: Lanes, name: "add" | "sub", x: Value, y: Value, sign: "s" | "u"): Value {
  const value = l.op(`${NAMES[name]}_${sign}`, x, y);
  l.saturatedWhere(l.xor(value, l.op(name, x, y)));
  return value;
}

export const saturatingAdd =
  (signed: boolean): Binary =>
  (l, x, y) => {
    if (l.size < 2) return saturatedNatively(l, "add", x, y, signed ? "s" : "u");
    const sum = l.add(x, y);
    if (!signed) return limited(l, l.compare("gt", x, sum, false), l.ones(l.bits), sum);
    const over = l.negative(l.and(l.xor(x, sum), l.xor(y, sum)));
    return limited(l, over, signedLimit(l, x), sum);
  };

export const saturatingSubtract =
  (signed: boolean): Binary =>
  (l, x, y) => {
    if (l.size < 2) return saturatedNatively(l, "sub", x, y, signed ? "s" : "u");
    const difference = l.sub(x, y);
    if (!signed) return limited(l, l.compare("gt", y, x, false), l.zero, difference);
    const over = l.negative(l.and(l.xor(x, y), l.xor(x, difference)));
    return limited(l, over, signedLimit(l, x), difference);
  };

/** Signed lanes (the destination) plus unsigned ones: with its sign inverted a signed lane is an unsigned one, moved. */
export const addUnsigned: Unary = (l, x, d) => l.xor(saturatingAdd(false)(l, l.xor(d, l.sign), x, d), l.sign);

/** Unsigned lanes (the destination) plus signed ones. */
export const addSigned: Unary = (l, x, d) => {
  const negative = l.negative(x);
  const sum = saturatingAdd(false)(l, d, l.andNot(x, negative), d);
  return saturatingSubtract(false)(l, sum, l.and(l.op("neg", x), negative), d);
};

/** The most negative number has no counterpart: what is made of it is it again. */
const notOfSign =
  (name: "abs" | "neg"): Unary =>
  (l, x) => {
    const mask = l.op("eq", x, l.sign);
    l.saturatedWhere(mask);
    return l.xor(l.op(name, x), mask);
  };
export const saturatingAbs = notOfSign("abs");
export const saturatingNegate = notOfSign("neg");

/** Products of bytes are made in halfwords: of the even ones, and of the odd ones shifted down. */
export const multiply: Binary = (l, x, y) => {
  if (l.size !== 0) return l.op("mul", x, y);
  const { i16x8, v128 } = l.b.ir;
  const odd = v128.const(-0xff0100, -0xff0100, -0xff0100, -0xff0100);
  const upper = i16x8.mul(i16x8.shr_u(x, l.b.i32.const(8)), v128.and(y, odd));
  return v128.or(v128.andnot(i16x8.mul(x, y), odd), upper);
};

export const difference =
  (signed: boolean): Binary =>
  (l, x, y) => {
    const sign = signed ? "s" : "u";
    return l.sub(l.op(`max_${sign}`, x, y), l.op(`min_${sign}`, x, y));
  };

export const accumulated =
  (operation: Binary, how: "add" | "sub"): Binary =>
  (l, x, y, d) =>
    l.op(how, d, operation(l, x, y, d));

/** The upper half of twice the product, of halfwords or words. Only that of the most negative number with itself does not fit. */
export const doublingHigh =
  (rounding: boolean): Binary =>
  (l, x, y) => {
    const { wider } = l;
    const half = (h: number): Value => {
      const product = l.products(x, y, h, true);
      const rounded = rounding ? wider.add(product, wider.constant(1 << (l.bits - 2))) : product;
      return wider.shr(rounded, l.bits - 1, true);
    };
    const both = l.alternate(half(0), half(1), 0);
    const over = l.and(l.op("eq", x, l.sign), l.op("eq", y, l.sign));
    return limited(l, over, l.ones(l.bits - 1), both);
  };

/** Products of polynomials over {0, 1}, cut to a lane. `bits`: degree of y, plus one. */
export function polynomialProduct(l: Lanes, x: Value, y: Value, bits: number): Value {
  let sum = l.zero;
  for (let i = 0; i < bits; i++) {
    const factor = l.negative(l.shl(y, l.bits - 1 - i));
    sum = l.xor(sum, l.and(l.shl(x, i), factor));
  }
  return sum;
}

/** Every bit below the highest one set. */
function smeared(l: Lanes, x: Value): Value {
  let all = x;
  for (let step = 1; step < l.bits; step *= 2) all = l.or(all, l.shr(all, step, false));
  return all;
}

/** Bits of each lane that are set; lanes of bytes, halfwords or words. */
function setBits({ b, size }: Lanes, x: Value): Value {
  const bytes = b.ir.i8x16.popcnt(x);
  const halves = () => b.ir.i16x8.extadd_pairwise_i8x16_u(bytes);
  if (size === 0) return bytes;
  return size === 1 ? halves() : b.ir.i32x4.extadd_pairwise_i16x8_u(halves());
}

export const leadingZeros: Unary = (l, x) => setBits(l, l.not(smeared(l, x)));

/** Bits behind the sign that are like it. */
export const leadingSigns: Unary = (l, x) =>
  l.sub(leadingZeros(l, l.xor(x, l.shr(x, 1, true)), x), l.constant(1));

/** Lanes in the opposite order within containers of so many bytes. */
export function reversed(l: Lanes, x: Value, container: number): Value {
  const mirror = container - (1 << l.size);
  return l.b.ir.i8x16.shuffle(
    x,
    x,
    Array.from({ length: 16 }, (_, i) => i ^ mirror),
  );
}

/** Bits of each byte in the opposite order. */
export function reversedBits(l: Lanes, x: Value): Value {
  const nibbles = Array.from(
    { length: 16 },
    (_, i) => ((i & 1) << 3) | ((i & 2) << 1) | ((i & 4) >> 1) | (i >> 3),
  );
  const words = new Int32Array(Uint8Array.from(nibbles).buffer);
  const table = l.b.ir.v128.const(...([...words] as unknown as [number, number, number, number]));
  const turned = (nibble: Value): Value => l.op("swizzle", table, nibble);
  return l.or(l.shl(turned(l.and(x, l.constant(15))), 4), turned(l.shr(x, 4, false)));
}
