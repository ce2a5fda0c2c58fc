import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  Op,
  opCode,
} from "../ir/ops.js";
import { I32_BINARY, I32_COMPARE, I32_UNARY, I64_BINARY, I64_COMPARE, I64_UNARY } from "../wasm/opcodes.js";

/** WebAssembly opcodes of the IR operations that are exactly one instruction, by IR operation number. */
export const DIRECT: (number | undefined)[] = [];

const TOTAL = /^(div|rem|mulh)/;

for (const name of I64_BINARY_NAMES)
  if (!TOTAL.test(name)) DIRECT[opCode(`i64.${name}`)] = I64_BINARY[name as keyof typeof I64_BINARY];
for (const name of I32_BINARY_NAMES)
  if (!TOTAL.test(name)) DIRECT[opCode(`i32.${name}`)] = I32_BINARY[name as keyof typeof I32_BINARY];
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

export const MULH_U = opCode("i64.mulh_u");
export const MULH_S = opCode("i64.mulh_s");
export const MULH_SU = opCode("i64.mulh_su");
