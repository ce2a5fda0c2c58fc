import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  Op,
  OVERFLOW_NAMES,
  opCode,
} from "../ir/ops.js";
import { I32_BINARY, I32_COMPARE, I32_UNARY, I64_BINARY, I64_COMPARE, I64_UNARY } from "../wasm/opcodes.js";
import { I8X16_SHUFFLE, LANE_OPERATIONS, V128_CONST, VECTOR_OPERATION_LIST } from "../wasm/vectors.js";

/** WebAssembly opcodes of the IR operations that are exactly one instruction, by IR operation number. */
export const DIRECT: (number | undefined)[] = [];

const SEVERAL = /^(div|rem|mulh|rot)|_overflow$/;

for (const name of I64_BINARY_NAMES)
  if (!SEVERAL.test(name)) DIRECT[opCode(`i64.${name}`)] = I64_BINARY[name as keyof typeof I64_BINARY];
for (const name of I32_BINARY_NAMES)
  if (!SEVERAL.test(name)) DIRECT[opCode(`i32.${name}`)] = I32_BINARY[name as keyof typeof I32_BINARY];
for (const name of COMPARE_NAMES) {
  DIRECT[opCode(`i64.${name}`)] = I64_COMPARE[name];
  DIRECT[opCode(`i32.${name}`)] = I32_COMPARE[name];
}
for (const name of I64_UNARY_NAMES) DIRECT[opCode(`i64.${name}`)] = I64_UNARY[name];
for (const name of I32_UNARY_NAMES) DIRECT[opCode(`i32.${name}`)] = I32_UNARY[name];
DIRECT[Op.wrap] = 0xa7;
DIRECT[Op.extendS] = 0xac;
DIRECT[Op.extendU] = 0xad;
DIRECT[Op.eqz32] = 0x45;
DIRECT[Op.eqz64] = 0x50;

/** Numbers of the vector instructions that IR operations are, by IR operation number. */
export const VECTORS: (number | undefined)[] = [];
for (const [name, { code }] of VECTOR_OPERATION_LIST) VECTORS[opCode(name)] = code;
VECTORS[Op.constVector] = V128_CONST;
VECTORS[Op.shuffle] = I8X16_SHUFFLE;
/** The same of those with the number of a lane. */
export const LANES: (number | undefined)[] = [];
for (const [name, { code }] of Object.entries(LANE_OPERATIONS)) LANES[opCode(name)] = code;

/** Divisions, whose edge cases need spelling out: opcode, is it 64 bits wide, signed, a quotient. */
export interface Division {
  readonly opcode: number;
  readonly wide: boolean;
  readonly signed: boolean;
  readonly quotient: boolean;
}
export const DIVISION: (Division | undefined)[] = [];
for (const name of ["div_s", "div_u", "rem_s", "rem_u"] as const) {
  const shape = { signed: name.endsWith("_s"), quotient: name.startsWith("div") };
  DIVISION[opCode(`i64.${name}`)] = { opcode: I64_BINARY[name], wide: true, ...shape };
  DIVISION[opCode(`i32.${name}`)] = { opcode: I32_BINARY[name], wide: false, ...shape };
}

/**
 * Rotations by their type. V8's first compiler calls a function of C for WebAssembly's own, a hundred times slower than
 * the shifts that they are made of, and its second one takes those for what they are.
 */
export interface Rotation {
  readonly type: "i32" | "i64";
  readonly bits: number;
  /** Shift in the direction of the rotation, and against it. */
  readonly along: number;
  readonly against: number;
  readonly or: number;
  readonly sub: number;
}
export const ROTATION: (Rotation | undefined)[] = [];
for (const [type, bits, { shl, shr_u, or, sub }] of [
  ["i32", 32, I32_BINARY],
  ["i64", 64, I64_BINARY],
] as const) {
  ROTATION[opCode(`${type}.rotl`)] = { type, bits, along: shl, against: shr_u, or, sub };
  ROTATION[opCode(`${type}.rotr`)] = { type, bits, along: shr_u, against: shl, or, sub };
}

export const MULH_U = opCode("i64.mulh_u");
export const MULH_S = opCode("i64.mulh_s");
export const MULH_SU = opCode("i64.mulh_su");

/** Does a sum or a difference overflow: is it of 64 bits, a difference? */
export interface Overflow {
  readonly wide: boolean;
  readonly subtract: boolean;
}
export const OVERFLOW: (Overflow | undefined)[] = [];
for (const name of OVERFLOW_NAMES)
  for (const type of ["i64", "i32"])
    OVERFLOW[opCode(`${type}.${name}`)] = { wide: type === "i64", subtract: name === "sub_overflow" };
