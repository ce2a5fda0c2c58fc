import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";

// Two general-purpose registers as one value of 16 bytes, the first one in the low half.

/** Both as a v128. */
export function pairOf(b: A64Builder, first: number, second: number): Value {
  const { ir } = b;
  const low = ir.i64x2.replace_lane(ir.v128.const(0, 0, 0, 0), 0, b.x(first));
  return ir.i64x2.replace_lane(low, 1, b.x(second));
}

/** Write both halves of a v128. */
export function setPair(b: A64Builder, first: number, second: number, value: Value): void {
  const { i64x2 } = b.ir;
  const [low, high] = [i64x2.extract_lane(value, 0), i64x2.extract_lane(value, 1)];
  b.setX(first, low);
  b.setX(second, high);
}
