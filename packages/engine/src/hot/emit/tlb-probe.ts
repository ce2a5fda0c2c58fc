import type { Node } from "../../ir/node.js";
import { Op } from "../../ir/ops.js";
import { TLB_FOLD, TLB_MASK, TLB_SHIFT } from "../../tlb/geometry.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { Exits } from "./exits.js";
import type { Values } from "./values.js";

/** Finds host memory through the TLB. */
export class TlbProbe {
  private readonly emission: Emission;
  private readonly values: Values;
  private readonly exits: Exits;

  constructor(emission: Emission, values: Values, exits: Exits) {
    this.emission = emission;
    this.values = values;
    this.exits = exits;
  }

  /** Compute the address of an access into `va` and find its TLB entry, or leave to the cold tier. */
  translate(block: RegionBlock, n: Node): void {
    this.values.push(n.a as Node);
    this.emission.w.set(this.emission.locals.va);
    this.find(block, n, n.size);
  }

  /** Find the TLB entry for `size` bytes at `va`, or leave to the cold tier before the instruction of `n`. */
  find(block: RegionBlock, n: Node, size: number): void {
    const { w, locals } = this.emission;
    this.pushLow();
    this.pushLow();
    w.i32(TLB_FOLD);
    w.op(W.i32ShrU);
    w.op(W.i32Xor);
    w.i32(TLB_SHIFT);
    w.op(W.i32ShrU);
    w.i32(TLB_MASK);
    w.op(W.i32And);
    w.get(locals.tlb);
    w.op(W.i32Add);
    w.tee(locals.entry);
    w.memory(W.i64Load, isRead(n) ? 0 : 8);
    w.get(locals.va);
    if (size > 1) {
      w.i64(size - 1, 0);
      w.op(W.i64Add);
    }
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.get(locals.context);
    w.op(W.i64Or);
    w.op(W.i64Ne);
    this.orMisaligned(n);
    this.exits.resumeIf(block, n, size > n.size ? this.exits.groupLabel : this.exits.label);
  }

  /** Add to the condition on the stack that `va` is not aligned as `n` demands. */
  orMisaligned(n: Node): void {
    if (!n.aligned || n.size === 1) return;
    const { w } = this.emission;
    this.pushLow();
    w.i32(n.size - 1);
    w.op(W.i32And);
    w.op(W.i32Or);
  }

  /** Push the low half of `va`. */
  private pushLow(): void {
    const { w, locals } = this.emission;
    w.get(locals.va);
    w.op(W.wrap);
  }

  /** Push the host address of `va`, of which `entry` is the TLB entry. */
  pushHost(): void {
    const { w, locals } = this.emission;
    w.get(locals.va);
    w.op(W.wrap);
    this.pushDistance();
    w.op(W.i32Add);
  }

  /** Push the distance to host memory of the page whose TLB entry is `entry`. */
  pushDistance(): void {
    const { w, locals } = this.emission;
    w.get(locals.entry);
    w.memory(W.i32Load, 16);
  }
}

/** Entries have a tag for reads and one for writes; atomic accesses ask for writing. */
function isRead(n: Node): boolean {
  return n.op === Op.load || n.op === Op.loadReserved || (n.op === Op.probe && !n.signed);
}
