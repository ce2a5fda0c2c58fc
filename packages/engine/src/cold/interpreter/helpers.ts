import { ENGINE_STATE as E } from "../../state/layout.js";
import { type Callable, type Expr, i32, ret, seq, when } from "../../wasm/index.js";
import { After } from "../after.js";
import { CALL_BITS, CALL_BITS_MASK, Leave } from "../micro-ops.js";
import type { Handlers, Machine } from "./machine.js";

/**
 * Calls of `GuestCpu.helper`, by the import `helper(id, constant)`. `shortcuts(number, constant, a, b)` calls the shortcut
 * with that number, if there are any.
 */
export function addHelperHandlers(handlers: Handlers, helper: Callable, shortcuts?: Callable): void {
  const call = (m: Machine, constantBits = 0xffffff): Expr =>
    seq(
      m.spill(),
      m.status.set(helper.call(i32.shr_u(m.imm32, 24), i32.and(m.imm32, constantBits))),
      when(i32.eq(m.status, After.leave), [ret(i32.const(Leave.status))]),
      m.reload(),
      when(i32.eqz(m.status), [m.advance()]),
      m.go(m.engine64(E.pc)),
    );
  handlers.set("call", (m) => call(m));
  handlers.set("call_if", (m) => seq(when(i32.eqz(m.a32), [m.advance()]), call(m)));
  handlers.set("shortcut", (m) => {
    if (shortcuts === undefined) return call(m);
    const number = i32.load16_u(m.pc, 2);
    const done = shortcuts.call(number, i32.and(m.imm32, 0xffffff), m.a, m.b);
    return seq(when(done, [m.advance()]), call(m));
  });
  handlers.set("call_if_any", (m) => {
    const bits = i32.and(i32.shr_u(m.imm32, CALL_BITS), CALL_BITS_MASK);
    return seq(when(i32.eqz(i32.and(m.a32, bits)), [m.advance()]), call(m, CALL_BITS_MASK));
  });
}
