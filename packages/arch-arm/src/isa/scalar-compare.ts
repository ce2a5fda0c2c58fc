import type { Value } from "@hypercraft/engine";
import { compute, type Float, formatOf, readFloat, zero } from "./float-lifter.js";
import type { A64Builder } from "./lifter.js";
import { vectorInstructions } from "./vector-lifter.js";

// Scalar floating-point comparisons, into the flags.

interface Fields {
  readonly double: number;
  readonly fn: number;
  readonly fm: number;
  readonly cond: number;
  readonly nzcv: number;
}

const insn = vectorInstructions<Fields>("FP");

/** Less is N, equal is Z and C, greater is C, unordered is C and V. FCMPE raises invalid for quiet NaNs, too. */
function compare(b: A64Builder, f: Float, x: Value, y: Value, signals: boolean): void {
  b.setOrder(compute(b, f, signals ? "orderSignaling" : "order", x, y));
}

const comparisons = ([false, true] as const).flatMap((signals) => {
  const [name, bit] = signals ? (["fcmpe", 1] as const) : (["fcmp", 0] as const);
  return [
    insn(
      `000111100 double:1 1 fm:5 00 1000 fn:5 ${bit}0000`,
      `${name} fn, fm`,
      (b, o) => {
        const f = formatOf(o.double);
        compare(b, f, readFloat(b, f, o.fn), readFloat(b, f, o.fm), signals);
      },
      { name: `${name}.v` },
    ),
    insn(
      `000111100 double:1 1 ----- 00 1000 fn:5 ${bit}1000`,
      `${name} fn, #0.0`,
      (b, o) => {
        const f = formatOf(o.double);
        compare(b, f, readFloat(b, f, o.fn), zero(b, f), signals);
      },
      { name: `${name}.zero.v` },
    ),
    insn(
      `000111100 double:1 1 fm:5 cond:4 01 fn:5 ${bit} nzcv:4`,
      `fccmp${signals ? "e" : ""} fn, fm, nzcv, cond`,
      (b, o) => {
        const f = formatOf(o.double);
        const condition = b.condition(o.cond);
        // Without the condition nothing is compared, and nothing raised: two zeros.
        const [x, y] = [o.fn, o.fm].map((n) => b.ir.select(condition, readFloat(b, f, n), zero(b, f)));
        b.flagsIf(condition, () => compare(b, f, x as Value, y as Value, signals), o.nzcv);
      },
      { name: `fccmp${signals ? "e" : ""}.v` },
    ),
  ];
});

export const scalarCompare = comparisons;
