import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  RMW_NAMES,
} from "../ir/ops.js";
import { SOFT_FUNCTIONS } from "../ir/soft.js";
import { VECTOR_OPERATION_LIST } from "../wasm/vectors.js";
import { SEQUENCES } from "./sequences.js";

// The cold tier's instruction set. A micro-op is 16 bytes:
//
//   u16 op | u16 d | u16 a | u16 b | i32 x | i32 y
//
// d, a and b are byte offsets into the vCPU state (a field or a temporary). x and y together are a
// 64-bit immediate of arithmetic; a load or store has its displacement in x. Whatever can leave the
// block has `y = page offset of the instruction | index of the instruction << 16`, which is all the
// exit recipe most of them need; HAS_RECIPE says that there is more. Values of 32 bits lie zero-extended in
// their 8-byte slot unless the operation's name ends in `.sx`, which sign-extends.

/** Set in `y` of a micro-op whose exit recipe has delayed writes. */
export const HAS_RECIPE = 1 << 12;
/** Bytes per micro-op. */
export const MICRO_OP_BYTES = 16;
/**
 * Bytes before a block's first micro-op, as i32: at -16 entries left until the block counts as hot, at -12 the
 * function-table index of the region that begins here (0: none), at -8 the instruction count, at -4 the block
 * number.
 */
export const BLOCK_HEADER_BYTES = 16;
/** Of `call_if_any`: how many bits the constant has, and those that are tested. */
export const CALL_BITS = 12;
export const CALL_BITS_MASK = 0xfff;
/** An indirect jump that is no return notes where it led: so many targets, each at the place that its address gives. */
export const NOTED_TARGETS = 16;
/** Set in the address a region returns: go on at that micro-op without entering its block again. */
export const RESUME = 1;
/** A link stub is a header and a double-length micro-op. */
export const STUB_BYTES = BLOCK_HEADER_BYTES + 2 * MICRO_OP_BYTES;

export const LOAD_NAMES = [
  "load8_s",
  "load8_u",
  "load16_s",
  "load16_u",
  "load32_s",
  "load32_u",
  "load64",
] as const;
export const STORE_NAMES = ["store8", "store16", "store32", "store64"] as const;
export const BRANCH_CONDITIONS = [
  "eq",
  "ne",
  "lt_s",
  "lt_u",
  "ge_s",
  "ge_u",
  "gt_s",
  "gt_u",
  "le_s",
  "le_u",
] as const;

const names: string[] = [
  "const",
  "mov",
  "extend_s",
  "extend_u",
  "eqz64",
  "eqz32",
  "select",
  ...I64_BINARY_NAMES.flatMap((n) => [`i64.${n}`, `i64.${n}.imm`]),
  ...I32_BINARY_NAMES.flatMap((n) => [`i32.${n}`, `i32.${n}.imm`, `i32.${n}.sx`, `i32.${n}.imm.sx`]),
  ...COMPARE_NAMES.flatMap((n) => [`i64.${n}`, `i64.${n}.imm`, `i32.${n}`, `i32.${n}.imm`]),
  ...I64_UNARY_NAMES.map((n) => `i64.${n}`),
  ...I32_UNARY_NAMES.flatMap((n) => [`i32.${n}`, `i32.${n}.sx`]),
  ...LOAD_NAMES,
  ...STORE_NAMES,
  "probe_read",
  "probe_write",
  ...RMW_NAMES.flatMap((n) => [`rmw32.${n}`, `rmw64.${n}`]),
  // With the number of the operation in x.
  "rmw8",
  "rmw16",
  ...[8, 16, 32, 64, 128].flatMap((n) => [`cas${n}`, `load_reserved${n}`, `store_conditional${n}`]),
  "load128",
  "store128",
  // Operations on vectors: y is the place in VECTOR_MICRO_OPS. The second has 16 bytes of immediate behind it.
  "vector",
  "vector_immediate",
  "check_align",
  "call",
  "call_if",
  // If any of some bits is set: the bits stand above the constant, in its upper half.
  "call_if_any",
  // With the number of the shortcut in d.
  "shortcut",
  "select_context",
  "select_code",
  "flags_out",
  "flags_in",
  ...SOFT_FUNCTIONS.map((f) => `fp.${f.name}`),
  // Ends of blocks.
  "region",
  "jump",
  "link",
  "jump_page",
  "jump_indirect",
  // With NOTED_TARGETS words behind it, where it notes the low halves of the addresses it led to.
  "jump_noted",
  "dispatch",
  "poll",
  "dead",
  "leave_at",
  "leave_indirect",
  "branch_nz",
  ...BRANCH_CONDITIONS.flatMap((n) => [`branch64.${n}`, `branch32.${n}`]),
];

const SINGLE_MICRO_OPS = names.length;
names.push(...SEQUENCES.map((sequence) => sequence.join("+")));

/** What `vector` does. Lanes are parts of a slot: they are extracted from `a`, and inserted at `d`. */
export const VECTOR_MICRO_OPS: readonly string[] = [
  "mov",
  "const",
  "shuffle",
  "select",
  "extract8_s",
  "extract8_u",
  "extract16_s",
  "extract16_u",
  "insert8",
  "insert16",
  "insert32",
  ...VECTOR_OPERATION_LIST.map(([name]) => name),
];

export function vectorMicroOp(name: string): number {
  const index = VECTOR_MICRO_OPS.indexOf(name);
  if (index < 0) throw new Error(`no vector micro-op ${name}`);
  return index;
}

const codes = new Map(names.map((name, code) => [name, code]));

export const MICRO_OP_NAMES: readonly string[] = names;

export function microOp(name: string): number {
  const code = codes.get(name);
  if (code === undefined) throw new Error(`no micro-op ${name}`);
  return code;
}

/** By a micro-op, which may be of several, and the one behind it: the one that does what both do. */
const joined: (Int16Array | undefined)[] = [];
/** By micro-op: the one that does the same but for the last; those that are of one are not in it. */
const shorter: number[] = [];
for (const sequence of SEQUENCES) {
  const all = microOp(sequence.join("+"));
  const most = microOp(sequence.slice(0, -1).join("+"));
  joined[most] ??= new Int16Array(SINGLE_MICRO_OPS).fill(-1);
  joined[most][microOp(sequence.at(-1) as string)] = all;
  shorter[all] = most;
}

/** The micro-op that does what two do that follow each other; -1 if there is none. The second is one of one. */
export const joinedOf = (first: number, second: number): number => joined[first]?.[second] ?? -1;

const VECTOR_IMMEDIATE = microOp("vector_immediate");
/** By micro-op: places of micro-ops that it takes. */
const places: number[] = names.map((_, op) => (op === VECTOR_IMMEDIATE ? 2 : 1));
for (const [i, sequence] of SEQUENCES.entries()) places[SINGLE_MICRO_OPS + i] = sequence.length;
/** How many places of micro-ops one takes: those it is of, or itself and its immediate. */
export const microOpsIn = (op: number): number => places[op] as number;

/** The same micro-op, without the last one of the several that it does; -1 if it is of one. */
export const shortened = (op: number): number => shorter[op] ?? -1;

/** Why the interpreter returned. */
export const Leave = {
  /** A link stub was executed; its address is in the state's `microOp`. */
  link: 0,
  /** An indirect jump's target is not in the jump cache; `pc` is set. */
  indirect: 1,
  /** Less budget is left than the block at `microOp` needs; nothing of it was executed. */
  budget: 2,
  /** `pc` is set; go through the dispatcher. */
  dispatch: 3,
  /** A helper or slow access asked for it; the core knows what to do. */
  status: 4,
  /** The block at `microOp` was entered often enough to be compiled; nothing of it was executed. */
  hot: 5,
} as const;
