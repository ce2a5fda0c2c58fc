import type { Node } from "../../ir/node.js";
import { Op } from "../../ir/ops.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import type { AccessPlan } from "../accesses.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import { writeAtomic } from "./atomics.js";
import { CachedPages } from "./cached-pages.js";
import type { Emission } from "./emission.js";
import type { Exits } from "./exits.js";
import { LoadsStores } from "./loads-stores.js";
import { TlbProbe } from "./tlb-probe.js";
import type { Values } from "./values.js";

/** Guest memory, as a region's code sees it: accesses, and the data context they are made in. */
export class Memory {
  readonly pages: CachedPages;
  private readonly emission: Emission;
  private readonly values: Values;
  private readonly probe: TlbProbe;
  private readonly loadsStores: LoadsStores;

  constructor(emission: Emission, values: Values, exits: Exits, accesses: ReadonlyMap<Node, AccessPlan>) {
    this.emission = emission;
    this.values = values;
    this.probe = new TlbProbe(emission, values, exits);
    this.pages = new CachedPages(emission, this.probe, accesses.values());
    this.loadsStores = new LoadsStores(emission, values, this.probe, this.pages, accesses);
  }

  /** Write the access `nodes[i]`; gives the index of the last node written (a `set` of a load's value is taken along). */
  access(block: RegionBlock, nodes: readonly Node[], i: number): number {
    const n = nodes[i] as Node;
    if (n.op === Op.load) return this.loadsStores.load(block, nodes, i);
    if (n.op === Op.store) this.loadsStores.store(block, n);
    else if (n.op === Op.probe) this.probe.translate(block, n);
    else writeAtomic(this.emission, this.values, this.probe, block, n);
    return i;
  }

  /** Go on in the data context that a value names. */
  selectContext(which: Node): void {
    const { w, plan, locals } = this.emission;
    this.values.push(which);
    w.i32(4);
    w.op(W.i32Shl);
    w.tee(locals.entry);
    w.memory(W.i64Load, plan.state + E.contexts);
    w.set(locals.context);
    w.get(locals.entry);
    w.memory(W.i32Load, plan.state + E.contexts + 8);
    w.set(locals.tlb);
    w.store(W.i64Store, plan.state + E.dataContext, locals.context);
    w.store(W.i32Store, plan.state + E.tlb, locals.tlb);
    this.pages.forget();
  }
}
