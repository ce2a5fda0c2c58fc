import { MICRO_OP_BYTES, RESUME } from "../../cold/micro-ops.js";
import type { Node } from "../../ir/node.js";
import { ENGINE_STATE as E, type Field } from "../../state/layout.js";
import { MAX_SPAN } from "../accesses.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import { lastPart, type Part, partAt } from "../straight-code.js";
import type { Emission } from "./emission.js";
import type { Values } from "./values.js";

/** The ways out of a region. All of them end at the shared exit. */
export class Exits {
  /** Branch here, with `result` and `base` set. */
  label = 0;
  /** Branch here instead where a group's check failed. */
  groupLabel = 0;
  private readonly emission: Emission;
  private readonly values: Values;

  constructor(emission: Emission, values: Values) {
    this.emission = emission;
    this.values = values;
  }

  /** What is written from here on can leave; `hasGroups`: it has accesses that are checked together. */
  open(hasGroups: boolean): void {
    const { w } = this.emission;
    this.label = w.open(W.block);
    if (hasGroups) this.groupLabel = w.open(W.block);
  }

  /** Nothing more can leave: the shared exit follows. */
  close(): void {
    const { w } = this.emission;
    if (this.groupLabel > 0) {
      w.close();
      this.countGroupMiss();
    }
    w.close();
  }

  /**
   * Count how often a group was close enough to the end of a page to be on two, so that its region can be compiled
   * anew without it.
   */
  private countGroupMiss(): void {
    const { w, plan, locals } = this.emission;
    w.get(locals.va);
    w.op(W.wrap);
    w.i32(4095);
    w.op(W.i32And);
    w.i32(4096 - MAX_SPAN);
    w.op(W.i32GtU);
    w.open(W.if);
    w.store(W.i32Store, plan.state + E.twoPagesAt, locals.entry);
    w.i32(0);
    w.load(W.i32Load, plan.state + E.twoPages);
    w.i32(1);
    w.op(W.i32Add);
    w.memory(W.i32Store, plan.state + E.twoPages);
    w.close();
  }

  /** Enter the block in the cold tier. */
  enter(block: RegionBlock): void {
    const { entry, plan, w } = this.emission;
    const address = block === entry ? plan.entryCopy : block.block.address;
    this.leave(block, () => w.i32(address));
  }

  /** Go wherever a link word leads. */
  follow(from: RegionBlock, word: number): void {
    this.leave(from, () => this.emission.w.load(W.i32Load, word));
  }

  /** Set the result and go to the shared exit. */
  private leave(block: RegionBlock, pushResult: () => void, label = this.label): void {
    const { emission } = this;
    const { w, locals } = emission;
    pushResult();
    w.set(locals.result);
    if (block.delta !== 0) {
      emission.pushPage(block);
      w.set(locals.base);
    }
    w.br(label);
  }

  /** Go on in the cold tier at an instruction of the block. */
  resumeAt(block: RegionBlock, insn: number, label = this.label): void {
    const part = partAt(block, insn);
    const { code } = this.emission.plan;
    this.resume(block, part, code.instructionAddress(part.block, insn - part.first), label);
  }

  /** Go on in the cold tier at a micro-op of a part of the block. */
  private resume(
    block: RegionBlock,
    { block: { address: start }, first, behind }: Part,
    address: number,
    label = this.label,
  ): void {
    const { w, plan, locals, entry } = this.emission;
    // The entry's first micro-op was replaced by the call of this region.
    const moved = block === entry && first === 0 ? plan.entryCopy - start : 0;
    if (behind > 0) {
      w.get(locals.budget);
      w.i32(behind);
      w.op(W.i32Add);
      w.set(locals.budget);
    }
    // The shared exit tells the interpreter which block it is.
    w.i32(start + moved);
    w.set(locals.entry);
    this.leave(block, () => w.i32((address + moved) | RESUME), label);
  }

  /** If the condition on the stack holds, leave before the instruction of `n`. */
  resumeIf(block: RegionBlock, n: Node, label = this.label): void {
    const { w } = this.emission;
    w.hint("unlikely");
    w.open(W.if);
    // Delayed writes of the exit's recipe: the shared exit stores them with the rest.
    this.values.setRegisters(n.pending ?? []);
    this.resumeAt(block, n.insn, label);
    w.close();
  }

  /** To the cold tier's `poll`, the last micro-op but one, if it would go to the dispatcher. */
  poll(block: RegionBlock, field: Field): void {
    const { w, plan } = this.emission;
    w.load(W.i32Load, plan.state + field.offset);
    w.load(W.i32Load, plan.state + E.attention);
    w.op(W.i32Or);
    w.hint("unlikely");
    w.open(W.if);
    const last = lastPart(block);
    this.resume(block, last, last.block.address + last.block.length * 4 - 2 * MICRO_OP_BYTES);
    w.close();
  }
}
