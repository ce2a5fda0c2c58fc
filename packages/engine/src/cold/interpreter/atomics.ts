import type { AccessSize, AtomicSize } from "../../ir/node.js";
import { RMW_NAMES, type RmwName } from "../../ir/ops.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import {
  br,
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
  when,
} from "../../wasm/index.js";
import { VECTOR_OPERATIONS } from "../../wasm/vectors.js";
import { SlowAccess } from "../slow-access.js";
import type { Handler, Handlers, Machine } from "./machine.js";
import { host, probe } from "./tlb.js";

/** `combine(operation, old, operand)`: what the read-modify-write of that number stores, for the rarer sizes. */
export function emitCombine(module: ModuleBuilder): Callable {
  const f = module.func("combine", ["i32", "i64", "i64"], "i64");
  const [operation, old, operand] = [f.arg(0), f.arg(1), f.arg(2)];
  const cases = RMW_NAMES.map((name) => ret(combine(name, old, operand)));
  return f.body(switchOn(operation, cases), i64.const(0));
}

export function addAtomicHandlers(handlers: Handlers, combineBy: Callable): void {
  for (const size of [1, 2, 4, 8] as const) {
    const bits = size * 8;
    if (size < 4) {
      handlers.set(
        `rmw${bits}`,
        readModifyWrite(size, (m, old, operand) => combineBy.call(m.imm32, old, operand)),
      );
    } else {
      for (const name of RMW_NAMES)
        handlers.set(
          `rmw${bits}.${name}`,
          readModifyWrite(size, (_, old, operand) => combine(name, old, operand)),
        );
    }
    handlers.set(`cas${bits}`, compareAndSwap(size));
    handlers.set(`load_reserved${bits}`, loadReserved(size));
    handlers.set(`store_conditional${bits}`, storeConditional(size));
  }
  addWideHandlers(handlers);
}

/** Those of 16 bytes. Values are in two halves, so that the interpreter needs no local for vectors. */
function addWideHandlers(handlers: Handlers): void {
  const [low, high] = [(m: Machine) => i64.load(m.target), (m: Machine) => i64.load(m.target, 8)];
  handlers.set(
    "cas128",
    atomic(16, "write", SlowAccess.rmw, (m) => [
      m.status.set(differ(v128.load(m.target), m.bVector)),
      m.value.set(low(m)),
      m.va.set(high(m)),
      when(i32.eqz(m.status), [v128.store(m.target, m.cVector)]),
      m.setD(m.value),
      m.setDHigh(m.va),
    ]),
  );
  handlers.set(
    "load_reserved128",
    atomic(16, "read", 0, (m) => [
      m.setEngine64(E.reservation, i64.extend_i32_u(m.target)),
      m.setEngine64(E.reservedValue, low(m)),
      m.setEngine64(E.reservedHigh, high(m)),
      m.setVector(v128.load(m.target)),
    ]),
  );
  handlers.set(
    "store_conditional128",
    atomic(16, "write", SlowAccess.write, (m) => [
      m.value.set(i64.const(1)),
      when(i64.eq(m.engine64(E.reservation), i64.extend_i32_u(m.target)), [
        when(
          i32.and(i64.eq(m.engine64(E.reservedValue), low(m)), i64.eq(m.engine64(E.reservedHigh), high(m))),
          [v128.store(m.target, m.bVector), m.value.set(i64.const(0))],
        ),
      ]),
      m.setEngine64(E.reservation, -1),
      m.setD(m.value),
    ]),
  );
}

/** i32: not 0 if two vectors differ. */
function differ(a: Expr, b: Expr): Expr {
  const { xor, any_true } = VECTOR_OPERATIONS.v128;
  return vector(any_true.code, any_true, [vector(xor.code, xor, [a, b])]);
}

/** An access that must be aligned; `body` finds its host address in `target`. */
function atomic(
  size: AccessSize,
  tag: "read" | "write",
  access: number,
  body: (m: Machine) => readonly Expr[],
): Handler {
  return (m) =>
    seq(
      m.va.set(m.a),
      probe(m, size, tag),
      when(i32.or(m.status, i32.and(i32.wrap_i64(m.va), size - 1)), [
        m.value.set(m.b),
        m.kind.set(size | access | SlowAccess.aligned | SlowAccess.atomic | SlowAccess.signed),
        br(m.slowStore),
      ]),
      m.target.set(host(m)),
      ...body(m),
      m.advance(),
    );
}

function readModifyWrite(size: AtomicSize, stored: (m: Machine, old: Expr, operand: Expr) => Expr): Handler {
  return atomic(size, "write", SlowAccess.rmw, (m) => [
    m.value.set(loadTarget(m, size)),
    storeTarget(m, size, stored(m, m.value, narrow(m.b, size))),
    m.setD(m.value),
  ]);
}

function compareAndSwap(size: AtomicSize): Handler {
  return atomic(size, "write", SlowAccess.rmw, (m) => [
    m.value.set(loadTarget(m, size)),
    when(i64.eq(m.value, narrow(m.b, size)), [storeTarget(m, size, m.c)]),
    m.setD(m.value),
  ]);
}

function loadReserved(size: AtomicSize): Handler {
  return atomic(size, "read", 0, (m) => [
    m.value.set(loadTarget(m, size)),
    m.setEngine64(E.reservation, i64.extend_i32_u(m.target)),
    m.setEngine64(E.reservedValue, m.value),
    m.setD(m.value),
  ]);
}

function storeConditional(size: AtomicSize): Handler {
  return atomic(size, "write", SlowAccess.write, (m) => [
    m.value.set(i64.const(1)),
    // The address and the value must be those of the load-reserved.
    when(i64.eq(m.engine64(E.reservation), i64.extend_i32_u(m.target)), [
      when(i64.eq(m.engine64(E.reservedValue), loadTarget(m, size)), [
        storeTarget(m, size, m.b),
        m.value.set(i64.const(0)),
      ]),
    ]),
    m.setEngine64(E.reservation, -1),
    m.setD(m.value),
  ]);
}

/** By size. What is less than 8 bytes is sign-extended. */
const LOAD = { 1: i64.load8_s, 2: i64.load16_s, 4: i64.load32_s, 8: i64.load } as const;
const STORE = { 1: i64.store8, 2: i64.store16, 4: i64.store32, 8: i64.store } as const;
const NARROW = {
  1: i64.extend8_s,
  2: i64.extend16_s,
  4: i64.extend32_s,
  8: (operand: Expr) => operand,
} as const;

function loadTarget(m: Machine, size: AtomicSize): Expr {
  return LOAD[size](m.target);
}
function storeTarget(m: Machine, size: AtomicSize, value: Val): Expr {
  return STORE[size](m.target, value);
}

/** An operand in the form that memory's value has. */
function narrow(operand: Expr, size: AtomicSize): Expr {
  return NARROW[size](operand);
}

/** What a read-modify-write stores. Comparing sign-extended values, unsigned too, gives what comparing narrow ones would. */
function combine(name: RmwName, old: Expr, operand: Expr): Expr {
  const pick = (test: Expr): Expr => select("i64", test, old, operand);
  switch (name) {
    case "xchg":
      return operand;
    case "add":
      return i64.add(old, operand);
    case "sub":
      return i64.sub(old, operand);
    case "and":
      return i64.and(old, operand);
    case "clear":
      return i64.and(old, i64.xor(operand, -1));
    case "or":
      return i64.or(old, operand);
    case "xor":
      return i64.xor(old, operand);
    case "min_s":
      return pick(i64.lt_s(old, operand));
    case "max_s":
      return pick(i64.gt_s(old, operand));
    case "min_u":
      return pick(i64.lt_u(old, operand));
    case "max_u":
      return pick(i64.gt_u(old, operand));
    default:
      throw new Error(`unknown read-modify-write ${name satisfies never}`);
  }
}
