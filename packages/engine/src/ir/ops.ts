import { LANE_OPERATIONS, VECTOR_OPERATION_LIST } from "../wasm/vectors.js";

// The operations of the intermediate representation. Numeric ones carry WebAssembly's names but have
// a total meaning: nothing traps. Division by zero gives 0, the remainder by zero gives the dividend,
// and the overflowing division MIN / -1 gives MIN with remainder 0; an instruction set with other edge
// cases says so with `select`.

export type IrType = "i32" | "i64" | "v128" | "void";

// Vectors are WebAssembly's: `v128` values with operations by the shape of their lanes (`wasm/vectors.ts`).

/**
 * Does a sum or a difference overflow as a signed number? The sign of the result tells, which is (a ^ sum) & (b ^ sum),
 * or (a ^ b) & (a ^ difference).
 */
export const OVERFLOW_NAMES = ["add_overflow", "sub_overflow"] as const;

export const I64_BINARY_NAMES = [
  "add",
  "sub",
  "mul",
  "div_s",
  "div_u",
  "rem_s",
  "rem_u",
  "and",
  "or",
  "xor",
  "shl",
  "shr_s",
  "shr_u",
  "rotl",
  "rotr",
  "mulh_s",
  "mulh_u",
  "mulh_su",
  ...OVERFLOW_NAMES,
] as const;
export const I32_BINARY_NAMES = [
  "add",
  "sub",
  "mul",
  "div_s",
  "div_u",
  "rem_s",
  "rem_u",
  "and",
  "or",
  "xor",
  "shl",
  "shr_s",
  "shr_u",
  "rotl",
  "rotr",
  ...OVERFLOW_NAMES,
] as const;
export const COMPARE_NAMES = [
  "eq",
  "ne",
  "lt_s",
  "lt_u",
  "gt_s",
  "gt_u",
  "le_s",
  "le_u",
  "ge_s",
  "ge_u",
] as const;
export const I64_UNARY_NAMES = ["clz", "ctz", "popcnt", "extend8_s", "extend16_s", "extend32_s"] as const;
export const I32_UNARY_NAMES = ["clz", "ctz", "popcnt", "extend8_s", "extend16_s"] as const;

/** Read-modify-write operations on guest memory. */
export const RMW_NAMES = [
  "xchg",
  "add",
  "and",
  "or",
  "xor",
  "min_s",
  "max_s",
  "min_u",
  "max_u",
  "sub",
  /** Clears the bits of memory that the operand has set. */
  "clear",
] as const;
export type RmwName = (typeof RMW_NAMES)[number];

/** How an operation relates to the world, which decides what passes may do with it. */
export type Effect =
  /** No effect: may be removed, merged, or moved to its use. */
  | "pure"
  /** Reads or writes state fields only. */
  | "state"
  /** May leave the block before it completes (fault, miss, budget); carries an exit recipe. */
  | "exit"
  /** Ends the block. */
  | "end";

export interface OpInfo {
  readonly name: string;
  readonly effect: Effect;
  readonly result: IrType | "any";
  readonly args: number;
}

const table: OpInfo[] = [];
const byName = new Map<string, number>();

function define(name: string, effect: Effect, result: IrType | "any", args: number): number {
  const code = table.push({ name, effect, result, args }) - 1;
  byName.set(name, code);
  return code;
}

function defineAll(prefix: string, names: readonly string[], result: IrType, args: number): void {
  for (const name of names) define(`${prefix}.${name}`, "pure", result, args);
}

/** Operation numbers that passes and back ends name directly. */
export const Op = {
  const: define("const", "pure", "any", 0),
  /** Virtual address of the block's page plus a constant: the position-independent program counter. */
  pc: define("pc", "pure", "i64", 0),
  get: define("get", "state", "any", 0),
  set: define("set", "state", "void", 1),
  /** Until a field is set again nobody reads it, inside the block or outside: earlier writes of it can be dropped. */
  discard: define("discard", "state", "void", 0),
  select: define("select", "pure", "any", 3),
  wrap: define("i32.wrap_i64", "pure", "i32", 1),
  extendS: define("i64.extend_i32_s", "pure", "i64", 1),
  extendU: define("i64.extend_i32_u", "pure", "i64", 1),
  eqz32: define("i32.eqz", "pure", "i32", 1),
  eqz64: define("i64.eqz", "pure", "i32", 1),
  load: define("load", "exit", "any", 1),
  store: define("store", "exit", "void", 2),
  /** Checks that `size` bytes from an address can be read or written, before an instruction commits anything. */
  probe: define("probe", "exit", "void", 1),
  rmw: define("rmw", "exit", "any", 2),
  /** Compare and exchange: address, expected, new; gives the old value. */
  cas: define("cas", "exit", "any", 3),
  loadReserved: define("load_reserved", "exit", "any", 1),
  /** Store-conditional: gives 0 when it stored, 1 when it did not. */
  storeConditional: define("store_conditional", "exit", "i64", 2),
  /** Floating-point operation on bit patterns; `sub` is the number of the function, `lo` the environment (rounding and modes). */
  fp: define("fp", "state", "any", 3),
  /** Call of a registered helper. */
  call: define("call", "exit", "any", 2),
  /**
   * Call of a registered helper if an i32 is not zero. It stands before whatever its instruction writes, since
   * the hot tier does the instruction again in the cold one when the condition holds.
   */
  callIf: define("call_if", "exit", "void", 2),
  /**
   * Call of a shortcut, whose number is in `hi`, and of the registered helper if it did nothing: then the hot tier does
   * the instruction again in the cold one.
   */
  shortcut: define("shortcut", "exit", "void", 2),
  /** Loads and stores go on in one of the core's data contexts: the i32 0..3. */
  selectContext: define("select_context", "state", "void", 1),
  /** The jump that follows, which is indirect, leads to code in one of the core's code contexts: the i32 0 or 1. */
  selectCode: define("select_code", "state", "void", 1),
  /** A vector from the node's immediate. */
  constVector: define("v128.const", "pure", "v128", 0),
  /** Lanes of two vectors by the numbers in the node's immediate. */
  shuffle: define("i8x16.shuffle", "pure", "v128", 2),
  jump: define("jump", "end", "void", 0),
  branch: define("branch", "end", "void", 1),
  jumpIndirect: define("jump_indirect", "end", "void", 1),
  /** As jump, but by way of the dispatcher if it has something to look at, or the i32 field is not zero. */
  poll: define("poll", "end", "void", 0),
  /** Ends the block in the dispatcher: state changed that decides how to go on (mode, interrupts, mappings). */
  dispatch: define("dispatch", "end", "void", 0),
} as const;

for (const [name, { operands, result }] of VECTOR_OPERATION_LIST)
  define(name, "pure", result as IrType, operands.length);
for (const [name, { operands, result }] of Object.entries(LANE_OPERATIONS))
  define(name, "pure", result, operands.length);
defineAll("i64", I64_BINARY_NAMES, "i64", 2);
defineAll("i32", I32_BINARY_NAMES, "i32", 2);
defineAll("i64", COMPARE_NAMES, "i32", 2);
defineAll("i32", COMPARE_NAMES, "i32", 2);
defineAll("i64", I64_UNARY_NAMES, "i64", 1);
defineAll("i32", I32_UNARY_NAMES, "i32", 1);

export const OPS: readonly OpInfo[] = table;

/** By operation number: the type of the result, where it has several the commonest. */
export const RESULT_TYPES: readonly IrType[] = table.map(({ result }) => (result === "any" ? "i64" : result));
/** By operation number: without effect. */
export const IS_PURE: readonly boolean[] = table.map(({ effect }) => effect === "pure");
/** By operation number: may leave the block before it completes. */
export const IS_EXIT: readonly boolean[] = table.map(({ effect }) => effect === "exit");
/** By operation number: ends the block. */
export const IS_END: readonly boolean[] = table.map(({ effect }) => effect === "end");

export function opCode(name: string): number {
  const code = byName.get(name);
  if (code === undefined) throw new Error(`no IR operation ${name}`);
  return code;
}

export function opInfo(code: number): OpInfo {
  return table[code] as OpInfo;
}
