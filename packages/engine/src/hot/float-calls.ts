import type { Node } from "../ir/node.js";
import { SOFT_FUNCTIONS } from "../ir/soft.js";
import type { FloatContext, FloatEmitter } from "./float.js";
import { FAST_FLOATS } from "./float-fast.js";
import { W } from "./function-writer.js";

/** Imports that regions call: the interpreter's own exact functions, by their index in `SOFT_FUNCTIONS`. */
export class FloatCalls implements FloatEmitter {
  /** Function index of each imported function, by its number. */
  private readonly indexOf: (sub: number) => number;
  private readonly takesRounding: readonly boolean[];

  constructor(indexOf: (sub: number) => number, takesRounding: readonly boolean[]) {
    this.indexOf = indexOf;
    this.takesRounding = takesRounding;
  }

  emit(context: FloatContext, n: Node): void {
    const fast = FAST_FLOATS[n.sub];
    // Host arithmetic rounds to nearest even.
    if (fast !== undefined && n.lo === 0) return fast(context, n, () => this.call(context, n));
    this.call(context, n);
  }

  private call(context: FloatContext, n: Node): void {
    const { w } = context;
    for (const operand of [n.a, n.b, n.c].slice(0, SOFT_FUNCTIONS[n.sub]?.args.length)) context.push(operand as Node);
    if (this.takesRounding[n.sub]) w.i32(n.lo);
    w.op(W.call);
    w.out.u32(this.indexOf(n.sub));
  }
}
