import { ENGINE_STATE as E } from "../../state/layout.js";
import { br, type Callable, type Expr, i32, ret, seq, when } from "../../wasm/index.js";
import { After } from "../after.js";
import { Leave } from "../micro-ops.js";
import type { Machine } from "./machine.js";

/** Functions that do what a TLB hit does not. */
export interface SlowFunctions {
  /** The import `access(kind)`, which answers with `After`. */
  readonly access: Callable;
  /** Makes the TLB entry without JavaScript where it can; see `emitRefill`. */
  readonly refill: Callable | undefined;
}

/** What accesses branch to that missed in the TLB, with `va`, `kind` and, unless it is a load, `value` set. */
export function slowPath(m: Machine, { access, refill }: SlowFunctions, isLoad: boolean): Expr {
  return seq(
    // The same micro-op again, which hits now.
    ...(refill ? [when(refill.call(m.va, m.kind), [br(m.next)])] : []),
    m.setEngine64(E.accessAddress, m.va),
    ...(isLoad ? [] : [m.setEngine64(E.accessValue, m.value)]),
    m.spill(),
    m.status.set(access.call(m.kind)),
    when(i32.eq(m.status, After.leave), [ret(i32.const(Leave.status))]),
    m.reload(),
    when(i32.eq(m.status, After.go), [m.go(m.engine64(E.pc))]),
    when(m.status, [...(isLoad ? [m.setD(m.engine64(E.accessValue))] : []), m.pc.set(i32.add(m.pc, 16))]),
    br(m.next),
  );
}
