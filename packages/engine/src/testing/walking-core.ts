import type { RamRange } from "../core/engine.js";
import type { StateLayout } from "../state/layout.js";
import type { PageWalker } from "../walk/page-walker.js";
import { ModuleBuilder } from "../wasm/index.js";
import { FakeCore } from "./fake-core.js";

const WASM_PAGE = 65_536;

/** A fake core that a page walker in WebAssembly can be called on. */
export class WalkingCore extends FakeCore {
  override readonly walkWords: Int32Array;
  /** What `PageWalker.emit` made, by address and data context. */
  readonly walk: (address: bigint, selected: number) => bigint;

  constructor(layout: StateLayout, ramBase: number, ramBytes: number, walker: PageWalker) {
    const pages = Math.ceil((ramBytes + walker.coreBytes) / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    super(layout, ramBase, ramBytes, memory.buffer);
    this.walkWords = new Int32Array(memory.buffer, ramBytes, walker.coreBytes / 4);
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", pages, pages);
    const made = walker.emit(module);
    const walk = module.func("call", ["i64", "i32", "i32"], "i64");
    walk.body(made.call(walk.arg(0), walk.arg(1), walk.arg(2)));
    module.export("walk", walk);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } });
    const call = instance.exports["walk"] as (address: bigint, selected: number, at: number) => bigint;
    this.walk = (address, selected) => call(address, selected, ramBytes);
  }

  /** RAM lies at the start of host memory. */
  override ramRanges(): readonly RamRange[] {
    return [{ physical: this.ramBase, size: this.ramBytes, offset: 0 }];
  }
}
