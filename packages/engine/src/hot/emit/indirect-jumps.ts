import { ENGINE_STATE as E } from "../../state/layout.js";
import { JUMP_CACHE_ENTRIES } from "../../tlb/geometry.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { Exits } from "./exits.js";
import { pushIsCurrent } from "./links.js";

/** To `va`: behind a call of this region (by `goTo`), or through the jump cache. */
export function writeIndirectJump(
  emission: Emission,
  exits: Exits,
  block: RegionBlock,
  goTo: (target: RegionBlock) => void,
): void {
  const { w, plan, locals } = emission;
  const sites = block.edges.flatMap((edge) => (edge.kind === "inside" ? [edge.target] : []));
  // The entry's page is mapped as it was when the region was grown; of another one only the jump cache knows.
  const isNear = ({ delta, block: { secondPage } }: RegionBlock): boolean => delta === 0 && secondPage < 0;
  for (const site of sites.filter(isNear)) {
    pushJumpsTo(emission, site);
    w.open(W.if);
    goTo(site);
    w.close();
  }
  pushJumpCacheHit(emission);
  w.open(W.if);
  for (const site of sites.filter((target) => !isNear(target))) {
    pushJumpsTo(emission, site);
    pushCachedTarget(emission);
    w.i32(site.block.address);
    w.op(W.i32Eq);
    w.op(W.i32And);
    w.open(W.if);
    goTo(site);
    w.close();
  }
  w.get(locals.va);
  w.i64(-4096, -1);
  w.op(W.i64And);
  w.set(locals.base);
  pushCachedTarget(emission);
  w.set(locals.result);
  w.br(exits.label);
  w.close();
  w.store(W.i64Store, plan.state + E.pc, locals.va);
  w.i32(0);
  w.set(locals.result);
  w.br(exits.label);
}

/** Push whether `va` is the block's virtual address, seen from the region's entry. */
function pushJumpsTo(emission: Emission, target: RegionBlock): void {
  const { w, locals } = emission;
  w.get(locals.va);
  emission.pushPage(target);
  w.i64(target.block.start, 0);
  w.op(W.i64Add);
  w.op(W.i64Eq);
}

/** Find the jump cache's entry for `va`, and push whether it holds. */
function pushJumpCacheHit(emission: Emission): void {
  const { w, plan, locals } = emission;
  w.get(locals.va);
  w.i64(1, 0);
  w.op(W.i64ShrU);
  w.op(W.wrap);
  w.get(locals.va);
  w.i64(12, 0);
  w.op(W.i64ShrU);
  w.op(W.wrap);
  w.op(W.i32Xor);
  w.i32(JUMP_CACHE_ENTRIES - 1);
  w.op(W.i32And);
  w.i32(4);
  w.op(W.i32Shl);
  w.tee(locals.entry);
  w.memory(W.i64Load, plan.jumpCache);
  w.get(locals.va);
  w.op(W.i64Eq);
  pushIsCurrent(emission, () => {
    w.get(locals.entry);
    w.memory(W.i32Load, plan.jumpCache + 8);
  });
  w.op(W.i32And);
}

/** Push the block that the jump cache's entry names. */
function pushCachedTarget({ w, plan, locals }: Emission): void {
  w.get(locals.entry);
  w.memory(W.i32Load, plan.jumpCache + 12);
}
