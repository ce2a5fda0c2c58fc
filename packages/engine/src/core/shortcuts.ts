import type { Field } from "../state/layout.js";
import type { Callable, FunctionBuilder, ModuleBuilder } from "../wasm/index.js";

/** One function among an architecture's shortcuts. */
export interface Shortcut {
  readonly name: string;
  /** All state fields that it reads or writes. */
  readonly fields: readonly Field[];
}

/**
 * What an architecture's helpers do in their usual cases, in WebAssembly: interpreted and compiled code call it without
 * JavaScript. It is an addition: without it, or where a shortcut gives up, the helper does all there is to do, and no
 * guest can tell which of the two it was.
 */
export interface Shortcuts {
  /** In the order of their numbers (`IrBuilder.shortcut`). */
  readonly list: readonly Shortcut[];
  /**
   * Emit the functions `(constant: i32, a: i64, b: i64) -> i32`. Each does what the helper would and gives 1, or
   * nothing and gives 0. `state` is the address of the running vCPU's state in memory 0; `ask(question: i32) -> f64` is
   * `GuestCpu.ask`.
   */
  emit(module: ModuleBuilder, state: number, ask: Callable): readonly FunctionBuilder[];
}

/** What a function is exported as. */
export const shortcutExport = (name: string): string => `shortcut.${name}`;
