import { type FunctionBuilder, ModuleBuilder } from "../../wasm/index.js";
import { emitSoftFloat, SOFT_FLOAT_NAMES, type SoftFloatName, type SoftFloatOptions } from "../index.js";

/** Bit pattern or integer result, zero-extended, and the exceptions raised on top of those there before. */
export interface Outcome {
  readonly bits: bigint;
  readonly flags: number;
}

export interface Instance {
  /** Patterns zero-extended; `rm` and `exact` go last, where the function has them. */
  run(name: SoftFloatName, args: readonly bigint[], before?: number, modes?: number): Outcome;
}

/** All functions of one policy as a WebAssembly instance of their own. */
export function instantiate(options: SoftFloatOptions): Instance {
  const m = new ModuleBuilder();
  const soft = emitSoftFloat(m, options);
  const builders = new Map<string, FunctionBuilder>();
  for (const name of SOFT_FLOAT_NAMES) {
    const f = soft.get(name);
    builders.set(name, f);
    m.export(name, f);
  }
  const begin = m.func("begin", ["i32", "i32"]);
  begin.body(soft.flags.set(begin.arg(0)), soft.modes.set(begin.arg(1)));
  m.export("begin", begin);
  const flags = m.func("flags", [], "i32").body(soft.flags);
  m.export("flags", flags);
  const exports = new WebAssembly.Instance(new WebAssembly.Module(m.encode())).exports as Record<
    string,
    CallableFunction
  >;
  return {
    run(name, args, before = 0, modes = 0) {
      const { params, result } = builders.get(name) as FunctionBuilder;
      exports.begin?.(before, modes);
      const values = params.map((type, i) => {
        const value = args[i];
        if (value === undefined) throw new RangeError(`${name} takes ${params.length} arguments`);
        return type === "i64" ? BigInt.asIntN(64, value) : Number(BigInt.asIntN(32, value));
      });
      const out = exports[name]?.(...values) as bigint | number;
      const bits = result === "i64" ? BigInt.asUintN(64, out as bigint) : BigInt((out as number) >>> 0);
      return { bits, flags: (exports.flags?.() as number) & ~before };
    },
  };
}
