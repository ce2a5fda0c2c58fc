import type { Callable, ModuleBuilder } from "../wasm/index.js";

/**
 * An architecture's page walk in WebAssembly: refills the TLB without JavaScript where nothing but reading tables is
 * to be done. It is an addition: without one, or where it gives up, the engine asks `GuestCpu.translate`, and no
 * guest can tell which of the two it was.
 */
export interface PageWalker {
  /**
   * Bytes of host memory that each core has for it, a multiple of 8. The CPU model keeps there what a walk has to
   * know (`CoreApi.walkWords`): roots, levels, permissions, where RAM lies. Zero at first.
   */
  readonly coreBytes: number;
  /**
   * Emit a function `(va: i64, selected: i32, memory: i32) -> i64` that translates for loads and stores. `selected`
   * is the index of the data context (`CoreApi.setDataContexts`) that applies, the lowest where several are the same;
   * `memory` the address of the core's bytes. It must change nothing that a guest can see, and answers -1 to leave
   * the access to JavaScript, or where in host memory the page is (`WALKED`) and what may be done with it without
   * asking again: accessed and dirty bits are set, protection is the same for the whole page, it is RAM.
   */
  emit(module: ModuleBuilder): Callable;
}

/** The answer of a walk: byte offset of the host page, with these bits below. */
export const WALKED = {
  readable: 1,
  writable: 2,
  /** From this bit on: log2 of the size of the mapping that the page belongs to, 6 bits. */
  shift: 2,
} as const;
