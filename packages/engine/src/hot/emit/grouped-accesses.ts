import type { Node } from "../../ir/node.js";
import type { AccessPlan, Group, Stream } from "../accesses.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { CachedPages } from "./cached-pages.js";
import type { Emission } from "./emission.js";
import type { TlbProbe } from "./tlb-probe.js";
import type { Values } from "./values.js";

/** Groups: accesses that are checked together, at the first one. */
export class GroupedAccesses {
  private readonly emission: Emission;
  private readonly values: Values;
  private readonly probe: TlbProbe;
  private readonly pages: CachedPages;

  constructor(emission: Emission, values: Values, probe: TlbProbe, pages: CachedPages) {
    this.emission = emission;
    this.values = values;
    this.probe = probe;
    this.pages = pages;
  }

  /** Push the host address of the group's lowest byte; gives the distance of that of `n` from it. */
  pushHost(block: RegionBlock, n: Node, group: Group, { distance, stream }: AccessPlan): number {
    if (group.first === n) this.check(block, n, group, stream);
    this.emission.w.get(group.host);
    return distance - group.low;
  }

  /** Check all bytes of a group and keep the host address of the lowest one. */
  private check(block: RegionBlock, n: Node, group: Group, stream: Stream | null): void {
    const { w, locals } = this.emission;
    if (group.base === null) w.get(locals.page);
    else this.values.push(group.base);
    const toLowest = group.low - group.baseDistance;
    if (toLowest !== 0) {
      w.i64Number(toLowest);
      w.op(W.i64Add);
    }
    const size = group.high - group.low;
    if (stream === null) {
      w.set(locals.va);
      this.probe.find(block, n, size);
      this.probe.pushHost();
    } else {
      this.pages.pushHost(block, n, size, stream);
    }
    group.host = this.values.temporary("i32");
    w.set(group.host);
  }
}
