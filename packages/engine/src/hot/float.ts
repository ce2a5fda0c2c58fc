import type { Node } from "../ir/node.js";
import { SOFT_FUNCTIONS, type SoftFunction } from "../ir/soft.js";
import type { ValType } from "../wasm/opcodes.js";
import type { FunctionWriter } from "./function-writer.js";

/** What an IR value can be held in: its bit pattern, or a float of the host with that pattern. */
export type LocalType = ValType;

/** What floating-point code is written with. */
export interface FloatContext {
  readonly w: FunctionWriter;
  /** A local that holds the value in that type. It must not be written. */
  operand(n: Node, type: LocalType): number;
  /** A new local, free for the rest of the block. */
  temporary(type: LocalType): number;
}

/** Types of an `fp` operation's operands and result, as it is emitted. */
export interface FloatForm {
  readonly args: readonly LocalType[];
  readonly result: LocalType;
}

/** Writes the `fp` operations of one region. */
export interface RegionFloats {
  /** Gives the local with the result. */
  emit(context: FloatContext, n: Node): number;
}

/** Writes `fp` operations. */
export interface FloatEmitter {
  form(n: Node): FloatForm;
  /** Begin a region that has `fp` operations, in its prologue. */
  enter(w: FunctionWriter): RegionFloats;
}

/** For engines without floating point. */
export const NO_FLOATS: FloatEmitter = {
  form: (n) => SOFT_FUNCTIONS[n.sub] as SoftFunction,
  enter() {
    throw new Error("the engine was made without floating-point rules");
  },
};
