// Opcodes of the WebAssembly core specification (section 5.4), grouped by the shape of the
// instruction, so that `ops.ts` can make one typed function per instruction out of each group.

export type ValType = "i32" | "i64" | "f32" | "f64" | "v128";

export const VALTYPE_BYTE: Record<ValType, number> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

export const I32_BINARY = {
  add: 0x6a,
  sub: 0x6b,
  mul: 0x6c,
  div_s: 0x6d,
  div_u: 0x6e,
  rem_s: 0x6f,
  rem_u: 0x70,
  and: 0x71,
  or: 0x72,
  xor: 0x73,
  shl: 0x74,
  shr_s: 0x75,
  shr_u: 0x76,
  rotl: 0x77,
  rotr: 0x78,
} as const;
export const I32_COMPARE = {
  eq: 0x46,
  ne: 0x47,
  lt_s: 0x48,
  lt_u: 0x49,
  gt_s: 0x4a,
  gt_u: 0x4b,
  le_s: 0x4c,
  le_u: 0x4d,
  ge_s: 0x4e,
  ge_u: 0x4f,
} as const;
export const I32_UNARY = {
  clz: 0x67,
  ctz: 0x68,
  popcnt: 0x69,
  eqz: 0x45,
  extend8_s: 0xc0,
  extend16_s: 0xc1,
} as const;

export const I64_BINARY = {
  add: 0x7c,
  sub: 0x7d,
  mul: 0x7e,
  div_s: 0x7f,
  div_u: 0x80,
  rem_s: 0x81,
  rem_u: 0x82,
  and: 0x83,
  or: 0x84,
  xor: 0x85,
  shl: 0x86,
  shr_s: 0x87,
  shr_u: 0x88,
  rotl: 0x89,
  rotr: 0x8a,
} as const;
export const I64_COMPARE = {
  eq: 0x51,
  ne: 0x52,
  lt_s: 0x53,
  lt_u: 0x54,
  gt_s: 0x55,
  gt_u: 0x56,
  le_s: 0x57,
  le_u: 0x58,
  ge_s: 0x59,
  ge_u: 0x5a,
} as const;
export const I64_UNARY = {
  clz: 0x79,
  ctz: 0x7a,
  popcnt: 0x7b,
  extend8_s: 0xc2,
  extend16_s: 0xc3,
  extend32_s: 0xc4,
} as const;

export const FLOAT_BINARY = { add: 0, sub: 1, mul: 2, div: 3, min: 4, max: 5, copysign: 6 } as const;
export const FLOAT_COMPARE = { eq: 0, ne: 1, lt: 2, gt: 3, le: 4, ge: 5 } as const;
export const FLOAT_UNARY = { abs: 0, neg: 1, ceil: 2, floor: 3, trunc: 4, nearest: 5, sqrt: 6 } as const;
/** First opcode of each float group; the group's numbers are added. */
export const FLOAT_BASE = {
  f32: { binary: 0x92, compare: 0x5b, unary: 0x8b },
  f64: { binary: 0xa0, compare: 0x61, unary: 0x99 },
} as const;

/** Conversions: opcode, operand type. The result type is the namespace the function is found in. */
export const CONVERSIONS = {
  i32: { wrap_i64: [0xa7, "i64"], reinterpret_f32: [0xbc, "f32"] },
  i64: {
    extend_i32_s: [0xac, "i32"],
    extend_i32_u: [0xad, "i32"],
    trunc_f64_s: [0xb0, "f64"],
    reinterpret_f64: [0xbd, "f64"],
  },
  f32: {
    convert_i32_s: [0xb2, "i32"],
    convert_i32_u: [0xb3, "i32"],
    convert_i64_s: [0xb4, "i64"],
    convert_i64_u: [0xb5, "i64"],
    demote_f64: [0xb6, "f64"],
    reinterpret_i32: [0xbe, "i32"],
  },
  f64: {
    convert_i32_s: [0xb7, "i32"],
    convert_i32_u: [0xb8, "i32"],
    convert_i64_s: [0xb9, "i64"],
    convert_i64_u: [0xba, "i64"],
    promote_f32: [0xbb, "f32"],
    reinterpret_i64: [0xbf, "i64"],
  },
} as const;

/** Loads and stores: opcode and the natural alignment's exponent. */
export const LOADS = {
  i32: { load: [0x28, 2], load8_s: [0x2c, 0], load8_u: [0x2d, 0], load16_s: [0x2e, 1], load16_u: [0x2f, 1] },
  i64: {
    load: [0x29, 3],
    load8_s: [0x30, 0],
    load8_u: [0x31, 0],
    load16_s: [0x32, 1],
    load16_u: [0x33, 1],
    load32_s: [0x34, 2],
    load32_u: [0x35, 2],
  },
  f32: { load: [0x2a, 2] },
  f64: { load: [0x2b, 3] },
} as const;
export const STORES = {
  i32: { store: [0x36, 2], store8: [0x3a, 0], store16: [0x3b, 1] },
  i64: { store: [0x37, 3], store8: [0x3c, 0], store16: [0x3d, 1], store32: [0x3e, 2] },
  f32: { store: [0x38, 2] },
  f64: { store: [0x39, 3] },
} as const;

/** Vector instructions: the number behind the prefix byte, and how many operands they take. */
export const VECTOR_PREFIX = 0xfd;
export const VECTOR = {
  "f32x4.splat": [0x13, 1],
  "f64x2.splat": [0x14, 1],
  "f32x4.extract_lane": [0x1f, 1],
  "f32x4.replace_lane": [0x20, 2],
  "f64x2.extract_lane": [0x21, 1],
  "f64x2.replace_lane": [0x22, 2],
  "f32x4.relaxed_madd": [0x105, 3],
  "f64x2.relaxed_madd": [0x107, 3],
} as const;
