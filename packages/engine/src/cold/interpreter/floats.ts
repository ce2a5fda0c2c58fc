import { type FloatOperation, SOFT_FUNCTIONS, type SoftFunction, softFunctionsOf } from "../../ir/soft.js";
import { MODES_SHIFT, ROUNDING_MASK, type SoftFloatOptions } from "../../softfloat/index.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import { i32, seq, unreachable, type Val } from "../../wasm/index.js";
import type { Handler, Handlers } from "./machine.js";

/** An architecture's floating point. */
export interface FloatingPoint extends SoftFloatOptions {
  /** The operations that its lifter uses; all when absent. What is not used costs time when the engine is made. */
  readonly operations?: readonly FloatOperation[];
}

/** The functions an engine with these rules has. */
export const floatFunctions = ({ operations }: FloatingPoint): readonly SoftFunction[] =>
  operations === undefined ? SOFT_FUNCTIONS : softFunctionsOf(operations);

/** Floating point: calls of the functions that are in the same module. Engines without it never get there. */
export function addFloatHandlers(handlers: Handlers, functions: readonly SoftFunction[]): void {
  // The IR reads and writes the accumulated flags as a field; inside the interpreter they are a global.
  handlers.set("flags_out", (m) => m.done(m.soft ? m.setEngine32(E.fpFlags, m.soft.flags) : seq()));
  handlers.set("flags_in", (m) => m.done(m.soft ? m.soft.flags.set(m.engine32(E.fpFlags)) : seq()));
  // What the architecture said it does not use cannot be reached either.
  for (const { name } of SOFT_FUNCTIONS) handlers.set(`fp.${name}`, unreachable);
  for (const fn of functions) handlers.set(`fp.${fn.name}`, float(fn));
}

function float(fn: SoftFunction): Handler {
  return (m) => {
    if (m.soft === undefined) return unreachable();
    const code = m.soft.get(fn.name);
    const operands = [
      { i64: m.a, i32: m.a32 },
      { i64: m.b, i32: m.b32 },
      { i64: m.c, i32: m.c32 },
    ] as const;
    const args: Val[] = fn.args.map((type, i) => operands[i as 0 | 1 | 2][type]);
    const { modes, switchable } = m.soft;
    const environment = i32.load16_u(m.pc, 10);
    if (code.params.length > args.length)
      args.push(switchable ? i32.and(environment, ROUNDING_MASK) : environment);
    const result = code.call(...args);
    return m.done(
      ...(switchable ? [modes.set(i32.shr_u(environment, MODES_SHIFT))] : []),
      fn.result === "i64" ? m.setD(result) : m.setD32(result),
    );
  };
}
