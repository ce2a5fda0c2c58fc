import type { Block } from "../../code/block.js";
import type { CodeStore } from "../../code/store.js";
import type { Field } from "../../state/layout.js";
import type { ShortcutCalls } from "../compiler.js";
import { FunctionWriter, W } from "../function-writer.js";
import type { RegionNotes } from "../notes.js";
import type { RegionBlock } from "../region.js";
import { RegionLocals } from "./locals.js";

/** Fixed addresses and indices that generated code refers to. */
export interface EmitPlan {
  /** Address of the state window. */
  readonly state: number;
  readonly jumpCache: number;
  readonly code: CodeStore;
  /** Address of the copy of the entry block, for when the region cannot run. */
  readonly entryCopy: number;
  /** Accesses of this block were often on two pages at once: check each of them. */
  readonly unmerged: (block: Block) => boolean;
  /** Type index of `() -> i32`. */
  readonly regionType: number;
  /** Function index of the unsigned high product. */
  readonly mulHigh: number;
  readonly shortcuts: ShortcutCalls | undefined;
  /** Filled in for those who want to read the code. */
  readonly notes?: RegionNotes | undefined;
}

/** A region being written: what all parts of the emitter refer to. */
export class Emission {
  readonly w = new FunctionWriter();
  readonly plan: EmitPlan;
  readonly locals: RegionLocals;
  /** The block that the region begins with. */
  readonly entry: RegionBlock;

  /** `floats`: guest registers kept as f64. */
  constructor(plan: EmitPlan, blocks: readonly RegionBlock[], floats: ReadonlySet<Field>) {
    this.plan = plan;
    this.entry = blocks[0] as RegionBlock;
    this.locals = new RegionLocals(this.w, blocks, floats);
  }

  /** Note what the code written from here on is for: a block's instruction, its head (-1), or the frame. */
  place(block: RegionBlock | undefined, insn: number): void {
    this.plan.notes?.place(this.w.out.length, block, insn);
  }

  /** Push the virtual address of a block's page. */
  pushPage(block: RegionBlock): void {
    const { w, locals } = this;
    w.get(locals.page);
    if (block.delta === 0) return;
    w.i64Number(block.delta);
    w.op(W.i64Add);
  }
}
