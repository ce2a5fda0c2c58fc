import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
} from "../../ir/ops.js";
import { type Callable, type Expr, either, i32, i64, select } from "../../wasm/index.js";
import type { Handler, Handlers } from "./machine.js";

type Binary = (a: Expr, b: Expr) => Expr;

/** Whatever computes a value from values. `mulHigh` is the unsigned high product. */
export function addArithmeticHandlers(handlers: Handlers, mulHigh: Callable): void {
  const put = (name: string, compute: Handler) => handlers.set(name, (m) => m.done(compute(m)));

  put("const", (m) => m.setD(m.imm));
  put("mov", (m) => m.setD(m.a));
  put("extend_s", (m) => m.setD32s(m.a32));
  put("extend_u", (m) => m.setD32(m.a32));
  put("eqz64", (m) => m.setD32(i64.eqz(m.a)));
  put("eqz32", (m) => m.setD32(i32.eqz(m.a32)));
  put("select", (m) => m.setD(select("i64", m.a32, m.b, m.c)));

  for (const name of I64_BINARY_NAMES) {
    const binary = i64Binary(name, mulHigh);
    put(`i64.${name}`, (m) => m.setD(binary(m.a, m.b)));
    put(`i64.${name}.imm`, (m) => m.setD(binary(m.a, m.imm)));
  }
  for (const name of I32_BINARY_NAMES) {
    const binary = i32Binary(name);
    put(`i32.${name}`, (m) => m.setD32(binary(m.a32, m.b32)));
    put(`i32.${name}.imm`, (m) => m.setD32(binary(m.a32, m.imm32)));
    put(`i32.${name}.sx`, (m) => m.setD32s(binary(m.a32, m.b32)));
    put(`i32.${name}.imm.sx`, (m) => m.setD32s(binary(m.a32, m.imm32)));
  }
  for (const name of COMPARE_NAMES) {
    put(`i64.${name}`, (m) => m.setD32(i64[name](m.a, m.b)));
    put(`i64.${name}.imm`, (m) => m.setD32(i64[name](m.a, m.imm)));
    put(`i32.${name}`, (m) => m.setD32(i32[name](m.a32, m.b32)));
    put(`i32.${name}.imm`, (m) => m.setD32(i32[name](m.a32, m.imm32)));
  }
  for (const name of I64_UNARY_NAMES) put(`i64.${name}`, (m) => m.setD(i64[name](m.a)));
  for (const name of I32_UNARY_NAMES) {
    put(`i32.${name}`, (m) => m.setD32(i32[name](m.a32)));
    put(`i32.${name}.sx`, (m) => m.setD32s(i32[name](m.a32)));
  }
}

function i64Binary(name: string, mulHigh: Callable): Binary {
  switch (name) {
    case "mulh_u":
      return (a, b) => mulHigh.call(a, b);
    // Signed high products are the unsigned one less each operand where the other is negative.
    case "mulh_su":
      return (a, b) => i64.sub(mulHigh.call(a, b), i64.and(i64.shr_s(a, 63), b));
    case "mulh_s":
      return (a, b) =>
        i64.sub(i64.sub(mulHigh.call(a, b), i64.and(i64.shr_s(a, 63), b)), i64.and(i64.shr_s(b, 63), a));
    default:
      return common(i64, "i64", name);
  }
}

function i32Binary(name: string): Binary {
  return common(i32, "i32", name);
}

function common(ns: typeof i64 | typeof i32, type: "i32" | "i64", name: string): Binary {
  if (name === "add_overflow")
    return (a, b) => {
      const sum = ns.add(a, b);
      return ns.and(ns.xor(a, sum), ns.xor(b, sum));
    };
  if (name === "sub_overflow") return (a, b) => ns.and(ns.xor(a, b), ns.xor(a, ns.sub(a, b)));
  return isDivision(name) ? totalDivision(ns, type, name) : sameIn(ns, name);
}

/** An operation that is one of WebAssembly's. */
function sameIn(ns: typeof i64 | typeof i32, name: string): Binary {
  return (ns as unknown as Record<string, Binary>)[name] as Binary;
}

const isDivision = (name: string): boolean => /^(div|rem)/.test(name);

/** IR division is total: by zero the quotient is 0 and the remainder the dividend; MIN / -1 is MIN, remainder 0. */
function totalDivision(ns: typeof i64 | typeof i32, type: "i32" | "i64", name: string): Binary {
  const zero = ns.const(0);
  return (a, b) => {
    const isZero = ns.eqz(b);
    if (name === "div_u") return either(type, isZero, [zero], [ns.div_u(a, b)]);
    if (name === "rem_u") return either(type, isZero, [a], [ns.rem_u(a, b)]);
    if (name === "rem_s") return either(type, isZero, [a], [ns.rem_s(a, b)]);
    // wasm's div_s traps on overflow; negation gives MIN for MIN.
    return either(type, isZero, [zero], [either(type, ns.eq(b, -1), [ns.sub(0, a)], [ns.div_s(a, b)])]);
  };
}
