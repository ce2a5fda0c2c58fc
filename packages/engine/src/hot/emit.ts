import type { Node } from "../ir/node.js";
import { planAccesses } from "./accesses.js";
import { BlockWriter } from "./emit/block-writer.js";
import { ControlFlow } from "./emit/control-flow.js";
import { Emission, type EmitPlan } from "./emit/emission.js";
import { Exits } from "./emit/exits.js";
import { writeEpilogue, writePrologue } from "./emit/frame.js";
import { Memory } from "./emit/memory.js";
import { Values } from "./emit/values.js";
import type { FloatEmitter } from "./float.js";
import { chooseFloatLocals, NO_FLOAT_LOCALS } from "./float-locals.js";
import type { FunctionWriter } from "./function-writer.js";
import { analyse } from "./graph.js";
import type { Region } from "./region.js";

/**
 * Writes a region as one WebAssembly function `() -> i32`: guest registers in locals, structured control
 * flow, one shared exit. The result says where the cold tier goes on: a block to enter, a micro-op to resume
 * at (RESUME set), or 0 after an indirect jump whose target is in `pc`.
 *
 * Whatever is rare leaves to the cold version of the same code, at the start of the instruction: a TLB miss,
 * a helper call, the end of the budget. So nothing here has to be finished twice.
 */
export function emitRegion(region: Region, plan: EmitPlan, float: FloatEmitter): FunctionWriter {
  const order = analyse(region);
  const accesses = planAccesses(order, plan.unmerged);
  const hasFloats = order.some((block) => block.hasFloats);
  const floatLocals = hasFloats
    ? chooseFloatLocals(
        order.map(({ ir }) => ir.nodes),
        (n) => float.form(n),
      )
    : NO_FLOAT_LOCALS;

  const emission = new Emission(plan, order, floatLocals.fields);
  const { w } = emission;
  const values = new Values(emission, floatLocals);
  const exits = new Exits(emission, values);
  const memory = new Memory(emission, values, exits, accesses);

  emission.place(undefined, -1);
  writePrologue(emission, region.instructions);
  memory.pages.forget();
  const floats = hasFloats ? float.enter(w) : undefined;

  const blocks = new BlockWriter(emission, values, exits, memory, floats);
  const flow = new ControlFlow(emission, values, exits, region.instructions, (block) => {
    blocks.write(block);
    if (block.stop < 0) return flow.end(block, block.ir.nodes.at(-1) as Node);
    emission.place(block, block.stop);
    exits.resumeAt(block, block.stop);
    values.release();
  });
  exits.open([...accesses.values()].some(({ group }) => group !== null));
  flow.tree(emission.entry);
  emission.place(undefined, -1);
  exits.close();

  writeEpilogue(emission);
  if (plan.notes !== undefined) emission.locals.name(plan.notes);
  return w;
}
