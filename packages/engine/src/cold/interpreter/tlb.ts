import { CODE_CONTEXT_BYTES, ENGINE_STATE as E } from "../../state/layout.js";
import { TLB_FOLD, TLB_MASK, TLB_SHIFT } from "../../tlb/geometry.js";
import { type Expr, i32, i64, type Local, seq } from "../../wasm/index.js";
import type { Handlers, Machine } from "./machine.js";

/**
 * TLB probe of `size` bytes at `va`, into `status`: not 0 if it misses. The entry is found by the page of the first
 * byte and the tag compared with the page of the last, so an access that crosses a page always misses.
 */
export function probe(m: Machine, size: number, tag: "read" | "write"): Expr {
  const lastByte = size === 1 ? m.va : i64.add(m.va, size - 1);
  return seq(
    m.entry.set(i32.add(m.tlb, tlbEntryOf(m.va))),
    m.status.set(
      i64.ne(i64.load(m.entry, tag === "read" ? 0 : 8), i64.or(i64.and(lastByte, -4096), m.context)),
    ),
  );
}

/** Byte offset of an address's entry in a bank, as `tlbEntry`. */
export function tlbEntryOf(va: Local): Expr {
  const low = i32.wrap_i64(va);
  return i32.and(i32.shr_u(i32.xor(low, i32.shr_u(low, TLB_FOLD)), TLB_SHIFT), TLB_MASK);
}

/** Host address of `va` after a TLB hit. */
export function host(m: Machine): Expr {
  return i32.add(i32.wrap_i64(m.va), i32.load(m.entry, 16));
}

/**
 * The data context is what TLB entries are tagged with, and chooses a bank of them; the code context is what the next
 * jump looks for code with.
 */
export function addContextHandlers(handlers: Handlers): void {
  handlers.set("select_context", (m) =>
    m.done(
      m.entry.set(i32.shl(m.a32, 4)),
      m.context.set(i64.load(m.entry, m.plan.state + E.contexts)),
      m.tlb.set(i32.load(m.entry, m.plan.state + E.contexts + 8)),
      m.setEngine64(E.dataContext, m.context),
      m.setEngine32(E.tlb, m.tlb),
    ),
  );
  const parts = Array.from({ length: CODE_CONTEXT_BYTES / 8 }, (_, i) => 8 * i);
  handlers.set("select_code", (m) =>
    m.done(
      m.entry.set(i32.mul(m.a32, CODE_CONTEXT_BYTES)),
      ...parts.map((at) =>
        m.setEngine64(E.codeMode + at, i64.load(m.entry, m.plan.state + E.codeContexts + at)),
      ),
    ),
  );
}
