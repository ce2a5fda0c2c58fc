import { block, type Expr, i32, seq, switchOn } from "../../wasm/index.js";
import { MICRO_OP_NAMES } from "../micro-ops.js";
import { SEQUENCES } from "../sequences.js";
import type { Handler, Handlers, Machine } from "./machine.js";

/** Execute the micro-op at `pc`. */
export function dispatch(m: Machine, handlers: Handlers): Expr {
  return switchOn(
    i32.load16_u(m.pc),
    MICRO_OP_NAMES.map((name) => required(handlers, name)(m)),
  );
}

/** Several micro-ops of which only the first is looked up: each goes on at the next. */
export function addSequenceHandlers(handlers: Handlers): void {
  for (const sequence of SEQUENCES) {
    const parts = sequence.map((name) => required(handlers, name));
    const last = parts.pop() as Handler;
    handlers.set(sequence.join("+"), (m) => {
      const { next } = m;
      const before = parts.map((part) =>
        block((after) => {
          m.next = after;
          return [part(m)];
        }),
      );
      m.next = next;
      return seq(...before, last(m));
    });
  }
}

function required(handlers: Handlers, name: string): Handler {
  const handler = handlers.get(name);
  if (handler === undefined) throw new Error(`micro-op ${name} has no handler`);
  return handler;
}
