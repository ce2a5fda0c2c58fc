import { ENGINE_STATE as E } from "../../state/layout.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";

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
