import { type Shortcuts, shortcutExport } from "../../core/shortcuts.js";
import { type Callable, i32, type ModuleBuilder, ret, switchOn } from "../../wasm/index.js";

/** Emit an architecture's shortcuts, and `shortcuts(number, constant, a, b) -> i32`, which calls one by its number. */
export function emitShortcutCalls(
  module: ModuleBuilder,
  { list, emit }: Shortcuts,
  state: number,
  ask: Callable,
): Callable {
  const functions = emit(module, state, ask);
  list.forEach(({ name }, i) => {
    module.export(shortcutExport(name), functions[i] as (typeof functions)[number]);
  });
  const f = module.func("shortcuts", ["i32", "i32", "i64", "i64"], "i32");
  const [number, constant, a, b] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
  const cases = functions.map((fn) => ret(fn.call(constant, a, b)));
  return f.body(switchOn(number, cases), i32.const(0));
}
