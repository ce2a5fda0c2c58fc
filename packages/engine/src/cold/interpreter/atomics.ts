import { RMW_NAMES, type RmwName } from "../../ir/ops.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import { br, type Expr, i32, i64, select, seq, type Val, when } from "../../wasm/index.js";
import { SlowAccess } from "../slow-access.js";
import type { Handler, Handlers, Machine } from "./machine.js";
import { host, probe } from "./tlb.js";

type Size = 4 | 8;

export function addAtomicHandlers(handlers: Handlers): void {
  for (const size of [4, 8] as const) {
    const bits = size * 8;
    for (const name of RMW_NAMES) handlers.set(`rmw${bits}.${name}`, readModifyWrite(name, size));
    handlers.set(`cas${bits}`, compareAndSwap(size));
    handlers.set(`load_reserved${bits}`, loadReserved(size));
    handlers.set(`store_conditional${bits}`, storeConditional(size));
  }
}

/** An access that must be aligned; `body` finds its host address in `target`. */
function atomic(
  size: Size,
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

function readModifyWrite(name: RmwName, size: Size): Handler {
  return atomic(size, "write", SlowAccess.rmw, (m) => [
    m.value.set(loadTarget(m, size)),
    storeTarget(m, size, combine(name, m.value, narrow(m.b, size))),
    m.setD(m.value),
  ]);
}

function compareAndSwap(size: Size): Handler {
  return atomic(size, "write", SlowAccess.rmw, (m) => [
    m.value.set(loadTarget(m, size)),
    when(i64.eq(m.value, narrow(m.b, size)), [storeTarget(m, size, m.c)]),
    m.setD(m.value),
  ]);
}

function loadReserved(size: Size): Handler {
  return atomic(size, "read", 0, (m) => [
    m.value.set(loadTarget(m, size)),
    m.setEngine64(E.reservation, i64.extend_i32_u(m.target)),
    m.setEngine64(E.reservedValue, m.value),
    m.setD(m.value),
  ]);
}

function storeConditional(size: Size): Handler {
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

function loadTarget(m: Machine, size: Size): Expr {
  return size === 4 ? i64.load32_s(m.target) : i64.load(m.target);
}
function storeTarget(m: Machine, size: Size, value: Val): Expr {
  return size === 4 ? i64.store32(m.target, value) : i64.store(m.target, value);
}

/** An operand in the form that memory's value has: 32 bits sign-extended. */
function narrow(operand: Expr, size: Size): Expr {
  return size === 4 ? i64.extend32_s(operand) : operand;
}

/** What a read-modify-write stores. Comparing sign-extended values, unsigned too, gives what comparing 32 bits would. */
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
