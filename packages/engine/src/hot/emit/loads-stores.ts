import type { Node } from "../../ir/node.js";
import { Op, opCode } from "../../ir/ops.js";
import type { AccessPlan, Stream } from "../accesses.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { CachedPages } from "./cached-pages.js";
import type { Emission } from "./emission.js";
import { GroupedAccesses } from "./grouped-accesses.js";
import type { TlbProbe } from "./tlb-probe.js";
import type { Values } from "./values.js";

/** Loads and stores, each by the way to host memory that was planned for it. */
export class LoadsStores {
  private readonly emission: Emission;
  private readonly values: Values;
  private readonly probe: TlbProbe;
  private readonly pages: CachedPages;
  private readonly groups: GroupedAccesses;
  private readonly accesses: ReadonlyMap<Node, AccessPlan>;

  constructor(
    emission: Emission,
    values: Values,
    probe: TlbProbe,
    pages: CachedPages,
    accesses: ReadonlyMap<Node, AccessPlan>,
  ) {
    this.emission = emission;
    this.values = values;
    this.probe = probe;
    this.pages = pages;
    this.groups = new GroupedAccesses(emission, values, probe, pages);
    this.accesses = accesses;
  }

  /**
   * Write the load `nodes[i]`, and the `set` of a register behind it that is all its value is for. Gives the index of
   * the last node written.
   */
  load(block: RegionBlock, nodes: readonly Node[], i: number): number {
    const { values } = this;
    const { w, locals } = this.emission;
    const n = nodes[i] as Node;
    const type = values.resultType(n);
    const offset = this.pushHost(block, n);
    const vector = loneLane(nodes, i);
    if (vector !== undefined) {
      w.memory(n.size === 8 ? W.v128Load64Zero : W.v128Load32Zero, offset);
      values.keep(vector);
      return i;
    }
    w.memory(type === "f64" ? W.f64Load : loadCode(n), offset);
    const next = nodes[i + 1];
    if (n.uses === 1 && next?.op === Op.set && next.a === n && next.insn === n.insn) {
      const register = locals.register(next.field);
      w.convert(type, w.typeOf(register));
      w.set(register);
      return i + 1;
    }
    values.keep(n);
    return i;
  }

  store(block: RegionBlock, n: Node): void {
    const { values } = this;
    const { w } = this.emission;
    const value = n.b as Node;
    const offset = this.pushHost(block, n);
    const lane = n.size === 4 || n.size === 8 ? values.lane64(value) : undefined;
    if (lane !== undefined) {
      values.push(lane.vector);
      w.memory(n.size === 8 ? W.v128Store64Lane : W.v128Store32Lane, offset);
      w.op(n.size === 8 ? lane.number : 2 * lane.number);
      return;
    }
    const isFloat = n.size === 8 && values.isFloat(value);
    values.pushAs(value, isFloat ? "f64" : "i64");
    w.memory(isFloat ? W.f64Store : storeCode(n), offset);
  }

  /** Push the host address, less the constant that is returned. */
  private pushHost(block: RegionBlock, n: Node): number {
    const { values, probe } = this;
    const plan = this.accesses.get(n);
    if (plan === undefined) {
      probe.translate(block, n);
      probe.pushHost();
      return 0;
    }
    const { group, stream } = plan;
    if (group !== null) return this.groups.pushHost(block, n, group, plan);
    values.push(n.a as Node);
    this.pages.pushHost(block, n, n.size, stream as Stream);
    return 0;
  }
}

const REPLACE = opCode("i64x2.replace_lane");

/** The vector, zero but for what was loaded, that is all the load is for. */
function loneLane(nodes: readonly Node[], i: number): Node | undefined {
  const n = nodes[i] as Node;
  if (n.uses !== 1 || (n.size !== 8 && (n.size !== 4 || n.signed))) return undefined;
  for (let k = i + 1; k < nodes.length && nodes[k]?.insn === n.insn; k++) {
    const user = nodes[k] as Node;
    if (user.b !== n) continue;
    const lone = user.op === REPLACE && user.lo === 0 && user.last >= 0 && isZeros(user.a as Node);
    return lone ? user : undefined;
  }
  return undefined;
}

const isZeros = ({ op, bytes }: Node): boolean =>
  op === Op.constVector && bytes?.every((word) => word === 0) === true;

function loadCode(n: Node): number {
  switch (n.size) {
    case 1:
      return n.signed ? W.i64Load8S : W.i64Load8U;
    case 2:
      return n.signed ? W.i64Load16S : W.i64Load16U;
    case 4:
      return n.signed ? W.i64Load32S : W.i64Load32U;
    case 16:
      return W.v128Load;
    default:
      return W.i64Load;
  }
}

function storeCode(n: Node): number {
  switch (n.size) {
    case 1:
      return W.i64Store8;
    case 2:
      return W.i64Store16;
    case 4:
      return W.i64Store32;
    case 16:
      return W.v128Store;
    default:
      return W.i64Store;
  }
}
