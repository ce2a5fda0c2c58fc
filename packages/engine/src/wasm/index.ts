export { ByteWriter } from "./bytes.js";
export {
  block,
  blockOf,
  br,
  brIf,
  brTable,
  drop,
  either,
  loop,
  ret,
  select,
  seq,
  switchOn,
  unreachable,
  when,
} from "./control.js";
export { type Callable, FunctionBuilder, type Global, type Local, ModuleBuilder } from "./module.js";
export type { ValType } from "./opcodes.js";
export { type Expr, expr, f32, f64, i32, i64, type Label, type Val, v128, vector } from "./ops.js";
