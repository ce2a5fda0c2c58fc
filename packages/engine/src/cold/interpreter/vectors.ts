import {
  type Callable,
  type Expr,
  i32,
  i64,
  type ModuleBuilder,
  ret,
  select,
  seq,
  switchOn,
  type Val,
  v128,
  vector,
} from "../../wasm/index.js";
import { VECTOR_OPERATION_LIST } from "../../wasm/vectors.js";
import { VECTOR_MICRO_OPS } from "../micro-ops.js";
import type { Handlers } from "./machine.js";

/**
 * Vector operations are in a function of their own, `vectors(pc)`, so that the interpreter's loop stays small. Only
 * those that can leave a block, accesses, are in the loop.
 */
export function emitVectors(module: ModuleBuilder, state: number): Callable {
  const f = module.func("vectors", ["i32"]);
  const pc = f.arg(0);
  const slot = (at: number): Expr => i32.load16_u(pc, at);
  const d = slot(2);
  const a = v128.load(slot(4), state);
  const b = v128.load(slot(6), state);
  const c = v128.load(slot(8), state);
  const a32 = i32.load(slot(4), state);
  const b32 = i32.load(slot(6), state);
  const b64 = i64.load(slot(6), state);
  const immediate = v128.load(pc, 16);
  const put = (value: Expr): Expr => v128.store(d, value, state);
  const put32 = (value: Expr): Expr => i64.store(d, i64.extend_i32_u(value), state);

  const handlers = new Map<string, Expr>([
    ["mov", put(a)],
    ["const", put(immediate)],
    ["shuffle", put(shuffled(a, b, immediate))],
    ["select", put(select("v128", a32, b, c))],
    ["extract8_s", put32(i32.load8_s(slot(4), state))],
    ["extract8_u", put32(i32.load8_u(slot(4), state))],
    ["extract16_s", put32(i32.load16_s(slot(4), state))],
    ["extract16_u", put32(i32.load16_u(slot(4), state))],
    ["insert8", i64.store8(d, b64, state)],
    ["insert16", i64.store16(d, b64, state)],
    ["insert32", i64.store32(d, b64, state)],
  ]);
  for (const [name, operation] of VECTOR_OPERATION_LIST) {
    const sources = { v128: [a, b, c], i32: [a32, b32], i64: [i64.load(slot(4), state)] } as Record<
      string,
      Val[]
    >;
    const operands = operation.operands.map((type, i) => sources[type]?.[i] as Val);
    const result = vector(operation.code, operation, operands);
    handlers.set(name, operation.result === "v128" ? put(result) : put32(result));
  }

  const cases = VECTOR_MICRO_OPS.map((name) => seq(handlers.get(name) as Expr, ret()));
  return f.body(switchOn(i32.load(pc, 12), cases));
}

/** Lanes by number. What is no lane of a vector gives zero: 16 and more of the first, what is below of the second. */
function shuffled(a: Expr, b: Expr, lanes: Expr): Expr {
  const simd = (name: string, ...operands: Val[]): Expr => {
    const operation = OPERATIONS.get(name);
    if (operation === undefined) throw new Error(`no vector operation ${name}`);
    return vector(operation.code, operation, operands);
  };
  const second = simd("i8x16.sub", lanes, simd("i8x16.splat", 16));
  return simd("v128.or", simd("i8x16.swizzle", a, lanes), simd("i8x16.swizzle", b, second));
}

const OPERATIONS = new Map(VECTOR_OPERATION_LIST);

export function addVectorHandlers(handlers: Handlers, vectors: Callable): void {
  handlers.set("vector", (m) => m.done(vectors.call(m.pc)));
  // Its immediate takes the place of another micro-op.
  handlers.set("vector_immediate", (m) => seq(vectors.call(m.pc), m.pc.set(i32.add(m.pc, 16)), m.advance()));
}
