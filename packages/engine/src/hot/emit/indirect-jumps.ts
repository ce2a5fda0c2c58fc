import { ENGINE_STATE as E } from "../../state/layout.js";
import { JUMP_CACHE_ENTRIES } from "../../tlb/geometry.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { Exits } from "./exits.js";
import { pushIsCurrent } from "./links.js";

/** To `va`: to a block of this region that the jump may lead to (by `goTo`), or through the jump cache. */
export function writeIndirectJump(
  emission: Emission,
  exits: Exits,
  block: RegionBlock,
  goTo: (target: RegionBlock) => void,
): void {
  const { w, plan, locals } = emission;
  const targets = block.edges.flatMap((edge) => (edge.kind === "inside" ? [edge.target] : []));
  // The entry's page is mapped as it was when the region was grown; of another one only the jump cache knows.
  const isNear = ({ delta, block: { secondPage } }: RegionBlock): boolean => delta === 0 && secondPage < 0;
  writeChoice(emission, targets.filter(isNear), (target) => {
    pushJumpsTo(emission, target);
    w.open(W.if);
    goTo(target);
    w.close();
  });
  pushJumpCacheHit(emission);
  w.open(W.if);
  const far = targets.filter((target) => !isNear(target));
  writeChoice(emission, far, (target) => {
    pushJumpsTo(emission, target);
    pushCachedTarget(emission);
    w.i32(target.block.address);
    w.op(W.i32Eq);
    w.op(W.i32And);
    w.open(W.if);
    goTo(target);
    w.close();
  });
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

/** So many targets are compared one after another; more are searched. */
const FEW = 3;

/** Write `test` for those of the targets that `va` may be: what they do not take goes on behind it. */
function writeChoice(
  emission: Emission,
  targets: readonly RegionBlock[],
  test: (target: RegionBlock) => void,
): void {
  if (targets.length <= FEW) {
    for (const target of targets) test(target);
    return;
  }
  const { w } = emission;
  const sorted = targets.toSorted((a, b) => offsetOf(a) - offsetOf(b));
  const middle = sorted.length >> 1;
  pushDistance(emission);
  w.i64Number(offsetOf(sorted[middle] as RegionBlock));
  w.op(W.i64LtS);
  w.open(W.if);
  writeChoice(emission, sorted.slice(0, middle), test);
  w.else();
  writeChoice(emission, sorted.slice(middle), test);
  w.close();
}

/** Where a block begins, from the entry's page. */
const offsetOf = ({ delta, block }: RegionBlock): number => delta + block.start;

/** Push the distance of `va` from the entry's page. */
function pushDistance({ w, locals }: Emission): void {
  w.get(locals.va);
  w.get(locals.page);
  w.op(W.i64Sub);
}

/** Push whether `va` is the block's virtual address, seen from the region's entry. */
function pushJumpsTo(emission: Emission, target: RegionBlock): void {
  const { w } = emission;
  pushDistance(emission);
  w.i64Number(offsetOf(target));
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
