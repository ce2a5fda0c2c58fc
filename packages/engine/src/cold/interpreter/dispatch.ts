import { block, brTable, type Expr, i32, type Label, seq } from "../../wasm/index.js";
import { MICRO_OP_NAMES, PAIRS } from "../micro-ops.js";
import type { Handler, Handlers, Machine } from "./machine.js";

/** Execute the micro-op at `pc`: nested blocks, innermost holding the br_table; falling out of block i runs handler i. */
export function dispatch(m: Machine, handlers: Handlers): Expr {
  const list = MICRO_OP_NAMES.map((name) => required(handlers, name));
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

/** Two micro-ops of which the second is executed behind the first, not looked up. */
export function addPairHandlers(handlers: Handlers): void {
  for (const [first, second] of PAIRS) {
    const [one, other] = [required(handlers, first), required(handlers, second)];
    handlers.set(`${first}+${second}`, (m) => {
      const { next } = m;
      // The first advances, and goes on here.
      const done = block((after) => {
        m.next = after;
        return [one(m)];
      });
      m.next = next;
      return seq(done, other(m));
    });
  }
}

function required(handlers: Handlers, name: string): Handler {
  const handler = handlers.get(name);
  if (handler === undefined) throw new Error(`micro-op ${name} has no handler`);
  return handler;
}
