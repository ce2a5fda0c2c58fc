import type { Value } from "@hypercraft/engine";
import type { X86Declaration } from "./declaration.js";
import type { X86Builder } from "./lifter.js";
import { type Lift, lanesOf, read, shuffle, simd, type VectorLanes, write } from "./vector-lifter.js";

// Packed integer arithmetic of MMX and SSE: a lane of the result comes from the same lane of both operands, or from
// neighbours. Most of it is there for both kinds of registers, with the same opcode.

type Operation = (l: VectorLanes, x: Value, y: Value) => Value;

/** `x op= y`. */
export const combine =
  (size: number, operation: Operation): Lift =>
  (b) => {
    const [x, y] = [read(b, 0), read(b, 1)];
    write(b, 0, operation(lanesOf(b, size), x, y));
  };

const plain =
  (name: string): Operation =>
  (l, x, y) =>
    l.op(name, x, y);

const and: Operation = (l, x, y) => l.and(x, y);
const or: Operation = (l, x, y) => l.or(x, y);
const xor: Operation = (l, x, y) => l.xor(x, y);
/** The first operand is inverted. */
const andNot: Operation = (l, x, y) => l.andNot(y, x);

/** The upper halves of products of words. */
const highProducts =
  (signed: boolean): Operation =>
  (l, x, y) =>
    l.alternate(l.products(x, y, 0, signed), l.products(x, y, 1, signed), 1);

/** Products of the even lanes, twice as large. */
const evenProducts =
  (signed: boolean): Operation =>
  (l, x, y) =>
    l.products(l.alternate(x, x, 0), l.alternate(y, y, 0), 0, signed);

/** Q15 products, rounded; -1 times -1 stays -1. */
const roundedProducts: Operation = (l, x, y) => {
  const least = l.constant(-0x8000);
  const both = l.and(l.op("eq", x, least), l.op("eq", y, least));
  return l.xor(l.op("q15mulr_sat_s", x, y), both);
};

/** Unsigned bytes of the first operand times signed ones of the second; neighbours are added. */
const mixedProducts: Operation = (l, x, y) => {
  const { wider } = l;
  const low = wider.op("mul", wider.and(x, wider.constant(0xff)), wider.shr(wider.shl(y, 8), 8, true));
  const high = wider.op("mul", wider.shr(x, 8, false), wider.shr(y, 8, true));
  return wider.op("add_sat_s", low, high);
};

/** Absolute differences of unsigned bytes. */
const differences = (l: VectorLanes, x: Value, y: Value): Value =>
  l.or(l.op("sub_sat_u", x, y), l.op("sub_sat_u", y, x));

/** Their sums over eight bytes. */
const sumsOfDifferences: Operation = (l, x, y) => {
  const words = l.pairSums(differences(l, x, y), false);
  const doublewords = l.wider.pairSums(words, false);
  return l.wider.wider.pairSums(doublewords, false);
};

/** The first operand's sign times the second's: inverted, zero, or as it is. */
const withSign: Operation = (l, x, y) => {
  const negative = l.negative(y);
  const signed = l.sub(l.xor(x, negative), negative);
  return l.andNot(signed, l.op("eq", y, l.zero));
};

/** Neighbours of the first operand and then of the second. */
const horizontal =
  (name: "add" | "sub" | "add_sat_s" | "sub_sat_s"): Operation =>
  (l, x, y) => {
    const joined = l.width === 64 ? shuffle(l.b, x, y, (i) => (i & 7) + (i < 8 ? 0 : 16)) : x;
    const other = l.width === 64 ? joined : y;
    return l.op(name, l.alternate(joined, other, 0), l.alternate(joined, other, 1));
  };

/** Lanes of the first operand, or the second, in the byte order of both side by side. */
const pickBytes =
  (byteAt: (i: number, bytes: number) => number): Operation =>
  (l, x, y) => {
    const bytes = l.width / 8;
    return shuffle(l.b, x, y, (i) => {
      const from = byteAt(i % bytes, bytes);
      return from < bytes ? from : from - bytes + 16;
    });
  };

/** Lanes of both operands by turns: of their low halves, or their high ones. */
const interleave =
  (size: number, high: boolean): Operation =>
  (l, x, y) =>
    pickBytes((i, bytes) => {
      const lane = i >> size;
      return (high ? bytes / 2 : 0) + ((lane >> 1) << size) + (i % (1 << size)) + (lane & 1) * bytes;
    })(l, x, y);

/** Lanes of half the size, saturated: the first operand's and then the second's. */
const pack =
  (signed: boolean): Operation =>
  (l, x, y) => {
    const shape = l.size === 1 ? "i8x16.narrow_i16x8" : "i16x8.narrow_i32x4";
    const { i8x16, i16x8 } = l.b.ir;
    const narrow = (p: Value, q: Value): Value => {
      if (shape.startsWith("i8")) return signed ? i8x16.narrow_i16x8_s(p, q) : i8x16.narrow_i16x8_u(p, q);
      return signed ? i16x8.narrow_i32x4_s(p, q) : i16x8.narrow_i32x4_u(p, q);
    };
    if (l.width === 128) return narrow(x, y);
    const joined = shuffle(l.b, x, y, (i) => (i & 7) + (i < 8 ? 0 : 16));
    return narrow(joined, joined);
  };

/** Bytes of the first operand by the numbers in the second; 0 where its sign is set. */
const shuffleBytes: Operation = (l, x, y) =>
  l.op("swizzle", x, l.and(y, l.constant(l.width === 64 ? 0x87 : 0x8f)));

interface Row {
  readonly name: string;
  readonly opcode: string;
  /** Lanes: 0 to 3 for bytes to quadwords. */
  readonly size: number;
  readonly operation: Operation;
  /** The feature by which MMX registers have it; undefined if they do not. */
  readonly mmx?: string;
  readonly sse: string;
  /** Memory of the MMX form, if that is not a quadword. */
  readonly memory?: "Qd";
}

type Short = readonly [name: string, opcode: string, size: number, operation: Operation];

/** In the opcode map 0F, since MMX; `late` ones have come to MMX registers with SSE. */
const SINCE_MMX: readonly Short[] = [
  ["packsswb", "63", 1, pack(true)],
  ["pcmpgtb", "64", 0, plain("gt_s")],
  ["pcmpgtw", "65", 1, plain("gt_s")],
  ["pcmpgtd", "66", 2, plain("gt_s")],
  ["packuswb", "67", 1, pack(false)],
  ["punpckhbw", "68", 0, interleave(0, true)],
  ["punpckhwd", "69", 1, interleave(1, true)],
  ["punpckhdq", "6A", 2, interleave(2, true)],
  ["packssdw", "6B", 2, pack(true)],
  ["pcmpeqb", "74", 0, plain("eq")],
  ["pcmpeqw", "75", 1, plain("eq")],
  ["pcmpeqd", "76", 2, plain("eq")],
  ["pmullw", "D5", 1, plain("mul")],
  ["psubusb", "D8", 0, plain("sub_sat_u")],
  ["psubusw", "D9", 1, plain("sub_sat_u")],
  ["pand", "DB", 3, and],
  ["paddusb", "DC", 0, plain("add_sat_u")],
  ["paddusw", "DD", 1, plain("add_sat_u")],
  ["pandn", "DF", 3, andNot],
  ["pmulhw", "E5", 1, highProducts(true)],
  ["psubsb", "E8", 0, plain("sub_sat_s")],
  ["psubsw", "E9", 1, plain("sub_sat_s")],
  ["por", "EB", 3, or],
  ["paddsb", "EC", 0, plain("add_sat_s")],
  ["paddsw", "ED", 1, plain("add_sat_s")],
  ["pxor", "EF", 3, xor],
  ["pmaddwd", "F5", 1, (l, x, y) => l.wider.op("dot_i16x8_s", x, y)],
  ["psubb", "F8", 0, plain("sub")],
  ["psubw", "F9", 1, plain("sub")],
  ["psubd", "FA", 2, plain("sub")],
  ["paddb", "FC", 0, plain("add")],
  ["paddw", "FD", 1, plain("add")],
  ["paddd", "FE", 2, plain("add")],
];

const SINCE_SSE: readonly Short[] = [
  ["pminub", "DA", 0, plain("min_u")],
  ["pmaxub", "DE", 0, plain("max_u")],
  ["pavgb", "E0", 0, plain("avgr_u")],
  ["pavgw", "E3", 1, plain("avgr_u")],
  ["pmulhuw", "E4", 1, highProducts(false)],
  ["pminsw", "EA", 1, plain("min_s")],
  ["pmaxsw", "EE", 1, plain("max_s")],
  ["psadbw", "F6", 0, sumsOfDifferences],
];

const SINCE_SSE2: readonly Short[] = [
  ["paddq", "D4", 3, plain("add")],
  ["pmuludq", "F4", 2, evenProducts(false)],
  ["psubq", "FB", 3, plain("sub")],
];

const LOW_HALVES: readonly Short[] = [
  ["punpcklbw", "60", 0, interleave(0, false)],
  ["punpcklwd", "61", 1, interleave(1, false)],
  ["punpckldq", "62", 2, interleave(2, false)],
];

const SINCE_SSSE3: readonly Short[] = [
  ["pshufb", "00", 0, shuffleBytes],
  ["phaddw", "01", 1, horizontal("add")],
  ["phaddd", "02", 2, horizontal("add")],
  ["phaddsw", "03", 1, horizontal("add_sat_s")],
  ["pmaddubsw", "04", 0, mixedProducts],
  ["phsubw", "05", 1, horizontal("sub")],
  ["phsubd", "06", 2, horizontal("sub")],
  ["phsubsw", "07", 1, horizontal("sub_sat_s")],
  ["psignb", "08", 0, withSign],
  ["psignw", "09", 1, withSign],
  ["psignd", "0A", 2, withSign],
  ["pmulhrsw", "0B", 1, roundedProducts],
  ["pabsb", "1C", 0, (l, _, y) => l.op("abs", y)],
  ["pabsw", "1D", 1, (l, _, y) => l.op("abs", y)],
  ["pabsd", "1E", 2, (l, _, y) => l.op("abs", y)],
];

/** Only for XMM registers: with the opcode map. */
const XMM_ONLY: readonly (readonly [feature: string, map: string, ...Short])[] = [
  ["SSE2", "0F", "punpcklqdq", "6C", 3, interleave(3, false)],
  ["SSE2", "0F", "punpckhqdq", "6D", 3, interleave(3, true)],
  ["SSE4.1", "0F 38", "pmuldq", "28", 2, evenProducts(true)],
  ["SSE4.1", "0F 38", "pcmpeqq", "29", 3, plain("eq")],
  ["SSE4.1", "0F 38", "packusdw", "2B", 2, pack(false)],
  ["SSE4.2", "0F 38", "pcmpgtq", "37", 3, plain("gt_s")],
  ["SSE4.1", "0F 38", "pminsb", "38", 0, plain("min_s")],
  ["SSE4.1", "0F 38", "pminsd", "39", 2, plain("min_s")],
  ["SSE4.1", "0F 38", "pminuw", "3A", 1, plain("min_u")],
  ["SSE4.1", "0F 38", "pminud", "3B", 2, plain("min_u")],
  ["SSE4.1", "0F 38", "pmaxsb", "3C", 0, plain("max_s")],
  ["SSE4.1", "0F 38", "pmaxsd", "3D", 2, plain("max_s")],
  ["SSE4.1", "0F 38", "pmaxuw", "3E", 1, plain("max_u")],
  ["SSE4.1", "0F 38", "pmaxud", "3F", 2, plain("max_u")],
  ["SSE4.1", "0F 38", "pmulld", "40", 2, plain("mul")],
];

const rows = (some: readonly Short[], mmx: string, sse: string, memory?: "Qd"): readonly Row[] =>
  some.map(([name, opcode, size, operation]) => ({
    ...{ name, opcode, size, operation, mmx, sse },
    ...(memory && { memory }),
  }));

function declared(
  { name, opcode, size, operation, mmx, sse, memory }: Row,
  map: string,
): X86Declaration<X86Builder>[] {
  const lift = combine(size, operation);
  const xmm = simd(sse)(`${name} Vdq, Wdq`, `66 ${map} ${opcode} /r`, lift);
  if (mmx === undefined) return [xmm];
  return [simd(mmx, "mmx")(`${name} Pq, ${memory ?? "Qq"}`, `NP ${map} ${opcode} /r`, lift), xmm];
}

/** Sums of absolute differences of four bytes at eight places: MPSADBW. */
const multipleSums: Lift = (b) => {
  const [x, y] = [read(b, 0), read(b, 1)];
  const [bytes, words] = [lanesOf(b, 0), lanesOf(b, 1)];
  const control = b.immediate;
  const [from, block] = [control & 4, 4 * (control & 3)];
  const sums = [0, 1, 2, 3].map((k) => {
    const places = shuffle(b, x, x, (i) => Math.min(from + k + i, 15));
    const one = shuffle(b, y, y, () => block + k);
    return bytes.extended(differences(bytes, places, one), 0, false);
  });
  write(
    b,
    0,
    sums.reduce((sum, next) => words.add(sum, next)),
  );
};

/** The least word and its number: PHMINPOSUW. */
const least: Lift = (b) => {
  const { ir, i32, i64 } = b;
  const words = lanesOf(b, 1);
  const x = read(b, 1);
  const all = [8, 4, 2].reduce(
    (min, distance) =>
      words.op(
        "min_u",
        min,
        shuffle(b, min, min, (i) => (i + distance) & 15),
      ),
    x,
  );
  const place = i32.ctz(ir.i16x8.bitmask(words.op("eq", x, all)));
  const low = i64.and(ir.i64x2.extract_lane(all, 0), i64.const(0xffff));
  const result = i64.or(low, i64.shl(i64.extend_i32_u(place), i64.const(16)));
  write(b, 0, ir.i64x2.replace_lane(words.zero, 0, result));
};

const sse41 = simd("SSE4.1");

export const packedIntegers: readonly X86Declaration<X86Builder>[] = [
  ...rows(SINCE_MMX, "MMX", "SSE2").flatMap((row) => declared(row, "0F")),
  ...rows(LOW_HALVES, "MMX", "SSE2", "Qd").flatMap((row) => declared(row, "0F")),
  ...rows(SINCE_SSE, "SSE", "SSE2").flatMap((row) => declared(row, "0F")),
  ...rows(SINCE_SSE2, "SSE2", "SSE2").flatMap((row) => declared(row, "0F")),
  ...rows(SINCE_SSSE3, "SSSE3", "SSSE3").flatMap((row) => declared(row, "0F 38")),
  ...XMM_ONLY.flatMap(([sse, map, name, opcode, size, operation]) =>
    declared({ name, opcode, size, operation, sse }, map),
  ),
  sse41("mpsadbw Vdq, Wdq, Ib", "66 0F 3A 42 /r", multipleSums),
  sse41("phminposuw Vdq, Wdq", "66 0F 38 41 /r", least),
];
