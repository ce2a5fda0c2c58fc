import { tlbEntryOf } from "../cold/interpreter/tlb.js";
import { SlowAccess } from "../cold/slow-access.js";
import { DATA_CONTEXTS, ENGINE_STATE as E } from "../state/layout.js";
import { HOST_PAGE } from "../tlb/host-pages.js";
import {
  block,
  br,
  brIf,
  type Expr,
  either,
  type FunctionBuilder,
  i32,
  i64,
  loop,
  type ModuleBuilder,
  ret,
  select,
  seq,
  when,
} from "../wasm/index.js";
import { type PageWalker, WALKED } from "./page-walker.js";
import { LARGE_PROBES, LARGE_SLOTS, LARGE_SPREAD, LARGE_SPREAD_SHIFT, WALK } from "./walk-memory.js";

/** Addresses in host memory that a refill is generated for. */
export interface RefillPlan {
  /** The state window. */
  readonly state: number;
  /** `HostPages`. */
  readonly hostPages: number;
}

const GIVE_UP = ret(i32.const(0));

/**
 * `refill(va: i64, kind: i32) -> i32`: make the TLB entry for an access that missed, as `SlowPath.access` would.
 * Gives 1 when it did, so that the access hits now, and 0 when JavaScript has to look at it.
 */
export function emitRefill(module: ModuleBuilder, plan: RefillPlan, walker: PageWalker): FunctionBuilder {
  const walk = walker.emit(module);
  const f = module.func("refill", ["i64", "i32"], "i32");
  const [va, kind] = [f.arg(0), f.arg(1)];
  const memory = f.local("i32");
  const size = f.local("i32");
  const needed = f.local("i32");
  const rights = f.local("i32");
  const entry = f.local("i32");
  const context = f.local("i64");
  const found = f.local("i64");
  const shift = f.local("i64");
  const key = f.local("i64");
  const page = f.local("i64");
  const slot = f.local("i32");
  const tries = f.local("i32");
  const state32 = (offset: number): Expr => i32.load(0, plan.state + offset);
  const state64 = (offset: number): Expr => i64.load(0, plan.state + offset);
  const tag = (right: number): Expr => select("i64", i32.and(rights, right), key, -1n);

  /** Index of the data context, from `from` on: most are the first. */
  const selected = (from: number): Expr =>
    from === DATA_CONTEXTS - 1
      ? i32.const(from)
      : either(
          "i32",
          i64.eq(context, state64(E.contexts + 16 * from)),
          [i32.const(from)],
          [selected(from + 1)],
        );

  const remembered = seq(
    key.set(i64.or(i64.shl(i64.shr_u(va, shift), shift), shift)),
    page.set(i64.shr_u(va, shift)),
    slot.set(
      i32.shr_u(i32.mul(i32.wrap_i64(i64.xor(page, i64.shr_u(page, 32))), LARGE_SPREAD), LARGE_SPREAD_SHIFT),
    ),
    tries.set(i32.const(LARGE_PROBES)),
    block((known) => [
      loop((next) => [
        entry.set(i32.add(memory, i32.shl(i32.and(slot, LARGE_SLOTS - 1), 3))),
        brIf(known, i64.eq(i64.load(entry, WALK.large), key)),
        when(i64.ne(i64.load(entry, WALK.large), 0n), [
          slot.set(i32.add(slot, 1)),
          tries.set(i32.sub(tries, 1)),
          when(tries, [br(next)]),
          GIVE_UP,
        ]),
      ]),
      i64.store(entry, key, WALK.large),
      i64.store(memory, i64.or(i64.load(memory, WALK.sizes), i64.shl(1n, shift)), WALK.sizes),
    ]),
  );

  return f.body(
    // None while each access has to be looked at.
    memory.set(state32(E.walk)),
    when(i32.eqz(memory), [GIVE_UP]),
    size.set(i32.and(kind, SlowAccess.size)),
    when(i32.and(kind, SlowAccess.aligned), [when(i32.and(i32.wrap_i64(va), i32.sub(size, 1)), [GIVE_UP])]),
    when(i32.gt_u(i32.add(i32.and(i32.wrap_i64(va), 0xfff), size), 4096), [GIVE_UP]),
    context.set(state64(E.dataContext)),
    found.set(walk.call(va, selected(0), i32.add(memory, WALK.walker))),
    when(i64.lt_s(found, 0n), [GIVE_UP]),
    rights.set(i32.and(i32.wrap_i64(found), WALKED.readable | WALKED.writable)),
    // Writes to code are for JavaScript to see.
    entry.set(i32.wrap_i64(i64.shr_u(found, 12))),
    slot.set(i32.load8_u(entry, plan.hostPages)),
    when(
      i32.and(slot, HOST_PAGE.code),
      [rights.set(i32.and(rights, WALKED.readable))],
      [
        when(i32.and(rights, WALKED.writable), [
          i32.store8(entry, i32.or(slot, HOST_PAGE.writable), plan.hostPages),
        ]),
      ],
    ),
    // Access 0 needs the right to read, 1 to write, 2 (read-modify-write) both.
    needed.set(i32.add(i32.and(i32.shr_u(kind, SlowAccess.accessShift), 3), 1)),
    when(i32.ne(i32.and(rights, needed), needed), [GIVE_UP]),
    shift.set(i64.and(i64.shr_u(found, WALKED.shift), 63n)),
    when(i64.gt_u(shift, 12n), [remembered]),
    key.set(i64.or(i64.and(va, -4096n), context)),
    entry.set(i32.add(state32(E.tlb), tlbEntryOf(va))),
    i64.store(entry, tag(WALKED.readable)),
    i64.store(entry, tag(WALKED.writable), 8),
    i32.store(entry, i32.sub(i32.and(i32.wrap_i64(found), -4096), i32.and(i32.wrap_i64(va), -4096)), 16),
    i64.store(memory, i64.add(i64.load(memory, WALK.fills), 1n), WALK.fills),
    i32.const(1),
  );
}
