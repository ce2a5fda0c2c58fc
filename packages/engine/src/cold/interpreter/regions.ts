import { ENGINE_STATE as E } from "../../state/layout.js";
import { br, i32, i64, type ModuleBuilder, seq, when } from "../../wasm/index.js";
import { RESUME } from "../micro-ops.js";
import type { Handlers } from "./machine.js";

/**
 * A compiled region runs until it has to leave; it says where to go on. Its first entry has been charged here, as for
 * any block, and is given back: regions charge for themselves. What they charge is counted in the export `compiled`.
 */
export function addRegionHandler(
  handlers: Handlers,
  module: ModuleBuilder,
  regions: ReturnType<ModuleBuilder["importTable"]>,
): void {
  const compiled = module.global("i64");
  module.exportGlobal("compiled", compiled);
  handlers.set("region", (m) =>
    seq(
      m.budget.set(i32.add(m.budget, i32.load(i32.sub(m.pc, 8)))),
      m.setEngine32(E.budget, m.budget),
      m.target.set(regions.callIndirect(i32.load(i32.sub(m.pc, 12)))),
      compiled.set(i64.add(compiled, i64.extend_i32_u(i32.sub(m.budget, m.engine32(E.budget))))),
      m.budget.set(m.engine32(E.budget)),
      // It may have selected the other data context.
      m.context.set(m.engine64(E.dataContext)),
      m.tlb.set(m.engine32(E.tlb)),
      when(i32.eqz(m.target), [m.go(m.engine64(E.pc))]),
      when(i32.and(m.target, RESUME), [
        m.block.set(m.engine32(E.block)),
        m.pc.set(i32.sub(m.target, RESUME)),
        br(m.next),
      ]),
      m.enter(m.target),
    ),
  );
}
