import { opCode } from "../ir/ops.js";
import { VECTOR } from "../wasm/opcodes.js";

// Lanes of vectors that are numbers: the same lanes, without a detour through the host's integer registers.

export interface FloatLane {
  /** Number of the vector instruction. */
  readonly code: number;
  readonly type: "f32" | "f64";
}

const SHAPES = [
  ["i32x4", "f32x4", "f32"],
  ["i64x2", "f64x2", "f64"],
] as const;

/** By IR operation number: how to extract an integer lane as a float, and how to replace one by a float. */
export const EXTRACT_FLOAT: (FloatLane | undefined)[] = [];
export const REPLACE_FLOAT: (FloatLane | undefined)[] = [];
for (const [integers, floats, type] of SHAPES) {
  EXTRACT_FLOAT[opCode(`${integers}.extract_lane`)] = { code: VECTOR[`${floats}.extract_lane`][0], type };
  REPLACE_FLOAT[opCode(`${integers}.replace_lane`)] = { code: VECTOR[`${floats}.replace_lane`][0], type };
}
