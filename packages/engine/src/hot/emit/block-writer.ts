import type { Node } from "../../ir/node.js";
import { Op, opInfo } from "../../ir/ops.js";
import type { Field } from "../../state/layout.js";
import type { RegionFloats } from "../float.js";
import { W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { Exits } from "./exits.js";
import { findLastUses, NO_LOCAL, READ_NOW } from "./last-uses.js";
import { selectCode } from "./links.js";
import type { Memory } from "./memory.js";
import { ShortcutWriter } from "./shortcuts.js";
import type { Values } from "./values.js";

/** Writes what blocks do, up to their ends. */
export class BlockWriter {
  private readonly emission: Emission;
  private readonly values: Values;
  private readonly exits: Exits;
  private readonly memory: Memory;
  private readonly floats: RegionFloats | undefined;
  private readonly shortcuts: ShortcutWriter;

  /** `floats` is there if the region has floating-point operations. */
  constructor(
    emission: Emission,
    values: Values,
    exits: Exits,
    memory: Memory,
    floats: RegionFloats | undefined,
  ) {
    this.emission = emission;
    this.values = values;
    this.exits = exits;
    this.memory = memory;
    this.floats = floats;
    this.shortcuts = new ShortcutWriter(emission, values, exits);
  }

  /** Charge the block, and write its instructions; what its end needs is left in `values`. */
  write(block: RegionBlock): void {
    const { emission } = this;
    const { w, locals } = emission;
    const { nodes } = block.ir;
    w.get(locals.budget);
    w.i32(block.ir.offsets.length);
    w.op(W.i32Sub);
    w.set(locals.budget);
    this.values.begin(block.delta);
    const count = findLastUses(block, emission.plan.shortcuts?.fields);
    for (let i = 0; i < count; i++) {
      emission.place(block, (nodes[i] as Node).insn);
      i = this.node(block, nodes, i);
    }
  }

  /** Write node `i`; gives the index of the last one written. */
  private node(block: RegionBlock, nodes: readonly Node[], i: number): number {
    const n = nodes[i] as Node;
    switch (opInfo(n.op).effect) {
      case "end":
        return i;
      case "pure":
        if (n.uses > 1 && n.last >= 0 && n.slot === NO_LOCAL && n.op !== Op.const && n.op !== Op.pc)
          this.values.save(n);
        return i;
      case "exit":
        if (n.op === Op.shortcut) {
          this.shortcuts.write(block, n);
          return i;
        }
        if (n.op !== Op.callIf) return this.memory.access(block, nodes, i);
        this.values.push(n.a as Node);
        this.exits.resumeIf(block, n);
        return i;
      default:
        this.state(n);
        return i;
    }
  }

  /** A node that reads or writes state. */
  private state(n: Node): void {
    const { values } = this;
    if (n.op === Op.get) {
      if (n.slot === READ_NOW) values.save(n);
    } else if (n.op === Op.set) values.setRegister(n.field as Field, n.a as Node);
    else if (n.op === Op.discard) return;
    else if (n.op === Op.selectContext) this.memory.selectContext(n.a as Node);
    else if (n.op === Op.selectCode) selectCode(this.emission, values, n.a as Node);
    // Floating point: its flags are an effect, so it is computed where it stands.
    else n.slot = (this.floats as RegionFloats).emit(values, n);
  }
}
