import { ENGINE_STATE as E } from "../../state/layout.js";
import { br, type Expr, i32, i64, select, seq, when } from "../../wasm/index.js";
import { BLOCK_HEADER_BYTES, BRANCH_CONDITIONS, Leave, MICRO_OP_BYTES, NOTED_TARGETS } from "../micro-ops.js";
import { forgetJump } from "./look-up.js";
import type { Handlers, Machine } from "./machine.js";

/** Ends of blocks, except calls of regions. */
export function addJumpHandlers(handlers: Handlers): void {
  const put = handlers.set.bind(handlers);
  put("jump", (m) => m.enter(i32.load(m.pc, 12)));
  put("link", (m) => m.leave(Leave.link));
  put("jump_page", jumpPage);
  put("jump_indirect", (m) => m.go(m.a));
  put("jump_noted", (m) => seq(m.va.set(m.a), noteTarget(m), br(m.going)));
  put("dispatch", (m) =>
    seq(
      m.va.set(target(m)),
      when(m.engine32(E.attention), [m.setEngine64(E.pc, m.va), m.leave(Leave.dispatch)]),
      br(m.going),
    ),
  );
  put("poll", (m) =>
    seq(
      when(i32.or(m.a32, m.engine32(E.attention)), [m.setEngine64(E.pc, target(m)), m.leave(Leave.dispatch)]),
      m.advance(),
    ),
  );
  // Ends of single-step blocks: back to JavaScript, whatever the caches know.
  put("leave_at", (m) => seq(m.setEngine64(E.pc, target(m)), m.leave(Leave.dispatch)));
  put("leave_indirect", (m) => seq(m.setEngine64(E.pc, m.a), m.leave(Leave.dispatch)));
  // The block was charged on entry, but its header says 0 now: what took its place is looked up and charged.
  // The jump cache may still lead here.
  put("dead", (m) => seq(m.va.set(target(m)), forgetJump(m), br(m.going)));
  put("branch_nz", (m) => branch(m, m.a32));
  for (const name of BRANCH_CONDITIONS) {
    put(`branch64.${name}`, (m) => branch(m, i64[name](m.a, m.b)));
    put(`branch32.${name}`, (m) => branch(m, i32[name](m.a32, m.b32)));
  }
}

/** Note the low half of `va` behind the micro-op; targets whose addresses look alike displace each other. */
function noteTarget(m: Machine): Expr {
  const low = i32.wrap_i64(m.va);
  const place = i32.and(i32.xor(low, i32.shr_u(low, 4)), 4 * NOTED_TARGETS - 4);
  return i32.store(i32.add(m.pc, place), low, MICRO_OP_BYTES);
}

/** What `Machine.enter` branches to: charge the block at `pc`, or leave before it. */
export function enterBlock(m: Machine): Expr {
  const header = m.target;
  return seq(
    m.block.set(m.pc),
    header.set(i32.sub(m.pc, BLOCK_HEADER_BYTES)),
    m.status.set(i32.sub(i32.load(header), 1)),
    i32.store(header, m.status),
    when(i32.eqz(m.status), [m.leave(Leave.hot)]),
    m.budget.set(i32.sub(m.budget, i32.load(header, 8))),
    when(i32.lt_s(m.budget, 0), [
      m.budget.set(i32.add(m.budget, i32.load(header, 8))),
      m.leave(Leave.budget),
    ]),
  );
}

/** Virtual address of a target in or near the block's page. */
function target(m: Machine): Expr {
  return i64.add(m.engine64(E.pcBase), i64.load32_s(m.pc, 8));
}

function branch(m: Machine, condition: Expr): Expr {
  return m.enter(i32.load(i32.add(m.pc, select("i32", condition, 8, 12))));
}

/**
 * A link to another page holds for the mapping generation and the page it was made in: x target, a|b target block,
 * then generation, page.
 */
function jumpPage(m: Machine): Expr {
  return seq(
    m.va.set(target(m)),
    when(i32.and(m.isCurrent(i32.load(m.pc, 16)), i64.eq(i64.load(m.pc, 24), m.engine64(E.pcBase))), [
      m.setEngine64(E.pcBase, i64.and(m.va, -4096)),
      m.enter(i32.load(m.pc, 4)),
    ]),
    // The mappings changed: look the target up and link anew.
    m.stub.set(m.pc),
    br(m.going),
  );
}
