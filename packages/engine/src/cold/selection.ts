import type { AccessSize, Node } from "../ir/node.js";
import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  Op,
  opCode,
  RMW_NAMES,
} from "../ir/ops.js";
import { SOFT_FUNCTIONS } from "../ir/soft.js";
import { LANE_OPERATIONS, VECTOR_OPERATION_LIST } from "../wasm/vectors.js";
import { LOAD_NAMES, microOp, VECTOR_MICRO_OPS, vectorMicroOp } from "./micro-ops.js";

// Which micro-op an operation of the IR becomes.

export interface BinaryCodes {
  readonly rr: number;
  readonly ri: number;
  readonly rrSx: number;
  readonly riSx: number;
}

/** Micro-ops of two-operand IR operations, by IR operation number. */
export const BINARY: (BinaryCodes | undefined)[] = [];
for (const name of [...I64_BINARY_NAMES, ...COMPARE_NAMES]) {
  const [rr, ri] = [microOp(`i64.${name}`), microOp(`i64.${name}.imm`)];
  BINARY[opCode(`i64.${name}`)] = { rr, ri, rrSx: rr, riSx: ri };
}
for (const name of I32_BINARY_NAMES) {
  BINARY[opCode(`i32.${name}`)] = {
    rr: microOp(`i32.${name}`),
    ri: microOp(`i32.${name}.imm`),
    rrSx: microOp(`i32.${name}.sx`),
    riSx: microOp(`i32.${name}.imm.sx`),
  };
}
for (const name of COMPARE_NAMES) {
  const [rr, ri] = [microOp(`i32.${name}`), microOp(`i32.${name}.imm`)];
  BINARY[opCode(`i32.${name}`)] = { rr, ri, rrSx: rr, riSx: ri };
}

export const UNARY: ({ plain: number; sx: number } | undefined)[] = [];
for (const name of I64_UNARY_NAMES)
  UNARY[opCode(`i64.${name}`)] = { plain: microOp(`i64.${name}`), sx: microOp(`i64.${name}`) };
for (const name of I32_UNARY_NAMES)
  UNARY[opCode(`i32.${name}`)] = { plain: microOp(`i32.${name}`), sx: microOp(`i32.${name}.sx`) };
for (const [op, name] of [
  [Op.extendS, "extend_s"],
  [Op.extendU, "extend_u"],
  [Op.eqz64, "eqz64"],
  [Op.eqz32, "eqz32"],
] as const) {
  UNARY[op] = { plain: microOp(name), sx: microOp(name) };
}

export const BRANCH: (number | undefined)[] = [];
for (const name of COMPARE_NAMES) {
  BRANCH[opCode(`i64.${name}`)] = microOp(`branch64.${name}`);
  BRANCH[opCode(`i32.${name}`)] = microOp(`branch32.${name}`);
}

/** By IR operation number: the operands may change places. */
export const COMMUTES: (true | undefined)[] = [];
for (const n of ["add", "mul", "and", "or", "xor", "eq", "ne"])
  for (const type of ["i64", "i32"]) COMMUTES[opCode(`${type}.${n}`)] = true;
const LOAD_VECTOR = microOp("load128");
const LOADS = LOAD_NAMES.map(microOp);
export const STORES = {
  1: microOp("store8"),
  2: microOp("store16"),
  4: microOp("store32"),
  8: microOp("store64"),
  16: microOp("store128"),
} as const;
/** By IR operation number. */
export const VECTORS: (number | undefined)[] = [];
for (const [name] of VECTOR_OPERATION_LIST) VECTORS[opCode(name)] = vectorMicroOp(name);
/** By IR operation number: bytes of a lane, and what extracts or inserts one of less than 8 (those of 4 and more are read where they are). */
export interface Lane {
  readonly bytes: number;
  readonly extracts: boolean;
  readonly vectorOp: number;
}
export const LANES: (Lane | undefined)[] = [];
for (const [name, { bytes, operands }] of Object.entries(LANE_OPERATIONS)) {
  const extracts = operands.length === 1;
  const part = extracts ? `extract${bytes * 8}${name.slice(-2)}` : `insert${bytes * 8}`;
  LANES[opCode(name)] = { bytes, extracts, vectorOp: VECTOR_MICRO_OPS.indexOf(part) };
}
export const RMW = RMW_NAMES.map((n) => ({
  1: microOp("rmw8"),
  2: microOp("rmw16"),
  4: microOp(`rmw32.${n}`),
  8: microOp(`rmw64.${n}`),
}));
export const FP = SOFT_FUNCTIONS.map((f) => microOp(`fp.${f.name}`));
const bySize = (name: string): Record<AccessSize, number> => ({
  1: microOp(`${name}8`),
  2: microOp(`${name}16`),
  4: microOp(`${name}32`),
  8: microOp(`${name}64`),
  16: microOp(`${name}128`),
});
export const ATOMIC: Record<number, Record<AccessSize, number>> = {
  [Op.cas]: bySize("cas"),
  [Op.loadReserved]: bySize("load_reserved"),
  [Op.storeConditional]: bySize("store_conditional"),
};

/** The micro-op of a load. */
export function loadOp(n: Node): number {
  if (n.size === 16) return LOAD_VECTOR;
  const index = n.size === 8 ? 6 : (n.size === 1 ? 0 : n.size === 2 ? 2 : 4) + (n.signed ? 0 : 1);
  return LOADS[index] as number;
}
