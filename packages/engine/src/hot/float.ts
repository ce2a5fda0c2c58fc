import type { Node } from "../ir/node.js";
import type { FunctionWriter } from "./function-writer.js";

/** What floating-point code is written with. */
export interface FloatContext {
  readonly w: FunctionWriter;
  push(n: Node): void;
  temporary(type: "i32" | "i64"): number;
  /** Leave to the cold tier at the start of the instruction. */
  leave(insn: number): void;
}

/** Writes `fp` operations: leaves the result on the stack. */
export interface FloatEmitter {
  emit(context: FloatContext, n: Node): void;
}

/** For engines without floating point. */
export const NO_FLOATS: FloatEmitter = {
  emit() {
    throw new Error("the engine was made without floating-point rules");
  },
};
