import type { Node } from "../ir/node.js";
import { SOFT_FUNCTIONS, type SoftFunction } from "../ir/soft.js";
import type { FloatContext, FloatEmitter } from "./float.js";
import { FAST_FLOATS } from "./float-fast.js";
import { W } from "./function-writer.js";

/** Floating point in regions: the host's arithmetic where it is exact, else the interpreter's own functions. */
export class FloatCalls implements FloatEmitter {
  /** Function index of each imported function, by its number. */
  private readonly indexOf: (sub: number) => number;
  private readonly takesRounding: readonly boolean[];
  /** The guest's rules allow host arithmetic: no denormal flags, one NaN. */
  private readonly hostIsExact: boolean;

  constructor(indexOf: (sub: number) => number, takesRounding: readonly boolean[], hostIsExact: boolean) {
    this.indexOf = indexOf;
    this.takesRounding = takesRounding;
    this.hostIsExact = hostIsExact;
  }

  emit(context: FloatContext, n: Node): void {
    const { w } = context;
    const fn = SOFT_FUNCTIONS[n.sub] as SoftFunction;
    const fast = this.hostIsExact ? FAST_FLOATS[n.sub] : undefined;
    const operands = [n.a, n.b, n.c].slice(0, fn.args.length) as Node[];
    const args = operands.map((operand, i) => {
      const local = context.temporary(fn.args[i] as "i32" | "i64");
      context.push(operand);
      w.set(local);
      return local;
    });
    if (fast === undefined) return this.call(context, n, args);
    const done = w.open(W.block, fn.result);
    const slow = w.open(W.block);
    fast(context, n, args, slow);
    w.br(done);
    w.close();
    this.call(context, n, args);
    w.close();
  }

  private call({ w }: FloatContext, n: Node, args: readonly number[]): void {
    for (const local of args) w.get(local);
    if (this.takesRounding[n.sub]) w.i32(n.lo);
    w.op(W.call);
    w.out.u32(this.indexOf(n.sub));
  }
}
