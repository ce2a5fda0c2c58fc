import type { Declaration, Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { V } from "../cpu/state.js";
import { type A64Builder, a64 } from "./lifter.js";

// What the instructions on the floating-point and Advanced SIMD registers share.

/** The fields such encodings may have. */
export interface VectorFields {
  readonly vd: number;
  readonly vn: number;
  readonly vm: number;
  readonly q: number;
  readonly vsize: number;
  readonly vbt: number;
  readonly vht: number;
  readonly vst: number;
  readonly vdt: number;
  readonly vqt: number;
  readonly vst2: number;
  readonly vdt2: number;
  readonly vqt2: number;
  readonly xnSp: number;
  readonly rm: number;
  readonly option: number;
  readonly scaled: number;
  readonly disp: number;
  readonly sdisp: number;
  readonly idisp: number;
  readonly offset: number;
  readonly xn: number;
  readonly wn: number;
  readonly xd: number;
  readonly wd: number;
  readonly imm5: number;
  readonly imm4: number;
  readonly immhb: number;
  readonly vsn: number;
  readonly vdn: number;
  readonly vsm: number;
  readonly vdm: number;
  readonly vsa: number;
  readonly vda: number;
  readonly immHigh: number;
  readonly immLow: number;
  readonly immShift: number;
  readonly upperN: number;
  readonly upperD: number;
  readonly cond: number;
}

/** Another text, and where it is used. */
type Alias = readonly [text: string, where: string];

export type VectorLift = (b: A64Builder, o: VectorFields) => void;

interface Options {
  readonly name: string;
  readonly where?: string;
  readonly aliases?: readonly Alias[];
}

type Declare<F> = (
  pattern: string,
  text: string,
  lift: (b: A64Builder, o: F) => void,
  options: Options,
) => Declaration<A64Builder>;

/** Declares instructions that trap where the access of these registers does. `F`: the fields their encodings have. */
export function vectorInstructions<F = VectorFields>(...features: readonly string[]): Declare<F> {
  // Patterns are put together from tables, so the types cannot tell which fields are in them.
  const insn = a64(...features).insn as unknown as Declare<F>;
  return (pattern, text, lift, options) =>
    insn(
      pattern,
      text,
      (b, o) => {
        if (b.mode.fpTrapped) b.callAndDispatch(Helper.fpTrap);
        else lift(b, o);
      },
      options,
    );
}

/** All of a vector register. */
export const vector = (b: A64Builder, index: number): Value => b.ir.get(V[index]!);

export const setVector = (b: A64Builder, index: number, value: Value): void => b.ir.set(V[index]!, value);

/** The low half of a vector register. */
export const low64 = (b: A64Builder, index: number): Value => b.ir.i64x2.extract_lane(vector(b, index), 0);

export const zeroVector = (b: A64Builder): Value => b.ir.v128.const(0, 0, 0, 0);

/** Write an i64 to the low half; the rest becomes zero. */
export function setLow64(b: A64Builder, index: number, value: Value): void {
  setVector(b, index, b.ir.i64x2.replace_lane(zeroVector(b), 0, value));
}

/** Write a result of 64 (q = 0: the low half) or 128 bits. */
export function setArranged(b: A64Builder, q: number, index: number, value: Value): void {
  setVector(b, index, q === 1 ? value : b.ir.v128.and(value, b.ir.v128.const(-1, -1, 0, 0)));
}
