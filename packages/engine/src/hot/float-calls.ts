import type { Node } from "../ir/node.js";
import { SOFT_FUNCTIONS, type SoftFunction } from "../ir/soft.js";
import { FLOAT_MODES, modesOf, roundingOf } from "../softfloat/index.js";
import type { FloatContext, FloatEmitter, FloatForm, RegionFloats } from "./float.js";
import { enterFloats, FAST_FLOATS, FAST_FLOATS_FUSED, whereFlushed } from "./float-fast.js";
import { type Fast, type FastWriter, type Guards, type Variable, variable } from "./float-writer.js";
import { type FunctionWriter, W } from "./function-writer.js";

/** The host's arithmetic: with a fused multiply-add, or without. */
export type HostFloats = "fused" | "plain";

/** Indexes of the imported flags and modes. */
const FLAGS_GLOBAL = 0;
const MODES_GLOBAL = 1;
/** Under these the host does something else than the guest with denormal numbers. */
const FLUSHING = FLOAT_MODES.flushInputs | FLOAT_MODES.flushResults;
/** Under these it is told nothing that it could go by. */
const TRAPPING = FLOAT_MODES.trapOverflow | FLOAT_MODES.trapUnderflow;

/** Floating point in regions: the host's arithmetic where it is exact, else the interpreter's own functions. */
export class FloatCalls implements FloatEmitter {
  /** Function index of each imported function, by its number. */
  private readonly indexOf: (sub: number) => number;
  private readonly takesRounding: readonly boolean[];
  /** The functions read the modes. */
  private readonly switchable: boolean;
  /** What the host's arithmetic is trusted with. */
  private readonly fastFloats: readonly (Fast | undefined)[];
  /** The same for guests that flush denormals at the moment, or have a flag for denormal operands. */
  private readonly flushedFloats: readonly (Fast | undefined)[];

  constructor(
    indexOf: (sub: number) => number,
    takesRounding: readonly boolean[],
    switchable: boolean,
    hostFloats: HostFloats | false,
    denormalFlag: boolean,
  ) {
    this.indexOf = indexOf;
    this.takesRounding = takesRounding;
    this.switchable = switchable;
    const list = !hostFloats ? [] : hostFloats === "fused" ? FAST_FLOATS_FUSED : FAST_FLOATS;
    this.flushedFloats = whereFlushed(list);
    this.fastFloats = denormalFlag ? this.flushedFloats : list;
  }

  form(n: Node): FloatForm {
    return this.fast(n) ?? (SOFT_FUNCTIONS[n.sub] as SoftFunction);
  }

  enter(w: FunctionWriter): RegionFloats {
    const guards = enterFloats(w, FLAGS_GLOBAL);
    const scratch = new Scratch(w);
    return { emit: (context, n) => this.emit(context, n, guards, scratch) };
  }

  private fast(n: Node): Fast | undefined {
    if ((modesOf(n.lo) & TRAPPING) !== 0) return undefined;
    const flushing = (modesOf(n.lo) & FLUSHING) !== 0;
    const fast = (flushing ? this.flushedFloats : this.fastFloats)[n.sub];
    return fast?.roundings?.includes(roundingOf(n.lo)) === false ? undefined : fast;
  }

  private emit(context: FloatContext, n: Node, guards: Guards, scratch: Scratch): number {
    const { w } = context;
    const fast = this.fast(n);
    const { args: types, result: type } = this.form(n);
    const operands = [n.a, n.b, n.c].slice(0, types.length) as Node[];
    const args = operands.map((operand, i) => {
      const argType = types[i] as FloatForm["result"];
      return variable(argType, context.operand(operand, argType));
    });
    const result = variable(type, context.temporary(type));
    if (fast === undefined) {
      this.call(w, n, args, result);
      return result.index;
    }
    const done = w.open(W.block);
    const slow = w.open(W.block);
    const sink = { out: w.out, labels: [] };
    scratch.reset();
    const writer: FastWriter = {
      args,
      result,
      guards,
      rounding: roundingOf(n.lo),
      scratch: () => scratch.next(),
      set(target, value) {
        value.write(sink);
        w.set(target.index);
      },
      require(condition) {
        condition.write(sink);
        w.op(W.i32Eqz);
        w.brUnlikely(slow);
      },
      accept(condition) {
        condition.write(sink);
        w.brIf(done);
      },
    };
    fast.write(writer);
    w.br(done);
    w.close();
    fast.rescue?.(writer);
    if (fast.total) w.op(W.unreachable);
    else this.call(w, n, args, result);
    w.close();
    return result.index;
  }

  /** The exact function, on bit patterns. */
  private call(w: FunctionWriter, n: Node, args: readonly Variable[], result: Variable): void {
    const fn = SOFT_FUNCTIONS[n.sub] as SoftFunction;
    args.forEach((arg, i) => {
      w.get(arg.index);
      w.convert(arg.type as FloatForm["result"], fn.args[i] as FloatForm["result"]);
    });
    if (this.switchable) {
      w.i32(modesOf(n.lo));
      w.op(W.globalSet);
      w.out.u32(MODES_GLOBAL);
    }
    if (this.takesRounding[n.sub]) w.i32(roundingOf(n.lo));
    w.op(W.call);
    w.out.u32(this.indexOf(n.sub));
    w.convert(fn.result, result.type as FloatForm["result"]);
    w.set(result.index);
  }
}

/** Locals (f64) of intermediate results, used again by each operation. */
class Scratch {
  private readonly w: FunctionWriter;
  private readonly variables: Variable[] = [];
  private used = 0;

  constructor(w: FunctionWriter) {
    this.w = w;
  }

  reset(): void {
    this.used = 0;
  }

  next(): Variable {
    this.variables[this.used] ??= variable("f64", this.w.local("f64"));
    return this.variables[this.used++] as Variable;
  }
}
