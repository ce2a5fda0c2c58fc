import type { Field } from "../state/layout.js";
import type { FunctionBuilder, ModuleBuilder } from "../wasm/index.js";

/**
 * What an architecture's helpers do in their usual cases, in WebAssembly: interpreted and compiled code call it without
 * JavaScript. It is an addition: without it, or where a shortcut gives up, the helper does all there is to do, and no
 * guest can tell which of the two it was.
 */
export interface Shortcuts {
  /** A name for each function, in the order of their numbers (`IrBuilder.shortcut`). */
  readonly names: readonly string[];
  /** All state fields that functions read or write. */
  readonly fields: readonly Field[];
  /**
   * Emit the functions `(constant: i32, a: i64, b: i64) -> i32`. Each does what the helper would and gives 1, or
   * nothing and gives 0. `state` is the address of the running vCPU's state in memory 0.
   */
  emit(module: ModuleBuilder, state: number): readonly FunctionBuilder[];
}

/** What a function is exported as. */
export const shortcutExport = (name: string): string => `shortcut.${name}`;
