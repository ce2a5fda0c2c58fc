import type { ValType } from "./opcodes.js";

// Integer vector instructions of the WebAssembly core specification (section 5.4.9): number behind the prefix byte,
// and what they take and give.

const V = "v128";
const UNARY = { operands: [V], result: V } as const;
const BINARY = { operands: [V, V], result: V } as const;
const TERNARY = { operands: [V, V, V], result: V } as const;
const TEST = { operands: [V], result: "i32" } as const;
const SHIFT = { operands: [V, "i32"], result: V } as const;
const SPLAT32 = { operands: ["i32"], result: V } as const;
const SPLAT64 = { operands: ["i64"], result: V } as const;

export interface VectorShape {
  readonly operands: readonly ValType[];
  readonly result: ValType;
}

type Codes = Readonly<Record<string, number>>;
type Formed<T extends Codes, F extends VectorShape> = {
  readonly [K in keyof T]: F & { readonly code: number };
};

function formed<const T extends Codes, F extends VectorShape>(form: F, codes: T): Formed<T, F> {
  return Object.fromEntries(
    Object.entries(codes).map(([name, code]) => [name, { ...form, code }]),
  ) as unknown as Formed<T, F>;
}

/** By shape of the lanes, those without an immediate. */
export const VECTOR_OPERATIONS = {
  v128: {
    ...formed(UNARY, { not: 0x4d }),
    ...formed(BINARY, { and: 0x4e, andnot: 0x4f, or: 0x50, xor: 0x51 }),
    ...formed(TERNARY, { bitselect: 0x52 }),
    ...formed(TEST, { any_true: 0x53 }),
  },
  i8x16: {
    ...formed(SPLAT32, { splat: 0x0f }),
    ...formed(UNARY, { abs: 0x60, neg: 0x61, popcnt: 0x62 }),
    ...formed(TEST, { all_true: 0x63, bitmask: 0x64 }),
    ...formed(SHIFT, { shl: 0x6b, shr_s: 0x6c, shr_u: 0x6d }),
    ...formed(BINARY, {
      ...{ swizzle: 0x0e, narrow_i16x8_s: 0x65, narrow_i16x8_u: 0x66 },
      ...{ eq: 0x23, ne: 0x24, lt_s: 0x25, lt_u: 0x26, gt_s: 0x27, gt_u: 0x28 },
      ...{ le_s: 0x29, le_u: 0x2a, ge_s: 0x2b, ge_u: 0x2c },
      ...{ add: 0x6e, add_sat_s: 0x6f, add_sat_u: 0x70, sub: 0x71, sub_sat_s: 0x72, sub_sat_u: 0x73 },
      ...{ min_s: 0x76, min_u: 0x77, max_s: 0x78, max_u: 0x79, avgr_u: 0x7b },
    }),
  },
  i16x8: {
    ...formed(SPLAT32, { splat: 0x10 }),
    ...formed(UNARY, {
      ...{ abs: 0x80, neg: 0x81, extadd_pairwise_i8x16_s: 0x7c, extadd_pairwise_i8x16_u: 0x7d },
      ...{ extend_low_i8x16_s: 0x87, extend_high_i8x16_s: 0x88 },
      ...{ extend_low_i8x16_u: 0x89, extend_high_i8x16_u: 0x8a },
    }),
    ...formed(TEST, { all_true: 0x83, bitmask: 0x84 }),
    ...formed(SHIFT, { shl: 0x8b, shr_s: 0x8c, shr_u: 0x8d }),
    ...formed(BINARY, {
      ...{ q15mulr_sat_s: 0x82, narrow_i32x4_s: 0x85, narrow_i32x4_u: 0x86 },
      ...{ eq: 0x2d, ne: 0x2e, lt_s: 0x2f, lt_u: 0x30, gt_s: 0x31, gt_u: 0x32 },
      ...{ le_s: 0x33, le_u: 0x34, ge_s: 0x35, ge_u: 0x36 },
      ...{ add: 0x8e, add_sat_s: 0x8f, add_sat_u: 0x90, sub: 0x91, sub_sat_s: 0x92, sub_sat_u: 0x93 },
      ...{ mul: 0x95, min_s: 0x96, min_u: 0x97, max_s: 0x98, max_u: 0x99, avgr_u: 0x9b },
      ...{ extmul_low_i8x16_s: 0x9c, extmul_high_i8x16_s: 0x9d },
      ...{ extmul_low_i8x16_u: 0x9e, extmul_high_i8x16_u: 0x9f },
    }),
  },
  i32x4: {
    ...formed(SPLAT32, { splat: 0x11 }),
    ...formed(UNARY, {
      ...{ abs: 0xa0, neg: 0xa1, extadd_pairwise_i16x8_s: 0x7e, extadd_pairwise_i16x8_u: 0x7f },
      ...{ extend_low_i16x8_s: 0xa7, extend_high_i16x8_s: 0xa8 },
      ...{ extend_low_i16x8_u: 0xa9, extend_high_i16x8_u: 0xaa },
    }),
    ...formed(TEST, { all_true: 0xa3, bitmask: 0xa4 }),
    ...formed(SHIFT, { shl: 0xab, shr_s: 0xac, shr_u: 0xad }),
    ...formed(BINARY, {
      ...{ eq: 0x37, ne: 0x38, lt_s: 0x39, lt_u: 0x3a, gt_s: 0x3b, gt_u: 0x3c },
      ...{ le_s: 0x3d, le_u: 0x3e, ge_s: 0x3f, ge_u: 0x40 },
      ...{ add: 0xae, sub: 0xb1, mul: 0xb5, min_s: 0xb6, min_u: 0xb7, max_s: 0xb8, max_u: 0xb9 },
      ...{ dot_i16x8_s: 0xba, extmul_low_i16x8_s: 0xbc, extmul_high_i16x8_s: 0xbd },
      ...{ extmul_low_i16x8_u: 0xbe, extmul_high_i16x8_u: 0xbf },
    }),
  },
  i64x2: {
    ...formed(SPLAT64, { splat: 0x12 }),
    ...formed(UNARY, {
      ...{ abs: 0xc0, neg: 0xc1, extend_low_i32x4_s: 0xc7, extend_high_i32x4_s: 0xc8 },
      ...{ extend_low_i32x4_u: 0xc9, extend_high_i32x4_u: 0xca },
    }),
    ...formed(TEST, { all_true: 0xc3, bitmask: 0xc4 }),
    ...formed(SHIFT, { shl: 0xcb, shr_s: 0xcc, shr_u: 0xcd }),
    ...formed(BINARY, {
      ...{ eq: 0xd6, ne: 0xd7, lt_s: 0xd8, gt_s: 0xd9, le_s: 0xda, ge_s: 0xdb },
      ...{ add: 0xce, sub: 0xd1, mul: 0xd5, extmul_low_i32x4_s: 0xdc, extmul_high_i32x4_s: 0xdd },
      ...{ extmul_low_i32x4_u: 0xde, extmul_high_i32x4_u: 0xdf },
    }),
  },
} as const;

/** Instructions with the number of a lane behind them: code, bytes of a lane, and what an extracted one is or a new one was. */
export const LANE_OPERATIONS = {
  "i8x16.extract_lane_s": { code: 0x15, bytes: 1, operands: [V], result: "i32" },
  "i8x16.extract_lane_u": { code: 0x16, bytes: 1, operands: [V], result: "i32" },
  "i8x16.replace_lane": { code: 0x17, bytes: 1, operands: [V, "i32"], result: V },
  "i16x8.extract_lane_s": { code: 0x18, bytes: 2, operands: [V], result: "i32" },
  "i16x8.extract_lane_u": { code: 0x19, bytes: 2, operands: [V], result: "i32" },
  "i16x8.replace_lane": { code: 0x1a, bytes: 2, operands: [V, "i32"], result: V },
  "i32x4.extract_lane": { code: 0x1b, bytes: 4, operands: [V], result: "i32" },
  "i32x4.replace_lane": { code: 0x1c, bytes: 4, operands: [V, "i32"], result: V },
  "i64x2.extract_lane": { code: 0x1d, bytes: 8, operands: [V], result: "i64" },
  "i64x2.replace_lane": { code: 0x1e, bytes: 8, operands: [V, "i64"], result: V },
} as const satisfies Record<string, VectorShape & { readonly code: number; readonly bytes: number }>;

/** Those with 16 bytes behind them. */
export const V128_CONST = 0x0c;
export const I8X16_SHUFFLE = 0x0d;
export const V128_LOAD = 0x00;
export const V128_STORE = 0x0b;
/** Loads of the lowest lane, the others zero, and stores of a lane whose number follows the offset. */
export const V128_LOAD32_ZERO = 0x5c;
export const V128_LOAD64_ZERO = 0x5d;
export const V128_STORE32_LANE = 0x5a;
export const V128_STORE64_LANE = 0x5b;

export interface VectorOperation extends VectorShape {
  readonly code: number;
}

/** All of `VECTOR_OPERATIONS` by full name, as `i8x16.add`. */
export const VECTOR_OPERATION_LIST: readonly (readonly [name: string, operation: VectorOperation])[] =
  Object.entries(VECTOR_OPERATIONS).flatMap(([shape, list]) =>
    Object.entries(list as Record<string, VectorOperation>).map(
      ([name, operation]) => [`${shape}.${name}`, operation] as const,
    ),
  );
