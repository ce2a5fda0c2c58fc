import type { Node } from "../../ir/node.js";
import { Op, opInfo } from "../../ir/ops.js";
import type { Field } from "../../state/layout.js";
import { W } from "../function-writer.js";
import type { Edge, RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { Exits } from "./exits.js";
import { writeIndirectJump } from "./indirect-jumps.js";
import { pushLinkHolds } from "./links.js";
import type { Values } from "./values.js";

/** Structured control flow between the blocks of a region, as `analyse` found it. */
export class ControlFlow {
  private readonly emission: Emission;
  private readonly values: Values;
  private readonly exits: Exits;
  /** Instructions in the region. */
  private readonly instructions: number;
  /** Write a block's code, and its end with `end`. */
  private readonly writeBlock: (block: RegionBlock) => void;

  constructor(
    emission: Emission,
    values: Values,
    exits: Exits,
    instructions: number,
    writeBlock: (block: RegionBlock) => void,
  ) {
    this.emission = emission;
    this.values = values;
    this.exits = exits;
    this.instructions = instructions;
    this.writeBlock = writeBlock;
  }

  /** Write the block and all it dominates. */
  tree(block: RegionBlock): void {
    const { emission } = this;
    const { w } = emission;
    emission.place(block, -1);
    if (!block.loop) return this.within(block, 0);
    block.label = w.open(W.loop);
    this.checkBudget(block);
    this.within(block, 0);
    emission.place(block, -1);
    w.close();
  }

  /** Each merge point gets a block around what branches to it, the last in order outermost. */
  private within(block: RegionBlock, from: number): void {
    const { emission } = this;
    const outer = block.merges[from];
    if (outer === undefined) return this.writeBlock(block);
    outer.label = emission.w.open(W.block);
    this.within(block, from + 1);
    emission.place(outer, -1);
    emission.w.close();
    this.tree(outer);
  }

  /** A loop has to end when there may be too little budget left for one more round. */
  private checkBudget(block: RegionBlock): void {
    const { w, locals } = this.emission;
    w.get(locals.budget);
    w.i32(this.instructions);
    w.op(W.i32LtS);
    w.hint("unlikely");
    w.open(W.if);
    this.exits.enter(block);
    w.close();
  }

  /** Write how a block ends: its last node, and where it goes from there. */
  end(block: RegionBlock, n: Node): void {
    const { values } = this;
    const { w, locals } = this.emission;
    switch (n.op) {
      case Op.poll:
        this.exits.poll(block, n.field as Field);
        values.release();
        this.edge(block, block.edges[0] as Edge);
        return;
      case Op.jump:
        values.release();
        this.edge(block, block.edges[0] as Edge);
        return;
      case Op.branch:
        values.push(n.a as Node);
        values.release();
        w.open(W.if);
        this.edge(block, block.edges[0] as Edge);
        w.else();
        this.edge(block, block.edges[1] as Edge);
        w.close();
        return;
      case Op.jumpIndirect:
        values.push(n.a as Node);
        w.set(locals.va);
        values.release();
        writeIndirectJump(this.emission, this.exits, block, (target) => this.branchTo(block, target));
        return;
      default:
        throw new Error(`a region's block cannot end with ${opInfo(n.op).name}`);
    }
  }

  private edge(from: RegionBlock, edge: Edge): void {
    const { w } = this.emission;
    if (edge.kind === "outside") return this.exits.follow(from, edge.word);
    if (edge.stub === 0) return this.branchTo(from, edge.target);
    pushLinkHolds(this.emission, from, edge.stub, edge.target);
    w.hint("likely");
    w.open(W.if);
    this.branchTo(from, edge.target);
    w.else();
    this.exits.follow(from, edge.word);
    w.close();
  }

  private branchTo(from: RegionBlock, to: RegionBlock): void {
    if (to.position <= from.position || to.merge) this.emission.w.br(to.label);
    else {
      this.tree(to);
      this.emission.place(from, from.ir.offsets.length - 1);
    }
  }
}
