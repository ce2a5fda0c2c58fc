import type { ByteWriter } from "./bytes.js";
import {
  CONVERSIONS,
  FLOAT_BASE,
  FLOAT_BINARY,
  FLOAT_COMPARE,
  FLOAT_UNARY,
  I32_BINARY,
  I32_COMPARE,
  I32_UNARY,
  I64_BINARY,
  I64_COMPARE,
  I64_UNARY,
  LOADS,
  STORES,
  type ValType,
  VECTOR_PREFIX,
} from "./opcodes.js";
import { V128_LOAD, V128_STORE, type VectorShape } from "./vectors.js";

// A small expression language over WebAssembly: `i64.add(x, 1)` is a tree that writes itself as bytes.
// It is for code written once per process (the interpreter, the soft floating point); code generated
// while a guest runs is written with ByteWriter directly.

/** Where a function body is written: bytes plus the stack of enclosing labels. */
export interface Sink {
  readonly out: ByteWriter;
  readonly labels: Label[];
}

/** A branch target: made by `block` and `loop`. */
export interface Label {
  readonly kind: "block" | "loop" | "if";
}

/** A WebAssembly expression or (type "void") statement. */
export interface Expr {
  readonly type: ValType | "void";
  write(sink: Sink): void;
}

/** What an operand may be given as: an expression, or a constant of the type the instruction takes. */
export type Val = Expr | number | bigint;

export function expr(type: ValType | "void", write: (sink: Sink) => void): Expr {
  return { type, write };
}

function constant(type: ValType, value: number | bigint): Expr {
  return expr(type, ({ out }) => {
    if (type === "i32") {
      out.u8(0x41);
      out.s32(Number(BigInt.asIntN(32, BigInt(value))));
    } else if (type === "i64") {
      const v = BigInt.asIntN(64, BigInt(value));
      out.u8(0x42);
      out.s64(Number(BigInt.asIntN(32, v)), Number(v >> 32n));
    } else if (type === "f64") {
      out.u8(0x44);
      out.f64(Number(value));
    } else {
      out.u8(0x43);
      out.f32(Number(value));
    }
  });
}

/** An operand as an expression of `type`; throws TypeError when the types differ, so mistakes show at build time. */
export function operand(type: ValType, value: Val): Expr {
  if (typeof value !== "object") return constant(type, value);
  if (value.type !== type) throw new TypeError(`expected ${type}, got ${value.type}`);
  return value;
}

function binary(op: number, operandType: ValType, resultType: ValType) {
  return (a: Val, b: Val): Expr => {
    const x = operand(operandType, a);
    const y = operand(operandType, b);
    return expr(resultType, (sink) => {
      x.write(sink);
      y.write(sink);
      sink.out.u8(op);
    });
  };
}

function unary(op: number, operandType: ValType, resultType: ValType) {
  return (a: Val): Expr => {
    const x = operand(operandType, a);
    return expr(resultType, (sink) => {
      x.write(sink);
      sink.out.u8(op);
    });
  };
}

function load(op: number, align: number, type: ValType) {
  return (address: Val, offset = 0): Expr => {
    const at = operand("i32", address);
    return expr(type, (sink) => {
      at.write(sink);
      sink.out.u8(op);
      // Guest accesses need not be aligned; the hint is only a promise, so make none.
      sink.out.u32(Math.min(align, 0));
      sink.out.u32(offset);
    });
  };
}

function store(op: number, type: ValType) {
  return (address: Val, value: Val, offset = 0): Expr => {
    const at = operand("i32", address);
    const v = operand(type, value);
    return expr("void", (sink) => {
      at.write(sink);
      v.write(sink);
      sink.out.u8(op);
      sink.out.u32(0);
      sink.out.u32(offset);
    });
  };
}

/** A vector instruction: its number behind the prefix, and 0 to 16 bytes behind that. */
export function vector(
  code: number,
  { operands, result }: VectorShape,
  values: readonly Val[],
  immediate: readonly number[] = [],
): Expr {
  const list = values.map((value, i) => operand(operands[i] as ValType, value));
  return expr(result, (sink) => {
    for (const value of list) value.write(sink);
    sink.out.u8(VECTOR_PREFIX);
    sink.out.u32(code);
    for (const byte of immediate) sink.out.u8(byte);
  });
}

/** Loads and stores of vectors. */
export const v128 = {
  load: (address: Val, offset = 0): Expr =>
    vectorMemory(V128_LOAD, "v128", [operand("i32", address)], offset),
  store: (address: Val, value: Val, offset = 0): Expr =>
    vectorMemory(V128_STORE, "void", [operand("i32", address), operand("v128", value)], offset),
};

function vectorMemory(code: number, type: ValType | "void", values: readonly Expr[], offset: number): Expr {
  return expr(type, (sink) => {
    for (const value of values) value.write(sink);
    sink.out.u8(VECTOR_PREFIX);
    sink.out.u32(code);
    sink.out.u32(0);
    sink.out.u32(offset);
  });
}

type Binary = (a: Val, b: Val) => Expr;
type Unary = (a: Val) => Expr;
type Load = (address: Val, offset?: number) => Expr;
type Store = (address: Val, value: Val, offset?: number) => Expr;
type Named<T, F> = { readonly [K in keyof T]: F };

function each<T extends Record<string, unknown>, F>(table: T, make: (entry: T[keyof T]) => F): Named<T, F> {
  return Object.fromEntries(
    Object.entries(table).map(([name, entry]) => [name, make(entry as T[keyof T])]),
  ) as Named<T, F>;
}

function conversions<R extends keyof typeof CONVERSIONS>(result: R): Named<(typeof CONVERSIONS)[R], Unary> {
  return each(CONVERSIONS[result], (e) => {
    const [op, from] = e as readonly [number, ValType];
    return unary(op, from, result);
  });
}

function memory<R extends keyof typeof LOADS>(
  type: R,
): Named<(typeof LOADS)[R], Load> & Named<(typeof STORES)[R], Store> {
  const loads = each(LOADS[type], (e) => {
    const [op, align] = e as readonly [number, number];
    return load(op, align, type);
  });
  const stores = each(STORES[type], (e) => store((e as readonly [number, number])[0], type));
  return { ...loads, ...stores };
}

/** i32 instructions by their WebAssembly names. */
export const i32 = {
  const: (value: number | bigint): Expr => constant("i32", value),
  ...each(I32_BINARY, (op): Binary => binary(op, "i32", "i32")),
  ...each(I32_COMPARE, (op): Binary => binary(op, "i32", "i32")),
  ...each(I32_UNARY, (op): Unary => unary(op, "i32", "i32")),
  ...conversions("i32"),
  ...memory("i32"),
};

/** i64 instructions by their WebAssembly names. */
export const i64 = {
  const: (value: number | bigint): Expr => constant("i64", value),
  ...each(I64_BINARY, (op): Binary => binary(op, "i64", "i64")),
  ...each(I64_COMPARE, (op): Binary => binary(op, "i64", "i32")),
  ...each(I64_UNARY, (op): Unary => unary(op, "i64", "i64")),
  eqz: unary(0x50, "i64", "i32"),
  ...conversions("i64"),
  ...memory("i64"),
};

/** f32 instructions by their WebAssembly names. */
export const f32 = {
  const: (value: number): Expr => constant("f32", value),
  ...each(FLOAT_BINARY, (n): Binary => binary(FLOAT_BASE.f32.binary + n, "f32", "f32")),
  ...each(FLOAT_COMPARE, (n): Binary => binary(FLOAT_BASE.f32.compare + n, "f32", "i32")),
  ...each(FLOAT_UNARY, (n): Unary => unary(FLOAT_BASE.f32.unary + n, "f32", "f32")),
  ...conversions("f32"),
  ...memory("f32"),
};

/** f64 instructions by their WebAssembly names. */
export const f64 = {
  const: (value: number): Expr => constant("f64", value),
  ...each(FLOAT_BINARY, (n): Binary => binary(FLOAT_BASE.f64.binary + n, "f64", "f64")),
  ...each(FLOAT_COMPARE, (n): Binary => binary(FLOAT_BASE.f64.compare + n, "f64", "i32")),
  ...each(FLOAT_UNARY, (n): Unary => unary(FLOAT_BASE.f64.unary + n, "f64", "f64")),
  ...conversions("f64"),
  ...memory("f64"),
};

export type { Binary, Load, Store, Unary };
