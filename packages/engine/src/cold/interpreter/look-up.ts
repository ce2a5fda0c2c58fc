import { ENGINE_STATE as E } from "../../state/layout.js";
import {
  BLOCK_TABLE_ENTRIES,
  BLOCK_TABLE_SPREAD,
  FETCH_TLB_ENTRIES,
  JUMP_CACHE_ENTRIES,
  LOOKUP_TABLES,
} from "../../tlb/geometry.js";
import { type Expr, i32, i64, seq, type Val, when } from "../../wasm/index.js";
import { Leave } from "../micro-ops.js";
import type { Machine } from "./machine.js";

/**
 * Go to the virtual address in `va`: by the jump cache, else by the fetch TLB and the block table, else leave with
 * `pc` set. If the way here was a link to another page that no longer held, it is made again.
 */
export function lookUp(m: Machine): Expr {
  return seq(
    findJump(m),
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

/** What the jump cache knows of `va` is wrong. */
export function forgetJump(m: Machine): Expr {
  return seq(findJump(m), i32.store(m.entry, -1, 8));
}

/** Point `entry` at the jump cache's entry for `va`. */
function findJump(m: Machine): Expr {
  const hash = i32.xor(half(m.va, 1), half(m.va, 12));
  return findEntry(m, LOOKUP_TABLES.jumpCache, JUMP_CACHE_ENTRIES, hash);
}

/** Point `entry` at the block table's entry for `va`, and `kind` at the generation it holds for; else leave. */
function findBlock(m: Machine): Expr {
  const miss = seq(m.setEngine64(E.pc, m.va), when(m.stub, [m.leave(Leave.link)]), m.leave(Leave.indirect));
  const page = m.status;
  return seq(
    findEntry(m, LOOKUP_TABLES.fetchTlb, FETCH_TLB_ENTRIES, half(m.va, 12)),
    m.kind.set(m.engine32(E.generation)),
    when(i32.ne(i32.load(m.entry, 8), m.engine32(E.fetchContext)), [
      m.kind.set(m.engine32(E.globalGeneration)),
      when(i32.ne(i32.load(m.entry, 8), m.engine32(E.globalFetchContext)), [miss]),
    ]),
    when(i64.ne(i64.load(m.entry), i64.and(m.va, -4096)), [miss]),
    page.set(i32.load(m.entry, 12)),
    // Offset and mode, as they are in the block table.
    m.value.set(i64.extend_i32_u(i32.or(i32.and(i32.wrap_i64(m.va), 0xfff), m.engine32(E.codeMode)))),
    findEntry(
      m,
      LOOKUP_TABLES.blocks,
      BLOCK_TABLE_ENTRIES,
      i32.xor(i32.mul(page, BLOCK_TABLE_SPREAD), half(m.value, 1)),
    ),
    when(i64.ne(i64.load(m.entry), i64.or(i64.extend_i32_u(page), i64.shl(m.value, 32))), [miss]),
  );
}

/** Point `entry` into a table of 16-byte entries. */
function findEntry(m: Machine, table: number, entries: number, hash: Expr): Expr {
  return m.entry.set(i32.add(i32.shl(i32.and(hash, entries - 1), 4), m.plan.lookup + table));
}

function half(value: Val, shift: number): Expr {
  return i32.wrap_i64(i64.shr_u(value, shift));
}
