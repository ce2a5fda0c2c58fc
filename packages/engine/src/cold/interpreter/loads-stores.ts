import { ENGINE_STATE as E } from "../../state/layout.js";
import { br, type Expr, i32, i64, seq, v128, when } from "../../wasm/index.js";
import type { LOAD_NAMES, STORE_NAMES } from "../micro-ops.js";
import { SlowAccess } from "../slow-access.js";
import type { Handler, Handlers, Machine } from "./machine.js";
import { host, probe } from "./tlb.js";

const LOADS: readonly [(typeof LOAD_NAMES)[number], number, boolean, (at: Expr) => Expr][] = [
  ["load8_s", 1, true, (at) => i64.load8_s(at)],
  ["load8_u", 1, false, (at) => i64.load8_u(at)],
  ["load16_s", 2, true, (at) => i64.load16_s(at)],
  ["load16_u", 2, false, (at) => i64.load16_u(at)],
  ["load32_s", 4, true, (at) => i64.load32_s(at)],
  ["load32_u", 4, false, (at) => i64.load32_u(at)],
  ["load64", 8, false, (at) => i64.load(at)],
];
const STORES: readonly [(typeof STORE_NAMES)[number], number, (at: Expr, v: Expr) => Expr][] = [
  ["store8", 1, (at, v) => i64.store8(at, v)],
  ["store16", 2, (at, v) => i64.store16(at, v)],
  ["store32", 4, (at, v) => i64.store32(at, v)],
  ["store64", 8, (at, v) => i64.store(at, v)],
];

export function addLoadStoreHandlers(handlers: Handlers): void {
  for (const [name, size, signed, read] of LOADS) handlers.set(name, load(size, signed, read));
  for (const [name, size, write] of STORES) handlers.set(name, store(size, write));
  handlers.set("load128", (m) =>
    seq(
      address(m),
      probe(m, 16, "read"),
      // The upper half of the answer is put in its place by JavaScript.
      when(m.status, [m.kind.set(16), br(m.slowLoad)]),
      m.setVector(v128.load(host(m))),
      m.advance(),
    ),
  );
  handlers.set("store128", (m) =>
    seq(
      address(m),
      probe(m, 16, "write"),
      when(m.status, [
        m.value.set(m.b),
        m.setEngine64(E.accessValue + 8, m.bHigh),
        m.kind.set(16 | SlowAccess.write),
        br(m.slowStore),
      ]),
      v128.store(host(m), m.bVector),
      m.advance(),
    ),
  );
  handlers.set("probe_read", probeByte("read", 1 | SlowAccess.probe));
  handlers.set("probe_write", probeByte("write", 1 | SlowAccess.write | SlowAccess.probe));
  handlers.set("check_align", (m) =>
    seq(
      address(m),
      // d holds the kind of the access that follows, size included.
      m.kind.set(i32.load16_u(m.pc, 2)),
      when(i32.and(i32.wrap_i64(m.va), i32.sub(i32.and(m.kind, SlowAccess.size), 1)), [br(m.slowStore)]),
      m.advance(),
    ),
  );
}

function address(m: Machine): Expr {
  return m.va.set(i64.add(m.a, i64.load32_s(m.pc, 8)));
}

function load(size: number, signed: boolean, read: (at: Expr) => Expr): Handler {
  return (m) =>
    seq(
      address(m),
      probe(m, size, "read"),
      when(m.status, [m.kind.set(size | (signed ? SlowAccess.signed : 0)), br(m.slowLoad)]),
      m.setD(read(host(m))),
      m.advance(),
    );
}

function store(size: number, write: (at: Expr, v: Expr) => Expr): Handler {
  return (m) =>
    seq(
      address(m),
      probe(m, size, "write"),
      when(m.status, [m.value.set(m.b), m.kind.set(size | SlowAccess.write), br(m.slowStore)]),
      write(host(m), m.b),
      m.advance(),
    );
}

/** A probe checks one byte; the lowering emits one for each end of a range. */
function probeByte(tag: "read" | "write", kind: number): Handler {
  return (m) =>
    seq(address(m), probe(m, 1, tag), when(m.status, [m.kind.set(kind), br(m.slowStore)]), m.advance());
}
