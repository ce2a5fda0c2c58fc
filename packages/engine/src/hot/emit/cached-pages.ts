import type { Node } from "../../ir/node.js";
import type { AccessPlan, Stream } from "../accesses.js";
import { W } from "../function-writer.js";
import type { RegionNotes } from "../notes.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { TlbProbe } from "./tlb-probe.js";

/** A stream's tag while it has no page: no address masked to a page, and to its alignment, is equal to it. */
const NO_PAGE = 2048;

/** Streams: pages that accesses through the same register found last, in locals. */
export class CachedPages {
  private readonly emission: Emission;
  private readonly probe: TlbProbe;
  private readonly streams: Stream[] = [];

  constructor(emission: Emission, probe: TlbProbe, accesses: Iterable<AccessPlan>) {
    this.emission = emission;
    this.probe = probe;
    const { w } = emission;
    for (const { stream } of accesses) {
      if (stream === null || stream.tag >= 0) continue;
      stream.tag = w.local("i64");
      stream.delta = w.local("i32");
      this.streams.push(stream);
    }
  }

  /** Tell who reads the code what the locals are called. */
  name({ locals }: RegionNotes): void {
    this.streams.forEach(({ tag, delta }, i) => {
      locals.set(tag, `tag${i}`).set(delta, `delta${i}`);
    });
  }

  /** Streams start anew: at the entry, and where the translations change. */
  forget(): void {
    const { w } = this.emission;
    for (const { tag } of this.streams) {
      w.i64(NO_PAGE, 0);
      w.set(tag);
    }
  }

  /** Push the host address of what is on the stack, if it lies on the page that the stream knows or that the TLB knows. */
  pushHost(block: RegionBlock, n: Node, stream: Stream): void {
    const { w, locals } = this.emission;
    w.tee(locals.va);
    // One that is not aligned may reach into the next page, so it takes the long way.
    w.i64(-4096 | (n.size - 1), -1);
    w.op(W.i64And);
    w.get(stream.tag);
    w.op(W.i64Ne);
    this.refillIf(block, n, n.size, stream);
  }

  /** The same for a group of `size` bytes: its first and its last byte have to be on the page. */
  pushGroupHost(block: RegionBlock, n: Node, size: number, stream: Stream): void {
    const { w, locals } = this.emission;
    w.tee(locals.va);
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.get(stream.tag);
    w.op(W.i64Ne);
    w.get(locals.va);
    w.op(W.wrap);
    w.i32(4095);
    w.op(W.i32And);
    w.i32(4096 - size);
    w.op(W.i32GtU);
    w.op(W.i32Or);
    this.refillIf(block, n, size, stream);
  }

  /** If the condition on the stack holds take the page from the TLB; then push the host address of `va`. */
  private refillIf(block: RegionBlock, n: Node, size: number, stream: Stream): void {
    const { w, locals } = this.emission;
    w.hint("unlikely");
    w.open(W.if);
    this.probe.find(block, n, size);
    w.get(locals.va);
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.set(stream.tag);
    this.probe.pushDistance();
    w.set(stream.delta);
    w.close();
    w.get(locals.va);
    w.op(W.wrap);
    w.get(stream.delta);
    w.op(W.i32Add);
  }
}
