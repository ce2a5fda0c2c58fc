import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  RMW_NAMES,
  type RmwName,
} from "../ir/ops.js";
import { SOFT_FUNCTIONS } from "../ir/soft.js";
import { emitSoftFloat, type SoftFloat, type SoftFloatOptions } from "../softfloat/index.js";
import { ENGINE_STATE as E } from "../state/layout.js";
import {
  BLOCK_TABLE_ENTRIES,
  BLOCK_TABLE_SPREAD,
  FETCH_TLB_ENTRIES,
  JUMP_CACHE_ENTRIES,
  LOOKUP_TABLES,
  TLB_ENTRIES,
} from "../tlb/geometry.js";
import type { PageWalker } from "../walk/page-walker.js";
import { emitRefill } from "../walk/refill.js";
import {
  block,
  br,
  brTable,
  type Callable,
  type Expr,
  either,
  type FunctionBuilder,
  i32,
  i64,
  type Label,
  type Local,
  loop,
  ModuleBuilder,
  ret,
  select,
  seq,
  unreachable,
  type Val,
  when,
} from "../wasm/index.js";
import { BLOCK_HEADER_BYTES, BRANCH_CONDITIONS, Leave, MICRO_OP_NAMES, RESUME } from "./micro-ops.js";
import { SlowAccess } from "./slow-access.js";

/** Where the interpreter finds things in host memory: byte addresses fixed when it is generated. */
export interface InterpreterPlan {
  /** The state window: the running vCPU's state lies here. */
  readonly state: number;
  /** The lookup tables (`LOOKUP_TABLES`). */
  readonly lookup: number;
  /** `HostPages`. */
  readonly hostPages: number;
  /** Size of the imported memory in 64 KiB pages. */
  readonly memoryPages: number;
  readonly sharedMemory: boolean;
}

/** How the interpreter goes on after JavaScript did an access or a helper. */
export const After = {
  /** Access: probe the TLB again. Helper: next micro-op. */
  again: 0,
  /** Access: it is done. */
  done: 1,
  /** Return from `run`. */
  leave: 2,
  /** The instruction is settled; go on at the state's `pc`. */
  go: 3,
} as const;

/** What handlers are written with. */
class Machine {
  readonly pc: Local;
  readonly budget: Local;
  readonly context: Local;
  readonly tlb: Local;
  readonly va: Local;
  readonly entry: Local;
  readonly value: Local;
  readonly kind: Local;
  readonly target: Local;
  /** Link stub that is to be made anew, 0 if none. */
  readonly stub: Local;
  readonly status: Local;
  /** The block being executed. */
  readonly block: Local;
  next!: Label;
  /** Branch here with `pc` at a block to be entered. */
  entering!: Label;
  /** Branch here with the virtual address to go on at in `va`. */
  going!: Label;
  slowLoad!: Label;
  slowStore!: Label;
  readonly plan: InterpreterPlan;
  readonly soft: SoftFloat | undefined;

  constructor(
    plan: InterpreterPlan,
    soft: SoftFloat | undefined,
    local: (type: "i32" | "i64") => Local,
    pc: Local,
  ) {
    this.plan = plan;
    this.soft = soft;
    this.pc = pc;
    this.budget = local("i32");
    this.context = local("i64");
    this.tlb = local("i32");
    this.va = local("i64");
    this.entry = local("i32");
    this.value = local("i64");
    this.kind = local("i32");
    this.target = local("i32");
    this.stub = local("i32");
    this.status = local("i32");
    this.block = local("i32");
  }

  private slot(at: number): Expr {
    return i32.load16_u(this.pc, at);
  }
  get a(): Expr {
    return i64.load(this.slot(4), this.plan.state);
  }
  get b(): Expr {
    return i64.load(this.slot(6), this.plan.state);
  }
  /** Third operand, in the low half of x. */
  get c(): Expr {
    return i64.load(this.slot(8), this.plan.state);
  }
  get a32(): Expr {
    return i32.load(this.slot(4), this.plan.state);
  }
  get b32(): Expr {
    return i32.load(this.slot(6), this.plan.state);
  }
  get c32(): Expr {
    return i32.load(this.slot(8), this.plan.state);
  }
  get imm(): Expr {
    return i64.load(this.pc, 8);
  }
  get imm32(): Expr {
    return i32.load(this.pc, 8);
  }
  setD(value: Val): Expr {
    return i64.store(this.slot(2), value, this.plan.state);
  }
  setD32(value: Expr): Expr {
    return this.setD(i64.extend_i32_u(value));
  }
  setD32s(value: Expr): Expr {
    return this.setD(i64.extend_i32_s(value));
  }

  // Engine part of the state
  engine32(offset: number): Expr {
    return i32.load(0, this.plan.state + offset);
  }
  engine64(offset: number): Expr {
    return i64.load(0, this.plan.state + offset);
  }
  setEngine32(offset: number, value: Val): Expr {
    return i32.store(0, value, this.plan.state + offset);
  }
  setEngine64(offset: number, value: Val): Expr {
    return i64.store(0, value, this.plan.state + offset);
  }

  /** Was something made under this generation under the current mappings? */
  isCurrent(generation: Expr): Expr {
    return i32.or(
      i32.eq(generation, this.engine32(E.generation)),
      i32.eq(generation, this.engine32(E.globalGeneration)),
    );
  }

  advance(): Expr {
    return seq(this.pc.set(i32.add(this.pc, 16)), br(this.next));
  }
  done(...body: Expr[]): Expr {
    return seq(...body, this.advance());
  }

  /** What lives in locals goes back to the state before JavaScript may look at it. */
  spill(): Expr {
    return seq(
      this.setEngine32(E.microOp, this.pc),
      this.setEngine32(E.block, this.block),
      this.setEngine32(E.budget, this.budget),
      ...(this.soft ? [this.setEngine32(E.fpFlags, this.soft.flags)] : []),
    );
  }
  reload(): Expr {
    return seq(
      this.budget.set(this.engine32(E.budget)),
      this.context.set(this.engine64(E.dataContext)),
      this.tlb.set(this.engine32(E.tlb)),
      ...(this.soft ? [this.soft.flags.set(this.engine32(E.fpFlags))] : []),
    );
  }
  leave(why: number): Expr {
    return seq(this.spill(), ret(i32.const(why)));
  }

  /** Enter the block at `target`: charge its instructions, or leave before it. */
  enter(target: Expr): Expr {
    return seq(this.pc.set(target), br(this.entering));
  }

  /** What `enter` branches to, once for all. */
  enterBlock(): Expr {
    const header = this.target;
    return seq(
      this.block.set(this.pc),
      header.set(i32.sub(this.pc, BLOCK_HEADER_BYTES)),
      this.status.set(i32.sub(i32.load(header), 1)),
      i32.store(header, this.status),
      when(i32.eqz(this.status), [this.leave(Leave.hot)]),
      this.budget.set(i32.sub(this.budget, i32.load(header, 8))),
      when(i32.lt_s(this.budget, 0), [
        this.budget.set(i32.add(this.budget, i32.load(header, 8))),
        this.leave(Leave.budget),
      ]),
    );
  }

  /**
   * TLB probe of `size` bytes at `va`: the entry is found by the page of the first byte and the tag
   * compared with the page of the last, so an access that crosses a page always misses.
   */
  tlbMisses(size: number, tag: "read" | "write"): Expr {
    const lastByte = size === 1 ? this.va : i64.add(this.va, size - 1);
    return seq(
      this.entry.set(i32.add(this.tlb, i32.and(i32.wrap_i64(i64.shr_u(this.va, 7)), (TLB_ENTRIES - 1) << 5))),
      // The comparison is the caller's; see `misses`.
      this.status.set(
        i64.ne(i64.load(this.entry, tag === "read" ? 0 : 8), i64.or(i64.and(lastByte, -4096), this.context)),
      ),
    );
  }
  /** Host address of `va` after a TLB hit. */
  get host(): Expr {
    return i32.add(i32.wrap_i64(this.va), i32.load(this.entry, 16));
  }
}

type Handler = (m: Machine) => Expr;

const LOADS: [string, number, boolean, (at: Expr) => Expr][] = [
  ["load8_s", 1, true, (at) => i64.load8_s(at)],
  ["load8_u", 1, false, (at) => i64.load8_u(at)],
  ["load16_s", 2, true, (at) => i64.load16_s(at)],
  ["load16_u", 2, false, (at) => i64.load16_u(at)],
  ["load32_s", 4, true, (at) => i64.load32_s(at)],
  ["load32_u", 4, false, (at) => i64.load32_u(at)],
  ["load64", 8, false, (at) => i64.load(at)],
];
const STORES: [string, number, (at: Expr, v: Expr) => Expr][] = [
  ["store8", 1, (at, v) => i64.store8(at, v)],
  ["store16", 2, (at, v) => i64.store16(at, v)],
  ["store32", 4, (at, v) => i64.store32(at, v)],
  ["store64", 8, (at, v) => i64.store(at, v)],
];

const ACCESS_WRITE = 1 << SlowAccess.accessShift;
const ACCESS_RMW = 2 << SlowAccess.accessShift;

function address(m: Machine): Expr {
  return m.va.set(i64.add(m.a, i64.load32_s(m.pc, 8)));
}

function loadHandler(size: number, signed: boolean, read: (at: Expr) => Expr): Handler {
  return (m) =>
    seq(
      address(m),
      m.tlbMisses(size, "read"),
      when(m.status, [m.kind.set(size | (signed ? SlowAccess.signed : 0)), br(m.slowLoad)]),
      m.setD(read(m.host)),
      m.advance(),
    );
}

function storeHandler(size: number, write: (at: Expr, v: Expr) => Expr): Handler {
  return (m) =>
    seq(
      address(m),
      m.tlbMisses(size, "write"),
      when(m.status, [m.value.set(m.b), m.kind.set(size | ACCESS_WRITE), br(m.slowStore)]),
      write(m.host, m.b),
      m.advance(),
    );
}

/** Accesses that must be aligned and writable: rmw, compare-and-exchange, store-conditional. */
function atomicHandler(size: 4 | 8, access: number, body: (m: Machine) => Expr): Handler {
  return (m) =>
    seq(
      m.va.set(m.a),
      m.tlbMisses(size, access === 0 ? "read" : "write"),
      when(i32.or(m.status, i32.and(i32.wrap_i64(m.va), size - 1)), [
        m.value.set(m.b),
        m.kind.set(size | access | SlowAccess.aligned | SlowAccess.atomic | SlowAccess.signed),
        br(m.slowStore),
      ]),
      m.target.set(m.host),
      body(m),
      m.advance(),
    );
}

function loadAtomic(m: Machine, size: 4 | 8): Expr {
  return size === 4 ? i64.load32_s(m.target) : i64.load(m.target);
}
function storeAtomic(m: Machine, size: 4 | 8, value: Val): Expr {
  return size === 4 ? i64.store32(m.target, value) : i64.store(m.target, value);
}

function rmwResult(name: RmwName, old: Expr, operand: Expr, size: 4 | 8): Expr {
  const pick = (test: Expr): Expr => select("i64", test, old, operand);
  // A 32-bit unsigned comparison of sign-extended values is the same as a 64-bit one.
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
      throw new Error(`unknown read-modify-write ${name satisfies never} of ${size}`);
  }
}

function rmwHandler(name: RmwName, size: 4 | 8): Handler {
  return atomicHandler(size, ACCESS_RMW, (m) => {
    const operand = size === 4 ? i64.extend32_s(m.b) : m.b;
    return seq(
      m.value.set(loadAtomic(m, size)),
      storeAtomic(m, size, rmwResult(name, m.value, operand, size)),
      m.setD(m.value),
    );
  });
}

function casHandler(size: 4 | 8): Handler {
  return atomicHandler(size, ACCESS_RMW, (m) => {
    const expected = size === 4 ? i64.extend32_s(m.b) : m.b;
    return seq(
      m.value.set(loadAtomic(m, size)),
      when(i64.eq(m.value, expected), [storeAtomic(m, size, m.c)]),
      m.setD(m.value),
    );
  });
}

function loadReservedHandler(size: 4 | 8): Handler {
  return atomicHandler(size, 0, (m) =>
    seq(
      m.value.set(loadAtomic(m, size)),
      m.setEngine64(E.reservation, i64.extend_i32_u(m.target)),
      m.setEngine64(E.reservedValue, m.value),
      m.setD(m.value),
    ),
  );
}

function storeConditionalHandler(size: 4 | 8): Handler {
  return atomicHandler(size, ACCESS_WRITE, (m) =>
    seq(
      m.value.set(i64.const(1)),
      // The address and the value must be those of the load-reserved.
      when(i64.eq(m.engine64(E.reservation), i64.extend_i32_u(m.target)), [
        when(i64.eq(m.engine64(E.reservedValue), loadAtomic(m, size)), [
          storeAtomic(m, size, m.b),
          m.value.set(i64.const(0)),
        ]),
      ]),
      m.setEngine64(E.reservation, -1),
      m.setD(m.value),
    ),
  );
}

/** Full 64x64 -> high 64 product from four 32-bit ones (Hacker's Delight, 8-2, in its unsigned form). */
function emitMulHigh(module: ModuleBuilder): FunctionBuilder {
  const f = module.func("mulh_u", ["i64", "i64"], "i64");
  const [a, b] = [f.arg(0), f.arg(1)];
  const low = (x: Expr) => i64.and(x, 0xffffffffn);
  const high = (x: Expr) => i64.shr_u(x, 32);
  const t = f.local("i64");
  const u = f.local("i64");
  f.body(
    t.set(i64.add(i64.mul(high(a), low(b)), high(i64.mul(low(a), low(b))))),
    u.set(i64.add(i64.mul(low(a), high(b)), low(t))),
    i64.add(i64.add(i64.mul(high(a), high(b)), high(t)), high(u)),
  );
  return f;
}

/** IR division is total: by zero the quotient is 0 and the remainder the dividend; MIN / -1 is MIN, remainder 0. */
function totalDivision(
  ns: typeof i64 | typeof i32,
  type: "i32" | "i64",
  name: string,
  a: Expr,
  b: Expr,
): Expr {
  const zero = ns.const(0);
  const isZero = ns.eqz(b);
  if (name === "div_u") return either(type, isZero, [zero], [ns.div_u(a, b)]);
  if (name === "rem_u") return either(type, isZero, [a], [ns.rem_u(a, b)]);
  if (name === "rem_s") return either(type, isZero, [a], [ns.rem_s(a, b)]);
  // wasm's div_s traps on overflow; negation gives MIN for MIN.
  return either(type, isZero, [zero], [either(type, ns.eq(b, -1), [ns.sub(0, a)], [ns.div_s(a, b)])]);
}

function handlers(mulHighU: Callable): Map<string, Handler> {
  const h = new Map<string, Handler>();
  const put = (name: string, make: (m: Machine) => Expr) => h.set(name, (m) => m.done(make(m)));

  put("const", (m) => m.setD(m.imm));
  put("mov", (m) => m.setD(m.a));
  put("extend_s", (m) => m.setD32s(m.a32));
  put("extend_u", (m) => m.setD32(m.a32));
  put("eqz64", (m) => m.setD32(i64.eqz(m.a)));
  put("eqz32", (m) => m.setD32(i32.eqz(m.a32)));
  put("select", (m) => m.setD(select("i64", m.a32, m.b, m.c)));

  const i64Binary = (name: string, a: Expr, b: Expr): Expr => {
    switch (name) {
      case "mulh_u":
        return mulHighU.call(a, b);
      // Signed high products are the unsigned one less each operand where the other is negative.
      case "mulh_su":
        return i64.sub(mulHighU.call(a, b), i64.and(i64.shr_s(a, 63), b));
      case "mulh_s":
        return i64.sub(
          i64.sub(mulHighU.call(a, b), i64.and(i64.shr_s(a, 63), b)),
          i64.and(i64.shr_s(b, 63), a),
        );
      case "div_s":
      case "div_u":
      case "rem_s":
      case "rem_u":
        return totalDivision(i64, "i64", name, a, b);
      default:
        return (i64 as unknown as Record<string, (a: Expr, b: Expr) => Expr>)[name]?.(a, b) as Expr;
    }
  };
  const i32Binary = (name: string, a: Expr, b: Expr): Expr =>
    /^(div|rem)/.test(name)
      ? totalDivision(i32, "i32", name, a, b)
      : ((i32 as unknown as Record<string, (a: Expr, b: Expr) => Expr>)[name]?.(a, b) as Expr);
  for (const name of I64_BINARY_NAMES) {
    put(`i64.${name}`, (m) => m.setD(i64Binary(name, m.a, m.b)));
    put(`i64.${name}.imm`, (m) => m.setD(i64Binary(name, m.a, m.imm)));
  }
  for (const name of I32_BINARY_NAMES) {
    put(`i32.${name}`, (m) => m.setD32(i32Binary(name, m.a32, m.b32)));
    put(`i32.${name}.imm`, (m) => m.setD32(i32Binary(name, m.a32, m.imm32)));
    put(`i32.${name}.sx`, (m) => m.setD32s(i32Binary(name, m.a32, m.b32)));
    put(`i32.${name}.imm.sx`, (m) => m.setD32s(i32Binary(name, m.a32, m.imm32)));
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

  for (const [name, size, signed, read] of LOADS) h.set(name, loadHandler(size, signed, read));
  for (const [name, size, write] of STORES) h.set(name, storeHandler(size, write));
  // A probe checks one byte; the lowering emits one for each end of a range.
  h.set("probe_read", (m) =>
    seq(
      address(m),
      m.tlbMisses(1, "read"),
      when(m.status, [m.kind.set(1 | SlowAccess.probe), br(m.slowStore)]),
      m.advance(),
    ),
  );
  h.set("probe_write", (m) =>
    seq(
      address(m),
      m.tlbMisses(1, "write"),
      when(m.status, [m.kind.set(1 | ACCESS_WRITE | SlowAccess.probe), br(m.slowStore)]),
      m.advance(),
    ),
  );
  for (const name of RMW_NAMES) {
    h.set(`rmw32.${name}`, rmwHandler(name, 4));
    h.set(`rmw64.${name}`, rmwHandler(name, 8));
  }
  h.set("cas32", casHandler(4));
  h.set("cas64", casHandler(8));
  h.set("load_reserved32", loadReservedHandler(4));
  h.set("load_reserved64", loadReservedHandler(8));
  h.set("store_conditional32", storeConditionalHandler(4));
  h.set("store_conditional64", storeConditionalHandler(8));
  h.set("check_align", (m) =>
    seq(
      address(m),
      // d holds the kind of the access that follows, size included.
      m.kind.set(i32.load16_u(m.pc, 2)),
      when(i32.and(i32.wrap_i64(m.va), i32.sub(i32.and(m.kind, 15), 1)), [br(m.slowStore)]),
      m.advance(),
    ),
  );

  // The IR reads and writes the accumulated flags as a field; inside the interpreter they are a global.
  put("flags_out", (m) => (m.soft ? m.setEngine32(E.fpFlags, m.soft.flags) : seq()));
  put("flags_in", (m) => (m.soft ? m.soft.flags.set(m.engine32(E.fpFlags)) : seq()));
  for (const fn of SOFT_FUNCTIONS) {
    h.set(`fp.${fn.name}`, (m) => {
      if (m.soft === undefined) return unreachable();
      const code = m.soft.get(fn.name);
      const operands = [
        [m.a, m.a32],
        [m.b, m.b32],
        [m.c, m.c32],
      ] as const;
      const args: Val[] = fn.args.map((type, i) =>
        type === "i64" ? operands[i as 0 | 1 | 2][0] : operands[i as 0 | 1 | 2][1],
      );
      if (code.params.length > args.length) args.push(i32.load16_u(m.pc, 10));
      const result = code.call(...args);
      return m.done(fn.result === "i64" ? m.setD(result) : m.setD32(result));
    });
  }

  h.set("jump", (m) => m.enter(i32.load(m.pc, 12)));
  h.set("link", (m) => m.leave(Leave.link));
  h.set("jump_page", (m) =>
    seq(
      // Holds for the mapping generation and the page it was made in: x target, a|b target block, then generation, page.
      m.va.set(i64.add(m.engine64(E.pcBase), i64.load32_s(m.pc, 8))),
      when(i32.and(m.isCurrent(i32.load(m.pc, 16)), i64.eq(i64.load(m.pc, 24), m.engine64(E.pcBase))), [
        m.setEngine64(E.pcBase, i64.and(m.va, -4096)),
        m.enter(i32.load(m.pc, 4)),
      ]),
      // The mappings changed: look the target up and link anew.
      m.stub.set(m.pc),
      br(m.going),
    ),
  );
  h.set("jump_indirect", (m) => seq(m.va.set(m.a), br(m.going)));
  const target = (m: Machine) => i64.add(m.engine64(E.pcBase), i64.load32_s(m.pc, 8));
  h.set("dispatch", (m) =>
    seq(
      m.va.set(target(m)),
      when(m.engine32(E.attention), [m.setEngine64(E.pc, m.va), m.leave(Leave.dispatch)]),
      br(m.going),
    ),
  );
  h.set("poll", (m) =>
    seq(
      when(i32.or(m.a32, m.engine32(E.attention)), [m.setEngine64(E.pc, target(m)), m.leave(Leave.dispatch)]),
      m.advance(),
    ),
  );
  put("select_context", (m) =>
    seq(
      m.entry.set(i32.shl(m.a32, 4)),
      m.context.set(i64.load(m.entry, m.plan.state + E.contexts)),
      m.tlb.set(i32.load(m.entry, m.plan.state + E.contexts + 8)),
      m.setEngine64(E.dataContext, m.context),
      m.setEngine32(E.tlb, m.tlb),
    ),
  );
  // Ends of single-step blocks: back to JavaScript, whatever the caches know.
  h.set("leave_at", (m) => seq(m.setEngine64(E.pc, target(m)), m.leave(Leave.dispatch)));
  h.set("leave_indirect", (m) => seq(m.setEngine64(E.pc, m.a), m.leave(Leave.dispatch)));
  // The block was charged on entry, but its header says 0 now: what took its place is looked up and charged.
  // The jump cache may still lead here.
  h.set("dead", (m) => seq(m.va.set(target(m)), jumpCacheEntry(m), i32.store(m.entry, -1, 8), br(m.going)));
  const branch = (m: Machine, condition: Expr) =>
    m.enter(i32.load(i32.add(m.pc, select("i32", condition, 8, 12))));
  h.set("branch_nz", (m) => branch(m, m.a32));
  for (const name of BRANCH_CONDITIONS) {
    h.set(`branch64.${name}`, (m) => branch(m, i64[name](m.a, m.b)));
    h.set(`branch32.${name}`, (m) => branch(m, i32[name](m.a32, m.b32)));
  }
  return h;
}

/** Slot in a table of 16-byte entries. */
function tableEntry(m: Machine, table: number, entries: number, hash: Expr): Expr {
  return m.entry.set(i32.add(i32.shl(i32.and(hash, entries - 1), 4), m.plan.lookup + table));
}

function jumpCacheEntry(m: Machine): Expr {
  const hash = i32.xor(half(m.va, 1), half(m.va, 12));
  return tableEntry(m, LOOKUP_TABLES.jumpCache, JUMP_CACHE_ENTRIES, hash);
}

const half = (value: Val, shift: number): Expr => i32.wrap_i64(i64.shr_u(value, shift));

/**
 * Go to the virtual address in `va`: by the jump cache, else by the fetch TLB and the block table, else leave with
 * `pc` set. If the way here was a link to another page that no longer held, it is made again.
 */
function lookUp(m: Machine): Expr {
  return seq(
    jumpCacheEntry(m),
    m.kind.set(i32.load(m.entry, 8)),
    when(i32.eqz(i32.and(i64.eq(i64.load(m.entry), m.va), m.isCurrent(m.kind))), [
      m.target.set(m.entry),
      findBlock(m),
      // Remember it.
      i64.store(m.target, m.va),
      i32.store(m.target, m.kind, 8),
      i32.store(m.target, i32.load(m.entry, 8), 12),
      m.entry.set(m.target),
    ]),
    m.target.set(i32.load(m.entry, 12)),
    when(m.stub, [
      i32.store(m.stub, m.target, 4),
      i32.store(m.stub, m.kind, 16),
      i64.store(m.stub, m.engine64(E.pcBase), 24),
      m.stub.set(i32.const(0)),
    ]),
    m.setEngine64(E.pcBase, i64.and(m.va, -4096)),
    m.enter(m.target),
  );
}

/** Point `entry` at the block table's entry for `va`, and `kind` at the generation it holds for; else leave. */
function findBlock(m: Machine): Expr {
  const miss = seq(m.setEngine64(E.pc, m.va), when(m.stub, [m.leave(Leave.link)]), m.leave(Leave.indirect));
  const page = m.status;
  return seq(
    tableEntry(m, LOOKUP_TABLES.fetchTlb, FETCH_TLB_ENTRIES, half(m.va, 12)),
    m.kind.set(m.engine32(E.generation)),
    when(i32.ne(i32.load(m.entry, 8), m.engine32(E.fetchContext)), [
      m.kind.set(m.engine32(E.globalGeneration)),
      when(i32.ne(i32.load(m.entry, 8), m.engine32(E.globalFetchContext)), [miss]),
    ]),
    when(i64.ne(i64.load(m.entry), i64.and(m.va, -4096)), [miss]),
    page.set(i32.load(m.entry, 12)),
    // Offset and mode, as they are in the block table.
    m.value.set(i64.extend_i32_u(i32.or(i32.and(i32.wrap_i64(m.va), 0xfff), m.engine32(E.codeMode)))),
    tableEntry(
      m,
      LOOKUP_TABLES.blocks,
      BLOCK_TABLE_ENTRIES,
      i32.xor(i32.mul(page, BLOCK_TABLE_SPREAD), half(m.value, 1)),
    ),
    when(i64.ne(i64.load(m.entry), i64.or(i64.extend_i32_u(page), i64.shl(m.value, 32))), [miss]),
  );
}

/**
 * The cold tier: one function `run(block)`, a loop over a br_table with a handler per micro-op.
 * Imports: `env.memory`, `env.regions` (function table), `env.access(kind)` and `env.helper(id, constant)`, which
 * answer with `After`.
 */
export function buildInterpreter(
  plan: InterpreterPlan,
  floatingPoint?: SoftFloatOptions,
  walker?: PageWalker,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", plan.memoryPages, plan.memoryPages, plan.sharedMemory);
  const access = module.importFunction("env", "access", ["i32"], "i32");
  const helper = module.importFunction("env", "helper", ["i32", "i32"], "i32");
  const regions = module.importTable("env", "regions", [], "i32");
  const soft = floatingPoint && emitSoftFloat(module, floatingPoint);
  const mulHigh = emitMulHigh(module);
  const refill = walker && emitRefill(module, plan, walker);
  module.export("mulh_u", mulHigh);
  const table = handlers(mulHigh);

  const run = module.func("run", ["i32"], "i32");
  const m = new Machine(plan, soft, (type) => run.local(type), run.arg(0));
  // A compiled region runs until it has to leave; it says where to go on. Its first entry has been charged here,
  // as for any block, and is given back: regions charge for themselves.
  const compiled = module.global("i64");
  module.exportGlobal("compiled", compiled);
  table.set("region", (mm) =>
    seq(
      mm.budget.set(i32.add(mm.budget, i32.load(i32.sub(mm.pc, 8)))),
      mm.setEngine32(E.budget, mm.budget),
      mm.target.set(regions.callIndirect(i32.load(i32.sub(mm.pc, 12)))),
      compiled.set(i64.add(compiled, i64.extend_i32_u(i32.sub(mm.budget, mm.engine32(E.budget))))),
      mm.budget.set(mm.engine32(E.budget)),
      // It may have selected the other data context.
      mm.context.set(mm.engine64(E.dataContext)),
      mm.tlb.set(mm.engine32(E.tlb)),
      when(i32.eqz(mm.target), [mm.va.set(mm.engine64(E.pc)), br(mm.going)]),
      when(i32.and(mm.target, RESUME), [
        mm.block.set(mm.engine32(E.block)),
        mm.pc.set(i32.sub(mm.target, RESUME)),
        br(mm.next),
      ]),
      mm.enter(mm.target),
    ),
  );
  const call = (mm: Machine): Expr =>
    seq(
      mm.spill(),
      mm.status.set(helper.call(i32.shr_u(mm.imm32, 24), i32.and(mm.imm32, 0xffffff))),
      when(i32.eq(mm.status, After.leave), [ret(i32.const(Leave.status))]),
      mm.reload(),
      when(i32.eqz(mm.status), [mm.advance()]),
      mm.va.set(mm.engine64(E.pc)),
      br(mm.going),
    );
  table.set("call", call);
  table.set("call_if", (mm) => seq(when(i32.eqz(mm.a32), [mm.advance()]), call(mm)));

  const slowPath = (isLoad: boolean): Expr =>
    seq(
      // The same micro-op again, which hits now.
      ...(refill ? [when(refill.call(m.va, m.kind), [br(m.next)])] : []),
      m.setEngine64(E.accessAddress, m.va),
      ...(isLoad ? [] : [m.setEngine64(E.accessValue, m.value)]),
      m.spill(),
      m.status.set(access.call(m.kind)),
      when(i32.eq(m.status, After.leave), [ret(i32.const(Leave.status))]),
      m.reload(),
      when(i32.eq(m.status, After.go), [m.va.set(m.engine64(E.pc)), br(m.going)]),
      when(m.status, [...(isLoad ? [m.setD(m.engine64(E.accessValue))] : []), m.pc.set(i32.add(m.pc, 16))]),
      br(m.next),
    );

  run.body(
    m.reload(),
    // `run` is given a block address: it is entered like a jump does.
    loop((entering) => {
      m.entering = entering;
      return [
        m.enterBlock(),
        block((going) => {
          m.going = going;
          return [
            loop((next) => {
              m.next = next;
              return [
                block((slowStore) => [
                  block((slowLoad) => {
                    m.slowLoad = slowLoad;
                    m.slowStore = slowStore;
                    return [
                      dispatchTree(
                        m,
                        MICRO_OP_NAMES.map((name) => requireHandler(table, name)),
                      ),
                    ];
                  }),
                  slowPath(true),
                ]),
                slowPath(false),
              ];
            }),
          ];
        }),
        lookUp(m),
      ];
    }),
    i32.const(0),
  );
  module.export("run", run);
  if (soft !== undefined) {
    // Compiled regions call the same functions and share the flags.
    module.exportGlobal("flags", soft.flags);
    for (const fn of SOFT_FUNCTIONS) module.export(`fp.${fn.name}`, soft.get(fn.name));
  }
  return module.encode();
}

function requireHandler(table: Map<string, Handler>, name: string): Handler {
  const handler = table.get(name);
  if (handler === undefined) throw new Error(`micro-op ${name} has no handler`);
  return handler;
}

/** Nested blocks, innermost holding the br_table: falling out of block i runs handler i. */
function dispatchTree(m: Machine, list: readonly Handler[]): Expr {
  const labels: Label[] = [];
  const build = (i: number): Expr => {
    if (i < 0) return brTable(labels, labels[0] as Label, i32.load16_u(m.pc));
    const body = block((label) => {
      labels[i] = label;
      return [build(i - 1)];
    });
    return seq(body, (list[i] as Handler)(m));
  };
  return build(list.length - 1);
}
