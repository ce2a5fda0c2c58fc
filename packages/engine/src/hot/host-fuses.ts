import { ModuleBuilder } from "../wasm/index.js";
import { relaxedMultiplyAdd } from "./float-fused.js";

let answer: boolean | undefined;

/**
 * Whether the host's relaxed multiply-add exists and rounds once. Standard WebAssembly leaves that to the host,
 * which has to do the same in all its code; it depends on the processor.
 */
export function hostFuses(): boolean {
  answer ??= ask();
  return answer;
}

function ask(): boolean {
  const module = new ModuleBuilder();
  const f = module.func("f", ["f64", "f64", "f64"], "f64");
  module.export("f", f.body(relaxedMultiplyAdd("f64", f.args)));
  const bytes = module.encode();
  if (!WebAssembly.validate(bytes)) return false;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const small = 2 ** -30;
  // The product is 1 - 2^-60, which rounds to 1.
  return (exports.f as CallableFunction)(1 + small, 1 - small, -1) === -(small ** 2);
}
