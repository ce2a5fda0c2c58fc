import type { Node } from "../../ir/node.js";
import { CODE_CONTEXT_BYTES, ENGINE_STATE as E } from "../../state/layout.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { Values } from "./values.js";

/** Push whether something made under a generation holds under the current mappings. */
export function pushIsCurrent({ w, plan }: Emission, pushGeneration: () => void): void {
  for (const offset of [E.generation, E.globalGeneration]) {
    pushGeneration();
    w.load(W.i32Load, plan.state + offset);
    w.op(W.i32Eq);
  }
  w.op(W.i32Or);
}

/** Push the conditions under which the cold tier follows a link to another page. */
export function pushLinkHolds(
  emission: Emission,
  from: RegionBlock,
  stub: number,
  target: RegionBlock,
): void {
  const { w } = emission;
  pushIsCurrent(emission, () => w.load(W.i32Load, stub + 16));
  w.load(W.i64Load, stub + 24);
  emission.pushPage(from);
  w.op(W.i64Eq);
  w.op(W.i32And);
  w.load(W.i32Load, stub + 4);
  w.i32(target.block.address);
  w.op(W.i32Eq);
  w.op(W.i32And);
}

/** The jump behind leads to code in the code context that a value names. */
export function selectCode({ w, plan, locals }: Emission, values: Values, which: Node): void {
  values.push(which);
  w.i32(CODE_CONTEXT_BYTES);
  w.op(W.i32Mul);
  w.set(locals.entry);
  for (let at = 0; at < CODE_CONTEXT_BYTES; at += 8) {
    w.i32(0);
    w.get(locals.entry);
    w.memory(W.i64Load, plan.state + E.codeContexts + at);
    w.memory(W.i64Store, plan.state + E.codeMode + at);
  }
}
