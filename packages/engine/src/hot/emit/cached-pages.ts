import type { Node } from "../../ir/node.js";
import { ENGINE_STATE as E, NO_PAGE, PAGE_SLOT_BYTES } from "../../state/layout.js";
import type { AccessPlan, Stream } from "../accesses.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { TlbProbe } from "./tlb-probe.js";

const HOST = 8;

/**
 * Streams: pages that accesses through the same register found last. They are kept in the state, not in locals: V8 makes
 * one instruction of the comparison with memory, and locals that change where a page is found anew would cost a
 * register each, or moves to and from the stack.
 */
export class CachedPages {
  private readonly emission: Emission;
  private readonly probe: TlbProbe;
  private readonly streams: Stream[] = [];

  constructor(emission: Emission, probe: TlbProbe, accesses: Iterable<AccessPlan>) {
    this.emission = emission;
    this.probe = probe;
    for (const { stream } of accesses) {
      if (stream === null || stream.slot >= 0) continue;
      stream.slot = emission.plan.state + E.pages + this.streams.length * PAGE_SLOT_BYTES;
      this.streams.push(stream);
    }
  }

  /** Streams start anew: at the entry, and where the translations change. */
  forget(): void {
    const { w } = this.emission;
    for (const { slot } of this.streams) {
      w.i32(0);
      w.i64(NO_PAGE.lo, NO_PAGE.hi);
      w.memory(W.i64Store, slot);
    }
  }

  /**
   * Push the host address of what is on the stack, if all `size` bytes of it lie on the page that the stream knows or
   * that the TLB knows.
   */
  pushHost(block: RegionBlock, n: Node, size: number, stream: Stream): void {
    const { w, locals } = this.emission;
    w.tee(locals.va);
    w.load(W.i64Load, stream.slot);
    w.op(W.i64Sub);
    w.tee(locals.offset);
    w.i64(4096 - size, 0);
    w.op(W.i64GtU);
    this.probe.orMisaligned(n);
    w.hint("unlikely");
    w.open(W.if);
    this.refill(block, n, size, stream);
    w.close();
    w.get(locals.offset);
    w.op(W.wrap);
    w.load(W.i32Load, stream.slot + HOST);
    w.op(W.i32Add);
  }

  /** Take the page of `va` from the TLB. */
  private refill(block: RegionBlock, n: Node, size: number, { slot }: Stream): void {
    const { w, locals } = this.emission;
    this.probe.find(block, n, size);
    w.i32(0);
    w.get(locals.va);
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.memory(W.i64Store, slot);
    w.i32(0);
    this.probe.pushHost();
    w.i32(-4096);
    w.op(W.i32And);
    w.memory(W.i32Store, slot + HOST);
    w.get(locals.va);
    w.i64(4095, 0);
    w.op(W.i64And);
    w.set(locals.offset);
  }
}
