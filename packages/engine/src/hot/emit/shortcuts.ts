import type { Node } from "../../ir/node.js";
import type { Field } from "../../state/layout.js";
import type { ShortcutCalls } from "../compiler.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { Exits } from "./exits.js";
import { loadOf, storeOf } from "./frame.js";
import type { Values } from "./values.js";

/** Writes calls of shortcuts. Where one gives up, the cold tier does the instruction, and calls the helper. */
export class ShortcutWriter {
  private readonly emission: Emission;
  private readonly values: Values;
  private readonly exits: Exits;

  constructor(emission: Emission, values: Values, exits: Exits) {
    this.emission = emission;
    this.values = values;
    this.exits = exits;
  }

  write(block: RegionBlock, n: Node): void {
    const { emission, values } = this;
    const { w, plan, locals } = emission;
    const { fields, first } = plan.shortcuts as ShortcutCalls;
    w.usesShortcuts = true;
    const shared = (fields[n.hi] as readonly Field[]).filter((field) => locals.registers.has(field));
    const address = (field: Field) => plan.state + field.offset;
    for (const field of shared) {
      const local = locals.register(field);
      if (locals.written.includes(field)) w.store(storeOf(w.typeOf(local)), address(field), local);
    }
    w.i32(n.lo);
    for (const operand of [n.a, n.b]) {
      if (operand === null) w.i64(0, 0);
      else values.push(operand);
    }
    w.op(W.call);
    w.out.u32(first + n.hi);
    for (const field of shared) {
      const local = locals.register(field);
      w.load(loadOf(w.typeOf(local)), address(field));
      w.set(local);
    }
    w.op(W.i32Eqz);
    this.exits.resumeIf(block, n);
  }
}
