import type { IrBuilder, Value } from "@hypercraft/engine";

/** A subtraction that set the flags, in the block `nodes` belongs to. */
export interface Comparison {
  readonly nodes: unknown;
  readonly wide: boolean;
  readonly x: Value;
  readonly y: Value;
}

/**
 * The condition by comparing the operands of the subtraction, which is shorter than by way of the flags; null for
 * the conditions on N or V alone.
 */
export function compareBy(o: IrBuilder["i32"], { x, y }: Comparison, code: number): Value | null {
  switch (code) {
    case 0:
      return o.eq(x, y);
    case 1:
      return o.ne(x, y);
    case 2:
      return o.ge_u(x, y);
    case 3:
      return o.lt_u(x, y);
    case 8:
      return o.gt_u(x, y);
    case 9:
      return o.le_u(x, y);
    case 10:
      return o.ge_s(x, y);
    case 11:
      return o.lt_s(x, y);
    case 12:
      return o.gt_s(x, y);
    case 13:
      return o.le_s(x, y);
    default:
      return null;
  }
}
